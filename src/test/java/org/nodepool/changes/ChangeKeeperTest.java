package org.nodepool.changes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import io.vertx.sqlclient.Row;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.nodepool.ExternalMariaDb;
import org.nodepool.Poll;
import org.nodepool.RunsBesideOthers;
import org.nodepool.TestService;
import org.nodepool.changes.SeenChanges.Gap;
import org.nodepool.model.Node;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Columns;
import org.nodepool.store.Database;
import org.nodepool.store.schema.Schema;

/** Who removes old changes, which of them, and what that is to those who read them. */
@RunsBesideOthers
@ExtendWith(VertxExtension.class)
class ChangeKeeperTest {
  private static final ExternalMariaDb SERVER = ExternalMariaDb.shared();
  private static final String NAME = "change_keeper_test";
  private static final long KEPT = 10_000;
  private static final long LOGGED = 20_000;

  private final Database.Address address = SERVER.newDatabase(NAME);
  private Vertx vertx;

  /** What a process has of it. */
  private final class Site implements ChangeKeeper.Reader {
    final Database db = new Database(vertx, address, Clock.systemUTC(), new ChangeLog());
    final AtomicLong clock = new AtomicLong();
    final List<Gap> neverFilled = new ArrayList<>();
    final ChangeKeeper keeper;
    final String deployment;
    volatile SeenChanges seen;

    Site(String name) {
      db.setOpen(true);
      keeper =
          new ChangeKeeper(db, new Turns(db, name), Map.of("reader of " + name, this), clock::get);
      deployment = vertx.deployVerticle(keeper).await();
    }

    @Override
    public SeenChanges seen() {
      return seen;
    }

    @Override
    public synchronized void neverFilled(List<Gap> gaps) {
      neverFilled.addAll(gaps);
    }

    synchronized List<Gap> given() {
      return List.copyOf(neverFilled);
    }

    /** Whether it has the turn. */
    boolean prunes() {
      try {
        keeper.pruneSome().await();
        return true;
      } catch (TurnLost e) {
        return false;
      }
    }

    void pruneAll() {
      while (keeper.pruneSome().await() > 0) {
        assertThat(least()).isPositive();
      }
    }

    void stop() {
      vertx.undeploy(deployment).await();
    }
  }

  @BeforeEach
  void log(Vertx vertx) {
    this.vertx = vertx;
    Database db = new Database(vertx, address, Clock.systemUTC(), new ChangeLog());
    Schema.apply(db).await();
    assertThat(Triggers.ALL.ensure(db).await()).isEmpty();
    SERVER.sqlIn(
        NAME,
        "INSERT INTO node (id, provider_name, label_name, target_name, state) VALUES"
            + " (1, 'p', 'l', 't', 1)");
    grow();
  }

  @Test
  void of_two_processes_one_alone_prunes_and_the_other_when_that_one_has_stopped() {
    Site first = new Site("a");
    Poll.until("it has the turn", first::prunes);
    Site second = new Site("b");
    for (int i = 0; i < 5; i++) {
      assertThatThrownBy(() -> second.keeper.pruneSome().await()).isInstanceOf(TurnLost.class);
    }
    first.pruneAll();
    long least = least();
    assertThat(least).isEqualTo(greatest() - KEPT + 1);

    grow();
    assertThat(second.prunes()).isFalse();
    assertThat(least()).isEqualTo(least);
    first.stop();
    Poll.until("the other has the turn", second::prunes);
    second.pruneAll();
    assertThat(least()).isEqualTo(greatest() - KEPT + 1);
    second.stop();
  }

  @Test
  void what_a_reader_needs_that_was_seen_within_the_last_minute_stays() {
    Site site = new Site("a");
    Poll.until("it has the turn", site::prunes);
    SERVER.sqlIn(
        NAME,
        "INSERT INTO api_change_reader VALUES ('slow', 5000, UNIX_TIMESTAMP()),"
            + " ('quick', 15000, UNIX_TIMESTAMP())");
    grow();

    site.pruneAll();
    assertThat(least()).isEqualTo(5_000);
    SERVER.sqlIn(NAME, "UPDATE api_change_reader SET seen = UNIX_TIMESTAMP() - 50");
    site.pruneAll();
    assertThat(least()).isEqualTo(5_000);

    SERVER.sqlIn(
        NAME,
        "UPDATE api_change_reader SET seen = UNIX_TIMESTAMP() - 61 WHERE reader = 'slow'",
        "UPDATE api_change_reader SET seen = UNIX_TIMESTAMP() WHERE reader = 'quick'");
    site.pruneAll();
    assertThat(least()).isEqualTo(15_000);
    site.stop();
  }

  @Test
  void a_reader_of_the_process_holds_its_rows_and_is_forgotten_when_it_stops() {
    Site site = new Site("a");
    Poll.until("it has the turn", site::prunes);
    grow();
    site.seen = new SeenChanges(greatest(), List.of(new Gap(12_000, 12_000)), 0, 1);
    Poll.until("it is told", () -> text("SELECT needs FROM api_change_reader").size() == 1);

    site.pruneAll();

    assertThat(text("SELECT CONCAT(reader, ' ', needs) FROM api_change_reader"))
        .containsExactly("reader of a 12000");
    assertThat(least()).isEqualTo(12_000);
    site.stop();
    assertThat(text("SELECT reader FROM api_change_reader")).isEmpty();
  }

  @Test
  void a_reader_that_comes_back_later_reads_all_anew_and_misses_nothing() {
    Site site = new Site("a");
    Poll.until("it has the turn", site::prunes);
    Context context = vertx.getOrCreateContext();
    PoolLog log = on(context, () -> Future.succeededFuture(PoolLog.ofAll(site.db, Columns.LOGGED)));
    PoolLog.Rows before = on(context, () -> log.all(null));
    SERVER.sqlIn(
        NAME,
        "INSERT INTO api_change_reader VALUES ('away', %d, UNIX_TIMESTAMP() - 61)"
            .formatted(before.seen().least()),
        "UPDATE node SET hostname = 'meanwhile'");
    grow();
    site.pruneAll();
    assertThat(least()).isGreaterThan(before.seen().greatest() + 1);

    assertThat(on(context, () -> log.since(before.seen()))).isNull();
    PoolLog.Rows anew = on(context, () -> log.all(before.seen()));

    assertThat(anew.of(Columns.NODE)).extracting(Node::hostname).containsExactly("meanwhile");
    SERVER.sqlIn(NAME, "UPDATE node SET hostname = 'afterwards'");
    assertThat(on(context, () -> log.since(anew.seen())).of(Columns.NODE).values())
        .extracting(Node::hostname)
        .containsExactly("afterwards");
    site.stop();
  }

  @Test
  void readers_that_are_long_gone_are_forgotten() {
    Site site = new Site("a");
    SERVER.sqlIn(
        NAME,
        "INSERT INTO api_change_reader VALUES ('gone', 1, UNIX_TIMESTAMP() - 601),"
            + " ('away', 1, UNIX_TIMESTAMP() - 500)");

    Poll.until("it has the turn", site::prunes);

    assertThat(text("SELECT reader FROM api_change_reader")).containsExactly("away");
    site.stop();
  }

  @Test
  void each_process_is_told_the_gaps_of_its_own_reader_that_will_never_be_filled() {
    Site first = new Site("a");
    Site second = new Site("b");
    SERVER.sqlIn(NAME, "DELETE FROM api_change WHERE id IN (19000, 19500)");
    first.seen = new SeenChanges(greatest(), List.of(new Gap(19_000, 19_000)), 0, 1);
    second.seen = new SeenChanges(greatest(), List.of(new Gap(19_500, 19_500)), 0, 1);

    Poll.until(
        "they are proved",
        () -> {
          first.clock.addAndGet(Duration.ofMinutes(1).toNanos());
          second.clock.addAndGet(Duration.ofMinutes(1).toNanos());
          return !first.given().isEmpty() && !second.given().isEmpty();
        });

    assertThat(first.given()).containsOnly(new Gap(19_000, 19_000));
    assertThat(second.given()).containsOnly(new Gap(19_500, 19_500));
    first.stop();
    second.stop();
  }

  @Test
  void a_service_that_answers_tells_how_far_its_picture_is() {
    TestService service = TestService.shared();

    Poll.until(
        "there is a reader, and who keeps the log",
        () ->
            service
                    .sql(
                        "SELECT 1 FROM api_change_reader r, api_turn t WHERE r.reader ="
                            + " CONCAT('picture of ', t.holder) AND t.purpose = 'keeper'"
                            + " AND t.lease_until >= UNIX_TIMESTAMP()")
                    .size()
                == 1);
  }

  /** Changes of a row that is not there, after those that there are. */
  private void grow() {
    SERVER.sqlIn(
        NAME,
        ("INSERT INTO api_change (id, of_table, old_id, time) SELECT seq, 'node', 1000, 0"
                + " FROM seq_%d_to_%d")
            .formatted(greatest() + 1, greatest() + LOGGED));
  }

  private static long greatest() {
    return number("MAX");
  }

  private static long least() {
    return number("MIN");
  }

  private static long number(String which) {
    return SERVER
        .sqlIn(NAME, "SELECT COALESCE(%s(id), 0) FROM api_change".formatted(which))
        .iterator()
        .next()
        .getLong(0);
  }

  private static List<String> text(String query) {
    List<String> values = new ArrayList<>();
    for (Row row : SERVER.sqlIn(NAME, query)) {
      values.add(String.valueOf(row.getValue(0)));
    }
    return values;
  }

  private static <T> T on(Context context, Supplier<Future<T>> call) {
    Promise<T> done = Promise.promise();
    context.runOnContext(v -> call.get().onComplete(done));
    return done.future().await();
  }
}
