package org.nodepool.jobs.upkeep;

import io.vertx.core.Future;
import io.vertx.core.VerticleBase;
import java.time.Duration;
import java.util.function.Supplier;
import org.nodepool.async.Backoff;
import org.nodepool.model.Problem;
import org.nodepool.store.Database;
import org.nodepool.store.schema.Schema;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a worker does now and then without being asked: {@link Keeping}, {@link Pruning} and {@link
 * Looking}. Every worker does, for all of them; so what one does while another does it must be
 * right.
 */
public final class Upkeep extends VerticleBase {
  private static final Logger log = LoggerFactory.getLogger(Upkeep.class);

  private static final Duration SOON = Duration.ofSeconds(2);
  private static final Duration KEEPING_PERIOD = Duration.ofMinutes(1);
  private static final Duration PRUNING_PERIOD = Duration.ofHours(1);

  private final Database db;
  private final Boolean isKeepingEnabled;
  private final Keeping keeping;
  private final Pruning pruning;
  private final Looking looking;
  private volatile boolean isStopped;

  /**
   * @param isKeepingEnabled null: where this service made the pool's tables
   */
  public Upkeep(
      Database db, Boolean isKeepingEnabled, Keeping keeping, Pruning pruning, Looking looking) {
    this.db = db;
    this.isKeepingEnabled = isKeepingEnabled;
    this.keeping = keeping;
    this.pruning = pruning;
    this.looking = looking;
  }

  /** Begins, some seconds from now; a look at providers an interval from now. */
  @Override
  public Future<?> start() {
    doIn(SOON, KEEPING_PERIOD, "images are not cleaned up", this::keep);
    doIn(SOON, PRUNING_PERIOD, "what is past is not pruned", this::prune);
    Duration interval = looking.interval();
    doIn(interval, interval, "providers are not looked at", looking::run);
    return Future.succeededFuture();
  }

  /**
   * Begins nothing more, and ends pauses. What is under way writes all of what it writes, or
   * nothing.
   */
  @Override
  public Future<?> stop() {
    isStopped = true;
    pruning.stop();
    looking.stop();
    return Future.succeededFuture();
  }

  /** Unless the settings say so, nothing is deleted that may be somebody else's. */
  Future<Void> keep() {
    Future<Boolean> isEnabled =
        isKeepingEnabled != null ? Future.succeededFuture(isKeepingEnabled) : Schema.isPoolOurs(db);
    return isEnabled.compose(enabled -> enabled ? keeping.run() : Future.succeededFuture());
  }

  Future<Void> prune() {
    return pruning.run();
  }

  /** With jitter, so that many workers do not do it all at once; and never twice at once. */
  private void doIn(Duration pause, Duration period, String failure, Supplier<Future<Void>> chore) {
    vertx.setTimer(
        Backoff.jittered(pause).toMillis(),
        timer -> {
          if (isStopped) {
            return;
          }
          chore
              .get()
              .onComplete(
                  done -> {
                    if (done.failed() && !isStopped) {
                      tell(failure, done.cause());
                    }
                    doIn(period, period, failure, chore);
                  });
        });
  }

  /** While the database is away it says so itself. */
  private static void tell(String failure, Throwable cause) {
    if (cause instanceof Problem) {
      log.debug(failure, cause);
    } else {
      log.error(failure, cause);
    }
  }
}
