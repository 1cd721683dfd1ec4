package org.nodepool.changes;

import io.vertx.core.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.nodepool.model.Failpoint;
import org.nodepool.store.Database;
import org.nodepool.store.Tx;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One process's part in the turn of a purpose: it takes the turn when nobody has it, and renews it
 * for as long as it lives. When the holder dies another process has the turn within ten seconds;
 * when the holder is stopped in the middle of a transaction, as soon as the server has ended that.
 * A holder that goes on afterwards writes nothing: {@link #transaction} asks the database first.
 * Thread-safe.
 */
public final class Turn {
  private static final Logger log = LoggerFactory.getLogger(Turn.class);

  private static final long RENEW_MS = 2_000;
  private static final long CONTEND_MS = 1_000;

  /**
   * The turn as this process last had it.
   *
   * @param until by {@link System#nanoTime}: before that nobody else takes it
   */
  private record Lease(long token, long until) {}

  private final Database db;
  private final Turns turns;
  private final String purpose;

  /** Null when the turn is not this process's. */
  private volatile Lease lease;

  /** The look at the table that is under way, or was the last. */
  private Future<Void> look = Future.succeededFuture();

  private boolean isStopped;

  Turn(Database db, Turns turns, String purpose) {
    this.db = db;
    this.turns = turns;
    this.purpose = purpose;
  }

  /**
   * Whether this process has the turn, as far as it knows. Costs nothing, and may be wrong a moment
   * later: whatever must not be done twice is done in {@link #transaction}.
   */
  public boolean isHeld() {
    Lease last = lease;
    return last != null && System.nanoTime() - last.until() < 0;
  }

  /**
   * As {@link Database#transaction}, while the turn is this process's: nobody takes it before the
   * transaction has ended. Fails with {@link TurnLost} when it is not, before {@code work} is
   * begun.
   */
  public <T> Future<T> transaction(Failpoint what, Function<Tx, Future<T>> work) {
    return transaction(what, (tx, token) -> work.apply(tx));
  }

  /** As above; the work is told the token with which it has the turn. */
  <T> Future<T> transaction(Failpoint what, BiFunction<Tx, Long, Future<T>> work) {
    Lease mine = lease;
    return mine == null
        ? Future.failedFuture(new TurnLost(purpose))
        : db.transaction(
            what,
            tx -> turns.lock(tx, purpose, mine.token()).compose(v -> work.apply(tx, mine.token())));
  }

  /**
   * Contends no more; another process may take the turn at once. Completes when that is written, or
   * could not be: then the turn runs out.
   */
  public synchronized Future<Void> stop() {
    isStopped = true;
    return look.eventually(this::giveUp).otherwiseEmpty();
  }

  private Future<Void> giveUp() {
    Lease last = lease;
    lease = null;
    return last == null ? Future.succeededFuture() : turns.giveUp(purpose, last.token());
  }

  synchronized void start() {
    if (isStopped) {
      return;
    }
    look = lease == null ? take() : renew(lease.token());
    look.onFailure(e -> log.debug("no look at the turn {}", purpose, e))
        .onComplete(
            done -> db.vertx().setTimer(lease == null ? CONTEND_MS : RENEW_MS, timer -> start()));
  }

  private Future<Void> take() {
    long began = System.nanoTime();
    return turns
        .take(purpose)
        .map(
            token -> {
              if (token > 0) {
                log.info("has the turn {} now, token {}", purpose, token);
                lease = lease(token, began);
              }
              return null;
            });
  }

  private Future<Void> renew(long token) {
    long began = System.nanoTime();
    return turns
        .renew(purpose, token)
        .map(
            isOurs -> {
              if (!isOurs) {
                log.warn("has lost the turn {}, token {}", purpose, token);
              }
              lease = isOurs ? lease(token, began) : null;
              return null;
            });
  }

  private static Lease lease(long token, long began) {
    return new Lease(token, began + TimeUnit.SECONDS.toNanos(Turns.LEASE_SECONDS));
  }
}
