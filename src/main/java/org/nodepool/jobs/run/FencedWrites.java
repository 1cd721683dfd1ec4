package org.nodepool.jobs.run;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.nodepool.async.Backoff;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.AttemptEnd.NotOurs;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.model.Problem;
import org.nodepool.store.Database;
import org.nodepool.store.JobTable;
import org.nodepool.store.Tx;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes to a job for as long as it is this attempt's, once, however long the database is away;
 * only a stop of the service gives up. A write whose answer was lost may well have been made: so
 * the job's row is looked at before the next try, behind a lock for which a commit that is under
 * way is waited for.
 */
final class FencedWrites {
  private static final Logger log = LoggerFactory.getLogger(FencedWrites.class);

  private static final Backoff BACKOFF = new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(30));

  private final Vertx vertx;
  private final Database db;
  private final JobTable jobs;
  private final BooleanSupplier isStopping;

  FencedWrites(Vertx vertx, Database db, JobTable jobs, BooleanSupplier isStopping) {
    this.vertx = vertx;
    this.db = db;
    this.jobs = jobs;
    this.isStopping = isStopping;
  }

  /** Whether the job is still this attempt's; then no commit of it is under way. */
  Future<Boolean> isOurs(Job job) {
    return untilAnswered(
        job,
        () ->
            db.transaction(
                Failpoint.LOOK, tx -> jobs.lockCurrent(tx, job).map(row -> row.isPresent())));
  }

  /**
   * Writes if the job is this attempt's; whether it did. Fails with {@link JobFailure} when {@code
   * end} does. The pool's rows are written before the job's, as in other transactions; so whether
   * the job is still ours is looked at first.
   */
  Future<Boolean> writeIfOurs(Job job, Failpoint what, BiFunction<Tx, Job, Future<Void>> end) {
    return isOurs(job)
        .compose(ours -> ours ? write(job, what, end) : Future.succeededFuture(false));
  }

  /** As {@link #writeIfOurs}, right after {@link #isOurs} has said so. */
  Future<Boolean> write(Job job, Failpoint what, BiFunction<Tx, Job, Future<Void>> end) {
    return write(job, what, end, 1);
  }

  private Future<Boolean> write(
      Job job, Failpoint what, BiFunction<Tx, Job, Future<Void>> end, int tries) {
    return db.transaction(
            what,
            tx ->
                jobs.current(tx, job)
                    .map(row -> row.orElseThrow(NotOurs::new))
                    .compose(now -> end.apply(tx, now)))
        .map(true)
        .recover(
            e -> {
              if (e instanceof NotOurs) {
                return Future.succeededFuture(false);
              }
              if (e instanceof JobFailure) {
                return Future.failedFuture(e);
              }
              return pause(job, e, tries)
                  .compose(v -> isOurs(job))
                  .compose(
                      ours ->
                          ours ? write(job, what, end, tries + 1) : Future.succeededFuture(false));
            });
  }

  /** Asks until there is an answer. */
  <T> Future<T> untilAnswered(Job job, Supplier<Future<T>> question) {
    return untilAnswered(job, question, 1);
  }

  private <T> Future<T> untilAnswered(Job job, Supplier<Future<T>> question, int tries) {
    return question
        .get()
        .recover(e -> pause(job, e, tries).compose(v -> untilAnswered(job, question, tries + 1)));
  }

  private Future<Void> pause(Job job, Throwable cause, int tries) {
    if (isStopping.getAsBoolean()) {
      return Future.failedFuture(cause);
    }
    Duration pause = BACKOFF.after(tries);
    if (!(cause instanceof Problem)) {
      log.error("{}: its end cannot be written, again in {}", job.named(), pause, cause);
    }
    return vertx.timer(pause.toMillis(), TimeUnit.MILLISECONDS).mapEmpty();
  }
}
