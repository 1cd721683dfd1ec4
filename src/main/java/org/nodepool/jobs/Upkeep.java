package org.nodepool.jobs;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Supplier;
import org.nodepool.config.ApiConfig;
import org.nodepool.config.PoolConfig;
import org.nodepool.model.Problem;
import org.nodepool.store.Database;
import org.nodepool.store.Schema;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a worker does now and then without being asked: {@link Keeping} and {@link Pruning}. Every
 * worker does, for all of them; so what one does while another does it must be right.
 */
final class Upkeep {
  private static final Logger log = LoggerFactory.getLogger(Upkeep.class);

  private static final Duration SOON = Duration.ofSeconds(2);
  private static final Duration KEEPING_PERIOD = Duration.ofMinutes(1);
  private static final Duration PRUNING_PERIOD = Duration.ofHours(1);

  private final Vertx vertx;
  private final Database db;
  private final Boolean isKeepingEnabled;
  private final Keeping keeping;
  private final Pruning pruning;
  private volatile boolean isStopped;

  Upkeep(
      Vertx vertx,
      Database db,
      JobVerticle.Tables tables,
      JobLogs logs,
      Supplier<PoolConfig> config,
      ApiConfig settings) {
    Deletions deletions =
        new Deletions(
            db,
            tables.nodes(),
            tables.images(),
            tables.dibImages(),
            tables.jobs(),
            tables.attempts(),
            config,
            vertx.eventBus());
    this.vertx = vertx;
    this.db = db;
    this.isKeepingEnabled = settings.cleanup().enabled();
    this.keeping =
        new Keeping(
            db,
            tables.dibImages(),
            tables.images(),
            tables.jobs(),
            deletions,
            config,
            settings.cleanup().imageAge());
    this.pruning =
        new Pruning(
            db,
            tables.jobs(),
            tables.workers(),
            logs,
            vertx.createSharedWorkerExecutor("nodepool-upkeep", 1),
            settings.jobs().keep());
  }

  /** Begins; the first time is some seconds from now. */
  void start() {
    doIn(SOON, KEEPING_PERIOD, "images are not cleaned up", this::keep);
    doIn(SOON, PRUNING_PERIOD, "what is past is not pruned", this::prune);
  }

  /** Begins nothing more. What is under way is database work, which is done or undone. */
  void stop() {
    isStopped = true;
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
    long ms = pause.toMillis();
    vertx.setTimer(
        ms + ThreadLocalRandom.current().nextLong(ms / 4 + 1),
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
    if (cause instanceof Problem.Unavailable) {
      log.debug(failure, cause);
    } else {
      log.error(failure, cause);
    }
  }
}
