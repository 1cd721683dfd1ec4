package org.nodepool.changes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import io.vertx.sqlclient.Row;
import java.io.File;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.nodepool.Extent;
import org.nodepool.ExternalMariaDb;
import org.nodepool.Poll;
import org.nodepool.RunsBesideOthers;
import org.nodepool.Scratch;
import org.nodepool.model.Failpoint;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;
import org.nodepool.store.Tx;
import org.nodepool.store.schema.Schema;

/** That one process at a time decides, whatever happens to it. */
@RunsBesideOthers
@ExtendWith(VertxExtension.class)
class TurnTest {
  private static final ExternalMariaDb SERVER = ExternalMariaDb.shared();
  private static final String NAME = "turn_test";

  /** A lease, a look for it, and what a busy machine takes. */
  private static final Duration TAKEN_OVER = Duration.ofSeconds(15);

  /** The server ends a transaction that is idle for 15 s. */
  private static final Duration TAKEN_FROM_A_STOPPED_ONE = Duration.ofSeconds(35);

  private static final Duration LIMIT = Duration.ofSeconds(60);

  private final Database.Address address = SERVER.newDatabase(NAME);
  private final Map<String, Process> processes = new HashMap<>();
  private Vertx vertx;

  @BeforeEach
  void make(Vertx vertx) {
    this.vertx = vertx;
    Schema.apply(database()).await();
    SERVER.sqlIn(
        NAME,
        "CREATE TABLE written (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,"
            + " token BIGINT NOT NULL, holder VARCHAR(9) NOT NULL) ENGINE=InnoDB");
  }

  @AfterEach
  void kill() {
    processes.values().forEach(Process::destroyForcibly);
  }

  @Test
  void of_processes_that_are_killed_and_stopped_never_two_write() throws Exception {
    long seed = Long.getLong("nodepool.turn.seed", System.nanoTime());
    System.out.println("-Dnodepool.turn.seed=" + seed);
    Random random = new Random(seed);
    start("a");
    start("b");
    Poll.until("somebody writes", () -> !written().isEmpty());

    for (int round = 0; round < (Extent.isLong() ? 20 : 5); round++) {
      TimeUnit.MILLISECONDS.sleep(random.nextInt(100));
      Written last = last();
      boolean isKilled = round == 0 || round > 1 && random.nextBoolean();
      if (isKilled) {
        processes.get(last.holder()).destroyForcibly().waitFor();
        Poll.within(TAKEN_OVER, "another writes", () -> last().token() > last.token());
        start(last.holder());
      } else {
        signal("STOP", last.holder());
        Poll.within(TAKEN_FROM_A_STOPPED_ONE, "another writes", () -> isAnother(last));
        signal("CONT", last.holder());
      }
      long rows = written().size();
      Poll.until("rows are written", () -> written().size() > rows + 20);
    }

    List<Written> written = written();
    assertThat(written).as("seed %d", seed).extracting(Written::token).isSorted();
    assertThat(written.stream().distinct().count())
        .as("a token is one holder's; seed %d", seed)
        .isEqualTo(written.stream().map(Written::token).distinct().count());
  }

  @Test
  void one_that_stops_in_good_order_lets_another_have_the_turn_before_its_lease_ends() {
    Turn first = new Turns(database(), "a").contend("test");
    Poll.until("it has the turn", first::isHeld);
    Turn second = new Turns(database(), "b").contend("test");

    assertThat(second.isHeld()).isFalse();
    first.stop().await();
    long stopped = System.nanoTime();
    assertThat(first.isHeld()).isFalse();
    Poll.until("the other has it", second::isHeld);
    assertThat(Duration.ofNanos(System.nanoTime() - stopped))
        .isLessThan(Duration.ofSeconds(Turns.LEASE_SECONDS - 1));
    second.stop().await();
  }

  @Test
  void one_that_renews_its_turn_keeps_it_and_turns_of_other_purposes_are_others() {
    Turn first = new Turns(database(), "a").contend("test");
    Poll.until("it has the turn", first::isHeld);
    Turn second = new Turns(database(), "b").contend("test");
    Turn other = new Turns(database(), "b").contend("other");
    Poll.until("it has another", other::isHeld);

    long since = System.nanoTime();
    Poll.until(
        "two leases pass",
        () -> {
          assertThat(first.isHeld()).isTrue();
          assertThat(second.isHeld()).isFalse();
          return System.nanoTime() - since > TimeUnit.SECONDS.toNanos(2 * Turns.LEASE_SECONDS + 2);
        });
    Future.all(first.stop(), second.stop(), other.stop()).await();
  }

  @Test
  void one_whose_turn_is_anothers_writes_nothing_and_learns_of_it() {
    SERVER.sqlIn(
        NAME,
        "INSERT INTO api_turn (purpose, token, lease_until, holder)"
            + " VALUES ('test', 7, UNIX_TIMESTAMP() + 3600, 'b')");
    Turn turn = new Turns(database(), "a").contend("test");
    Function<Tx, Future<Void>> work =
        tx ->
            tx.connection()
                .query("INSERT INTO written (token, holder) VALUES (1, 'a')")
                .execute()
                .mapEmpty();
    assertThatThrownBy(() -> turn.transaction(Failpoint.PRUNE, work).await())
        .isInstanceOf(TurnLost.class);
    SERVER.sqlIn(NAME, "UPDATE api_turn SET lease_until = 0");
    Poll.until("it has the turn", turn::isHeld);
    turn.transaction(Failpoint.PRUNE, work).await();

    long until = System.currentTimeMillis() / 1000 + Turns.LEASE_SECONDS;
    SERVER.sqlIn(
        NAME, "UPDATE api_turn SET token = token + 1, holder = 'b', lease_until = " + until);

    assertThatThrownBy(() -> turn.transaction(Failpoint.PRUNE, work).await())
        .isInstanceOf(TurnLost.class);
    assertThat(written()).hasSize(1);
    Poll.until("it knows", () -> !turn.isHeld());
    turn.stop().await();
    assertThat(SERVER.sqlIn(NAME, "SELECT lease_until FROM api_turn").iterator().next().getLong(0))
        .as("the other's")
        .isEqualTo(until);
  }

  @Test
  void a_token_that_was_given_out_twice_is_of_who_has_it_now() {
    Turn turn = new Turns(database(), "a").contend("test");
    Poll.until("it has the turn", turn::isHeld);

    // as after a failover to a server that lagged behind
    SERVER.sqlIn(NAME, "UPDATE api_turn SET holder = 'b'");

    assertThatThrownBy(
            () -> turn.transaction(Failpoint.PRUNE, tx -> Future.succeededFuture()).await())
        .isInstanceOf(TurnLost.class);
    Poll.until("it knows", () -> !turn.isHeld());
    turn.stop().await();
  }

  @Test
  void the_turn_of_a_dead_holder_is_taken_also_when_the_clock_was_set_back() {
    SERVER.sqlIn(
        NAME,
        "INSERT INTO api_turn (purpose, token, lease_until, holder)"
            + " VALUES ('test', 5, UNIX_TIMESTAMP() + 3600, 'dead')");

    Turn turn = new Turns(database(), "a").contend("test");

    Poll.until("it has the turn", turn::isHeld);
    turn.stop().await();
  }

  private record Written(long token, String holder) {}

  private boolean isAnother(Written than) {
    return !last().holder().equals(than.holder());
  }

  private Written last() {
    return written("ORDER BY id DESC LIMIT 1").get(0);
  }

  private List<Written> written() {
    return written("ORDER BY id");
  }

  private List<Written> written(String order) {
    List<Written> written = new ArrayList<>();
    for (Row row : SERVER.sqlIn(NAME, "SELECT token, holder FROM written " + order)) {
      written.add(new Written(row.getLong(0), row.getString(1)));
    }
    return written;
  }

  private Database database() {
    Database db = new Database(vertx, address, Clock.systemUTC(), new ChangeLog());
    db.setOpen(true);
    return db;
  }

  private void start(String name) throws Exception {
    File said = Scratch.dir("turn-" + name + ".log").toFile();
    said.getParentFile().mkdirs();
    Process process =
        new ProcessBuilder(
                "setpriv",
                "--pdeathsig",
                "KILL",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                TurnHolder.class.getName(),
                address.host(),
                Integer.toString(address.port()),
                address.database(),
                address.user(),
                address.password(),
                name)
            .redirectErrorStream(true)
            .redirectOutput(Redirect.appendTo(said))
            .start();
    processes.put(name, process);
  }

  private void signal(String signal, String name) throws Exception {
    String pid = Long.toString(processes.get(name).pid());
    assertThat(new ProcessBuilder("kill", "-" + signal, pid).start().waitFor()).isZero();
  }
}
