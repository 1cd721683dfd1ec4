package org.nodepool.changes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import io.vertx.sqlclient.SqlConnection;
import java.time.Clock;
import java.util.function.Supplier;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.nodepool.Poll;
import org.nodepool.RunsBesideOthers;
import org.nodepool.TestService;
import org.nodepool.model.Problem;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;

/** Reads that overlap on one connection, and those who come after it was lost. */
@RunsBesideOthers
@ExtendWith(VertxExtension.class)
class OwnConnectionTest {
  private static final long PATIENT_MS = 30_000;

  private final TestService service = TestService.shared();
  private Context context;
  private Database db;
  private OwnConnection own;

  @BeforeEach
  void make(Vertx vertx) {
    context = vertx.getOrCreateContext();
    db = new Database(vertx, service.address(), Clock.systemUTC(), new ChangeLog());
    db.setOpen(true);
    own = on(() -> Future.succeededFuture(new OwnConnection(db, true))).await();
  }

  @Test
  void reads_that_begin_before_there_is_a_connection_share_one() {
    Future<Long> first = on(this::id);
    Future<Long> second = on(this::id);

    assertThat(first.await()).isEqualTo(second.await());
  }

  @Test
  void one_that_comes_too_late_takes_no_connection_away_but_its_own() {
    long before = on(this::id).await();
    Future<Long> late = on(() -> sleep(1_000, 60));
    Future<Long> behindIt = on(() -> sleep(PATIENT_MS, 0));
    assertThatThrownBy(late::await).isInstanceOf(Problem.Unavailable.class);

    Future<Long> other = on(() -> sleep(PATIENT_MS, 3));

    assertThat(behindIt.await()).isZero();
    assertThat(other.await()).isZero();
    long after = on(this::id).await();
    assertThat(after).isNotEqualTo(before);
    assertThat(on(this::id).await()).isEqualTo(after);
    service.sql("KILL " + before);
  }

  @Test
  void a_read_on_a_connection_that_was_lost_begins_again_on_another() {
    long before = on(this::id).await();
    service.sql("KILL " + before);

    assertThat(on(this::id).await()).isNotEqualTo(before);
  }

  @Test
  void a_connection_that_nobody_uses_is_not_left_in_silence() {
    own = on(() -> Future.succeededFuture(new OwnConnection(db, true, 200))).await();
    long id = on(this::id).await();
    double[] last = {0};

    Poll.until(
        "it is used again",
        () -> {
          double before = last[0];
          last[0] = silence(id);
          return last[0] < before;
        });
  }

  private double silence(long id) {
    return service
        .sql("SELECT time_ms FROM information_schema.processlist WHERE id = ?", id)
        .iterator()
        .next()
        .getDouble("time_ms");
  }

  private Future<Long> id() {
    return own.read(PATIENT_MS, c -> number(c, "SELECT CONNECTION_ID()"));
  }

  private Future<Long> sleep(long limitMs, int seconds) {
    return own.read(limitMs, c -> number(c, "SELECT SLEEP(%d)".formatted(seconds)));
  }

  private static Future<Long> number(SqlConnection connection, String sql) {
    return connection.query(sql).execute().map(rows -> rows.iterator().next().getLong(0));
  }

  private <T> Future<T> on(Supplier<Future<T>> call) {
    Promise<T> done = Promise.promise();
    context.runOnContext(v -> call.get().onComplete(done));
    return done.future();
  }
}
