package org.nodepool.changes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aNode;

import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.SqlConnection;
import io.vertx.sqlclient.Transaction;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.nodepool.RunsBesideOthers;
import org.nodepool.TestService;
import org.nodepool.changes.SeenChanges.Gap;
import org.nodepool.model.Failpoint;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Columns;
import org.nodepool.store.Database;

/** Which ids of the change log are waited for, and when one is given up. */
@RunsBesideOthers
@ExtendWith(VertxExtension.class)
class PoolLogTest {
  private final TestService service = TestService.shared();
  private final List<SqlConnection> others = new ArrayList<>();
  private final AtomicLong clock = new AtomicLong();
  private Context context;
  private long node;
  private Database db;
  private ChangeTable table;
  private GapProofs proofs;
  private PoolLog log;
  private PoolLog another;
  private SeenChanges seen;

  @BeforeEach
  void start(Vertx vertx) {
    context = vertx.getOrCreateContext();
    service.empty();
    service.keepChanges();
    node = service.node("directory", 2);
    db = new Database(vertx, service.address(), Clock.systemUTC(), new ChangeLog());
    db.setOpen(true);
    table = new ChangeTable(db);
    proofs = new GapProofs(table, Duration.ofMinutes(1), clock::get);
    log = on(() -> Future.succeededFuture(PoolLog.ofAll(db, Columns.LOGGED)));
    another = on(() -> Future.succeededFuture(PoolLog.ofAll(db, Columns.LOGGED)));
    seen = on(() -> log.all(null)).seen();
  }

  @AfterEach
  void stop() {
    others.forEach(connection -> connection.close().await());
  }

  @Test
  void an_id_that_was_skipped_is_a_gap_until_its_writer_commits() {
    Transaction open = changing();
    change("later");
    assertThat(on(() -> log.isAll(seen))).isFalse();

    SeenChanges after = on(() -> log.since(seen)).seen();

    assertThat(after.gaps()).hasSize(1 + seen.gaps().size());
    assertThat(on(() -> log.isAll(after))).isTrue();
    open.commit().await();
    assertThat(on(() -> log.isAll(after))).isFalse();
    PoolLog.Changes filled = on(() -> log.since(after));
    assertThat(filled.changes()).hasSize(1);
    assertThat(filled.seen().gaps()).isEqualTo(seen.gaps());
    assertThat(filled.seen().greatest()).isEqualTo(after.greatest());
  }

  @Test
  void a_gap_whose_writer_is_still_at_it_is_never_given_up() {
    changing();
    change("later");
    SeenChanges after = on(() -> log.since(seen)).seen();
    Gap gap = newGap(after);

    for (int i = 0; i < 4; i++) {
      assertThat(on(() -> proofs.look(List.of(gap)))).isEmpty();
      clock.addAndGet(Duration.ofHours(1).toNanos());
    }
  }

  @Test
  void a_gap_whose_writer_rolled_back_is_given_up_after_a_minute_and_not_before() {
    changing().rollback().await();
    change("later");
    SeenChanges after = on(() -> log.since(seen)).seen();
    Gap gap = newGap(after);

    assertThat(on(() -> proofs.look(List.of(gap)))).isEmpty();
    clock.addAndGet(Duration.ofSeconds(59).toNanos());
    assertThat(on(() -> proofs.look(List.of(gap)))).isEmpty();
    clock.addAndGet(Duration.ofSeconds(2).toNanos());
    assertThat(on(() -> proofs.look(List.of(gap)))).containsExactly(gap);

    SeenChanges without = after.without(Set.of(gap));
    assertThat(on(() -> log.isAll(without))).isTrue();
  }

  @Test
  void after_a_connection_was_made_anew_nobody_is_told_that_it_is_all_until_all_was_read() {
    assertThat(on(() -> log.isAll(seen))).isTrue();

    assertThat(on(() -> another.isAll(seen))).isFalse();
    assertThat(on(() -> log.isAll(seen))).isFalse();
    assertThat(on(() -> log.since(seen))).isNull();

    SeenChanges again = on(() -> log.all(seen)).seen();
    assertThat(on(() -> another.isAll(again))).isTrue();
    assertThat(on(() -> log.isAll(again))).isTrue();
    assertThat(on(() -> log.since(again)).changes()).isEmpty();
  }

  @Test
  void what_was_pruned_before_it_was_seen_makes_all_rows_be_read() {
    change("one");
    change("two");
    service.sql(
        "DELETE FROM api_change WHERE id < (SELECT * FROM (SELECT MAX(id) FROM api_change) m)");

    assertThat(on(() -> log.since(seen))).isNull();
    SeenChanges again = on(() -> log.all(seen)).seen();
    assertThat(on(() -> log.isAll(again))).isTrue();
  }

  @Test
  void a_gap_that_was_filled_and_pruned_before_it_was_seen_is_noticed_though_nothing_is_newer() {
    Transaction open = changing();
    change("newer");
    SeenChanges withGap = on(() -> log.all(seen)).seen();
    assertThat(on(() -> log.isAll(withGap))).isTrue();

    open.commit().await();
    service.sql(
        "DELETE FROM api_change WHERE id < (SELECT * FROM (SELECT MAX(id) FROM api_change) m)");

    assertThat(on(() -> log.isAll(withGap))).isFalse();
    assertThat(on(() -> log.since(withGap))).isNull();
    SeenChanges again = on(() -> log.all(withGap)).seen();
    assertThat(on(() -> log.isAll(again))).isTrue();
  }

  @Test
  void a_change_of_a_table_of_a_later_version_is_passed_over() {
    service.sql(
        "INSERT INTO api_change (of_table, old_id, new_id, time) VALUES ('api_later', NULL, 1, 0)");

    PoolLog.Changes since = on(() -> log.since(seen));

    assertThat(since.changes()).isEmpty();
    assertThat(on(() -> log.isAll(since.seen()))).isTrue();
  }

  @Test
  void pruning_keeps_the_newest_and_what_may_still_be_filled() {
    service.sql("DELETE FROM api_change");
    for (int i = 0; i < 3; i++) {
      change("h" + i);
    }
    SeenChanges all = on(() -> log.all(null)).seen();
    SeenChanges now = all.without(Set.copyOf(all.gaps()));
    assertThat(prune(now)).isZero();
    long before = now.greatest();
    service.sql(
        "INSERT INTO api_change (id, of_table, time) VALUES (?, 'node', 0)", before + 20_000);
    SeenChanges far = on(() -> log.all(now)).seen();

    while (prune(far) > 0) {
      assertThat(least()).isLessThanOrEqualTo(before + 20_000);
    }
    assertThat(least()).as("all but what lies beyond the gap").isGreaterThan(before);
    SeenChanges settled = far.without(Set.of(newGap(far)));
    assertThat(prune(settled)).isZero();
    assertThat(least()).as("the newest").isEqualTo(before + 20_000);
    service.sql("DELETE FROM api_change");
  }

  @Test
  void a_hole_that_another_pruned_does_not_make_all_rows_be_read_each_time() {
    SeenChanges asleep = seen;
    service.sql(
        "INSERT INTO api_change (id, of_table, time) VALUES (?, 'node', 0)",
        seen.greatest() + 15_000);
    service.sql("DELETE FROM api_change WHERE id < ?", seen.greatest() + 15_000);
    assertThat(on(() -> log.since(asleep))).isNull();

    SeenChanges awake = on(() -> log.all(asleep)).seen();
    change("later");

    assertThat(on(() -> log.since(awake)).changes()).hasSize(1);
    service.sql("DELETE FROM api_change");
  }

  @Test
  void a_log_of_a_million_rows_is_counted_and_its_gaps_are_found_once() {
    service.sql("TRUNCATE TABLE api_change");
    service.sql(
        "INSERT INTO api_change (id, of_table, time) SELECT seq, 'node', 0"
            + " FROM seq_1_to_1000000 WHERE seq NOT IN (7, 500000, 500001, 999999)");
    try {
      assertThat(on(() -> log.all(null)).seen())
          .returns(1_000_000L, SeenChanges::greatest)
          .returns(
              List.of(new Gap(7, 7), new Gap(500_000, 500_001), new Gap(999_999, 999_999)),
              SeenChanges::gaps);

      service.sql("DELETE FROM api_change WHERE id % 80 = 0 AND id < 1000000");
      SeenChanges many = on(() -> log.all(null)).seen();
      assertThat(many.isAskable()).isFalse();
      assertThat(many.gaps()).hasSize(12_499 + 3 - 1);
      service.sql("INSERT INTO api_change (id, of_table, time) VALUES (400, 'node', 0)");
      SeenChanges again = on(() -> log.all(many)).seen();
      assertThat(again.gaps()).hasSize(many.gaps().size() - 1).doesNotContain(new Gap(400, 400));
      assertThat(again.greatest()).isEqualTo(many.greatest());
      // on a connection of its own: the service may read all at the same time
      SqlConnection own = connection();
      long before = rowsRead(own);
      assertThat(new LogScan(own, table, SeenChanges.Ids.ALL).seen(many).await()).isEqualTo(again);
      assertThat(rowsRead(own) - before).isLessThan(100_000);
    } finally {
      service.sql("TRUNCATE TABLE api_change");
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 1, 2000", "3, 32, 114", "1, 33, 400", "300, 300, 200"})
  void thousands_that_roll_back_are_no_reason_to_read_all_rows(int one, int other, int pairs) {
    int period = one + other + 2;
    long last = (long) pairs * period;
    service.sql("TRUNCATE TABLE api_change");
    service.sql(
        ("INSERT INTO api_change (id, of_table, old_id, time) SELECT seq, 'node', 1, 0"
                + " FROM seq_1_to_%s WHERE seq %% %s IN (0, %s)")
            .formatted(last, period, one + 1));
    try {
      SeenChanges start = on(() -> log.all(null)).seen();
      List<Gap> gaps =
          LongStream.range(0, pairs)
              .map(pair -> pair * period)
              .boxed()
              .flatMap(
                  to ->
                      Stream.of(new Gap(to + 1, to + one), new Gap(to + one + 2, to + period - 1)))
              .toList();
      SeenChanges many = start.with(last, gaps);

      assertThat(many.isAskable()).isTrue();
      assertThat(on(() -> log.isAll(many))).isTrue();
      for (long id : List.of(1L, last - 1)) {
        service.sql(
            "INSERT INTO api_change (id, of_table, old_id, time) VALUES (?, 'node', 1, 0)", id);
        assertThat(on(() -> log.isAll(many))).isFalse();
        assertThat(on(() -> log.since(many)).changes())
            .extracting(ChangeTable.Change::id)
            .containsExactly(id);
        service.sql("DELETE FROM api_change WHERE id = ?", id);
      }
    } finally {
      service.sql("TRUNCATE TABLE api_change");
    }
  }

  /** However they were read. */
  private static long rowsRead(SqlConnection connection) {
    long sum = 0;
    for (Row read :
        connection.query("SHOW SESSION STATUS LIKE 'Handler_read%'").execute().await()) {
      sum += Long.parseLong(read.getString(1));
    }
    return sum;
  }

  private void change(String hostname) {
    service.sql("UPDATE node SET hostname = ? WHERE id = ?", hostname, node);
  }

  /** As the keeper does when nobody needs less than what this reader needs. */
  private long prune(SeenChanges seen) {
    return db.transaction(Failpoint.PRUNE_CHANGES, tx -> table.prune(tx, seen.least())).await();
  }

  private long least() {
    return service.sql("SELECT MIN(id) AS id FROM api_change").iterator().next().getLong("id");
  }

  /** The last one. */
  private static Gap newGap(SeenChanges of) {
    return of.gaps().get(of.gaps().size() - 1);
  }

  private Transaction changing() {
    SqlConnection other = connection();
    Transaction transaction = other.begin().await();
    aNode().in(other);
    return transaction;
  }

  /** One of the test. */
  private SqlConnection connection() {
    SqlConnection made = service.connection();
    others.add(made);
    return made;
  }

  private <T> T on(Supplier<Future<T>> call) {
    Promise<T> done = Promise.promise();
    context.runOnContext(v -> call.get().onComplete(done));
    return done.future().await();
  }
}
