package org.nodepool.jobs;

import static org.nodepool.model.Job.JobState.CANCELLED;
import static org.nodepool.model.Job.JobState.FAILED;
import static org.nodepool.model.Job.JobState.SUCCEEDED;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiFunction;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.Job.Kind;
import org.nodepool.model.Problem;
import org.nodepool.provider.NotSupportedYet;
import org.nodepool.provider.ProviderAway;
import org.nodepool.provider.ProviderFailure;
import org.nodepool.store.Database;
import org.nodepool.store.JobTable;
import org.nodepool.store.Tx;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How an attempt at a job ends, and that this is written once, whatever the database does
 * meanwhile. What an attempt made outside the database is removed only after the database has said
 * that the job is still this attempt's: an end whose answer was lost may well have been written.
 */
final class JobEnds {
  private static final Logger log = LoggerFactory.getLogger(JobEnds.class);

  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  /** How long a job waits after a fault that passes: doubled with every attempt. */
  private static final Duration FIRST_BACK_OFF = Duration.ofSeconds(5);

  private static final Duration LONGEST_BACK_OFF = Duration.ofMinutes(10);

  /** How often to ask again for what this version cannot do: the next may begin at any time. */
  private static final Duration ASK_AGAIN = Duration.ofHours(1);

  /** One sentence, also when a program printed a book. */
  private static final int LONGEST_ERROR = 1_000;

  /** The width of the column. */
  private static final int LONGEST_PHASE = 255;

  private final Vertx vertx;
  private final Database db;
  private final JobTable jobs;
  private final Map<Kind, Work> works;
  private volatile boolean isStopping;

  JobEnds(Vertx vertx, Database db, JobTable jobs, Map<Kind, Work> works) {
    this.vertx = vertx;
    this.db = db;
    this.jobs = jobs;
    this.works = works;
  }

  /** From now on an end that cannot be written at once is left to the next start. */
  void stop() {
    isStopping = true;
  }

  /** The work is done: its result and the end of the job are written together. */
  Future<Void> succeeded(JobRun run, Work.Result result) {
    Job job = run.job();
    return record(job, (tx, now) -> result.record(tx).compose(v -> end(tx, now, SUCCEEDED, null)))
        .compose(
            v -> {
              log.info("{}: succeeded after {}", job.named(), run.took());
              run.log().note("succeeded");
              return works
                  .get(job.kind())
                  .settled(job)
                  .onFailure(e -> log.error("{}: leftovers stay", job.named(), e))
                  .otherwiseEmpty();
            })
        .recover(e -> e instanceof JobFailure ? failed(run, e) : Future.failedFuture(e));
  }

  /** The work has failed, or has to be done later. */
  Future<Void> failed(JobRun run, Throwable cause) {
    Job job = run.job();
    if (run.stopReason().isEmpty()) {
      if (cause instanceof NotSupportedYet) {
        return later(run, cause.getMessage(), ASK_AGAIN, false);
      }
      if (cause instanceof Problem.Unavailable || cause instanceof Problem.OutcomeUnknown) {
        return later(run, "waits for the database", FIRST_BACK_OFF, false);
      }
      // a deletion that is forgotten is worse than one that is late
      if (job.isDeletion() && (cause instanceof ProviderAway || cause instanceof IOException)) {
        return later(run, sentence(job, cause), backOff(job.attempts()), true);
      }
    }
    String error = run.stopReason().orElseGet(() -> sentence(job, cause));
    run.log().note("failed: " + error);
    return sweepAndEnd(job, error, " after " + run.took());
  }

  /** An earlier process ended while it ran the job. A deletion can be done twice, nothing else. */
  Future<Void> interrupted(Job job) {
    String why = "The service ended while it ran.";
    return job.isDeletion() ? putBack(job, why) : sweepAndEnd(job, why, "");
  }

  /** A job that was claimed is queued again, as if it had not been. */
  Future<Void> putBack(Job job, String why) {
    log.info("{}: is put back: {}", job.named(), why);
    return record(job, (tx, now) -> jobs.requeue(tx, now, null, null, false).mapEmpty());
  }

  private static Duration backOff(int attempts) {
    Duration pause = FIRST_BACK_OFF.multipliedBy(1L << Math.min(attempts - 1, 10));
    return pause.compareTo(LONGEST_BACK_OFF) < 0 ? pause : LONGEST_BACK_OFF;
  }

  private Future<Void> later(JobRun run, String phase, Duration pause, boolean isAttempt) {
    Job job = run.job();
    log.info("{}: is put back after {}, again in {}: {}", job.named(), run.took(), pause, phase);
    run.log().note("%s; again in %s".formatted(phase, pause));
    return record(
        job,
        (tx, now) ->
            jobs.requeue(
                    tx, now, cut(phase, LONGEST_PHASE), tx.now() + pause.toSeconds(), isAttempt)
                .mapEmpty());
  }

  private Future<Void> sweepAndEnd(Job job, String error, String after) {
    Work work = works.get(job.kind());
    AtomicReference<JobState> end = new AtomicReference<>();
    return isOurs(job)
        .compose(ours -> ours ? sweep(work, job) : Future.failedFuture(new NotOurs()))
        .compose(
            swept ->
                record(
                    job,
                    (tx, now) -> {
                      end.set(now.cancelRequested() ? CANCELLED : FAILED);
                      return endInVain(tx, now, end.get(), error, swept);
                    }))
        .onSuccess(
            v -> {
              if (end.get() != null) {
                log.info("{}: {}{}: {}", job.named(), end.get(), after, cut(error, LONGEST_ERROR));
              }
            })
        .recover(e -> e instanceof NotOurs ? endedAlready(job) : Future.failedFuture(e));
  }

  /** Whether nothing is left. */
  private static Future<Boolean> sweep(Work work, Job job) {
    return work.sweep(job)
        .map(true)
        .otherwise(
            e -> {
              log.error("{}: leftovers stay", job.named(), e);
              return false;
            });
  }

  /** What failed after its cancel was asked for has been cancelled, whatever it failed of. */
  private Future<Void> endInVain(Tx tx, Job job, JobState end, String error, boolean isSwept) {
    return works
        .get(job.kind())
        .abandon(tx, job, isSwept)
        .compose(v -> end(tx, job, end, end == CANCELLED ? null : cut(error, LONGEST_ERROR)));
  }

  private Future<Void> end(Tx tx, Job job, JobState end, String error) {
    return jobs.finish(tx, job, end, error)
        .compose(ours -> ours ? Future.succeededFuture() : Future.failedFuture(new NotOurs()));
  }

  /** Somebody else has ended the job, or an earlier try of ours did and its answer was lost. */
  private static final class NotOurs extends RuntimeException {
    NotOurs() {
      super("the job has ended already", null, false, false);
    }
  }

  private static Future<Void> endedAlready(Job job) {
    log.info("{}: its end was written already", job.named());
    return Future.succeededFuture();
  }

  /**
   * Writes how a job ends, however long that takes; only a stop of the service gives up. Fails with
   * {@link JobFailure} when the result is one that may not be written. The rows are written before
   * the job, as in other transactions; so whether the job is still ours is looked at first.
   */
  private Future<Void> record(Job job, BiFunction<Tx, Job, Future<Void>> end) {
    return isOurs(job).compose(ours -> ours ? write(job, end, FIRST_PAUSE) : endedAlready(job));
  }

  private Future<Void> write(Job job, BiFunction<Tx, Job, Future<Void>> end, Duration pause) {
    return db.transaction(
            Failpoint.FAILURE,
            tx ->
                jobs.current(tx, job)
                    .map(row -> row.orElseThrow(NotOurs::new))
                    .compose(now -> end.apply(tx, now)))
        .recover(
            e -> {
              if (e instanceof NotOurs) {
                return endedAlready(job);
              }
              if (e instanceof JobFailure) {
                return Future.failedFuture(e);
              }
              return again(job, e, pause)
                  .compose(v -> isOurs(job))
                  .compose(ours -> ours ? write(job, end, longer(pause)) : endedAlready(job));
            });
  }

  /**
   * Whether the job is still this attempt's. Waits for a commit that is under way: when this says
   * so, none is.
   */
  private Future<Boolean> isOurs(Job job) {
    return isOurs(job, FIRST_PAUSE);
  }

  private Future<Boolean> isOurs(Job job, Duration pause) {
    return db.transaction(
            Failpoint.LOOK, tx -> jobs.lockCurrent(tx, job).map(row -> row.isPresent()))
        .recover(e -> again(job, e, pause).compose(v -> isOurs(job, longer(pause))));
  }

  private Future<Void> again(Job job, Throwable cause, Duration pause) {
    if (isStopping) {
      return Future.failedFuture(cause);
    }
    if (!(cause instanceof Problem)) {
      log.error("{}: its end cannot be written, again in {}", job.named(), pause, cause);
    }
    return vertx.timer(pause.toMillis(), TimeUnit.MILLISECONDS).mapEmpty();
  }

  private static Duration longer(Duration pause) {
    Duration next = pause.multipliedBy(2);
    return next.compareTo(LONGEST_PAUSE) < 0 ? next : LONGEST_PAUSE;
  }

  private static String sentence(Job job, Throwable cause) {
    if (cause instanceof JobFailure
        || cause instanceof ProviderFailure
        || cause instanceof ProviderAway
        || cause instanceof NotSupportedYet
        || cause instanceof Problem) {
      return cause.getMessage();
    }
    log.error("{}: failed unexpectedly", job.named(), cause);
    return cause instanceof IOException
        ? "%s: %s".formatted(cause.getClass().getSimpleName(), cause.getMessage())
        : "An internal error (%s); the service's log has the details."
            .formatted(cause.getClass().getSimpleName());
  }

  private static String cut(String text, int longest) {
    if (text.codePointCount(0, text.length()) <= longest) {
      return text;
    }
    return text.substring(0, text.offsetByCodePoints(0, longest - 1)) + "…";
  }
}
