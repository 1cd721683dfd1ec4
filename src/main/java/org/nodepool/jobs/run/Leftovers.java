package org.nodepool.jobs.run;

import io.vertx.core.AsyncResult;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import org.nodepool.model.AttemptEnd;
import org.nodepool.model.Failpoint;
import org.nodepool.model.JobKind;
import org.nodepool.model.Problem;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.Database;
import org.nodepool.store.Tx;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The leftovers of attempts outside the database, and their removal. A leftover that stays is told
 * to the log, and to the caller with a false; nothing here fails. To be made and used on one
 * context alone.
 */
final class Leftovers {
  private static final Logger log = LoggerFactory.getLogger(Leftovers.class);

  /** A sweep is retried later; nobody waits for a directory that hangs. */
  private static final long SWEEP_LIMIT_SECONDS = 90;

  /** While the service stops. */
  private static final long LAST_SWEEP_LIMIT_SECONDS = 2;

  private final Context context;
  private final Database db;
  private final AttemptTable attempts;
  private final Map<JobKind, Work> works;
  private final BooleanSupplier isStopping;

  Leftovers(
      Vertx vertx,
      Database db,
      AttemptTable attempts,
      Map<JobKind, Work> works,
      BooleanSupplier isStopping) {
    this.context = vertx.getOrCreateContext();
    this.db = db;
    this.attempts = attempts;
    this.works = works;
    this.isStopping = isStopping;
  }

  /** Removes what an attempt left that achieved nothing; whether nothing is left. */
  Future<Boolean> sweep(Remains remains) {
    long limit = isStopping.getAsBoolean() ? LAST_SWEEP_LIMIT_SECONDS : SWEEP_LIMIT_SECONDS;
    return Future.succeededFuture(remains)
        .compose(workOf(remains)::sweep)
        .timeout(limit, TimeUnit.SECONDS)
        .transform(this::onThisContext)
        .map(true)
        .otherwise(
            e -> {
              if (e instanceof AttemptEnd || e instanceof Problem.Unavailable) {
                log.warn("{}: leftovers stay: {}", remains.named(), e.getMessage());
              } else if (e instanceof TimeoutException) {
                log.warn("{}: leftovers stay: no end within {} s", remains.named(), limit);
              } else {
                log.error("{}: leftovers stay", remains.named(), e);
              }
              return false;
            });
  }

  /** A limit that is over may tell so on another thread. */
  private Future<Void> onThisContext(AsyncResult<Void> swept) {
    Promise<Void> here = Promise.promise();
    context.runOnContext(v -> here.handle(swept));
    return here.future();
  }

  /** As {@link #sweep} of an attempt of this worker's, and notes that; whether it is done. */
  Future<Boolean> clear(Remains remains) {
    return sweep(remains)
        .compose(
            isSwept ->
                isSwept
                    ? db.transaction(
                            Failpoint.SWEPT,
                            tx ->
                                workOf(remains)
                                    .forget(tx, remains)
                                    .compose(v -> noteSwept(tx, remains)))
                        .map(true)
                    : Future.succeededFuture(false))
        .otherwise(e -> notTidied(remains, e));
  }

  /**
   * Removes what a success had to keep until it was committed, and notes that; whether it is done.
   */
  Future<Boolean> settle(Remains remains) {
    return workOf(remains)
        .settle(remains)
        .compose(v -> db.transaction(Failpoint.SWEPT, tx -> noteSwept(tx, remains)))
        .map(true)
        .otherwise(e -> notTidied(remains, e));
  }

  private Work workOf(Remains remains) {
    return works.get(remains.job().kind());
  }

  private Future<Void> noteSwept(Tx tx, Remains remains) {
    return attempts.noteSwept(tx, remains.job().id(), remains.number());
  }

  private static boolean notTidied(Remains remains, Throwable cause) {
    log.warn("{}: is tidied up later", remains.named(), cause);
    return false;
  }
}
