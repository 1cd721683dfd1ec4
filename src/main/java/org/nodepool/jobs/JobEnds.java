package org.nodepool.jobs;

import static org.nodepool.model.Job.JobState.CANCELLED;
import static org.nodepool.model.Job.JobState.FAILED;
import static org.nodepool.model.Job.JobState.SUCCEEDED;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import org.nodepool.model.AttemptEnd;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.AttemptEnd.NotOurs;
import org.nodepool.model.AttemptEnd.NotSupportedYet;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.CodePoints;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.JobKind;
import org.nodepool.model.Problem;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.Database;
import org.nodepool.store.JobTable;
import org.nodepool.store.Tx;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How an attempt at a job ends, and that this is written once, whatever the database does
 * meanwhile. What an attempt made outside the database is removed only after the database has said
 * that the job is still this attempt's, or somebody else's: an end whose answer was lost may well
 * have been written.
 */
final class JobEnds {
  private static final Logger log = LoggerFactory.getLogger(JobEnds.class);

  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  /** How long a job waits after a fault that passes: doubled with every attempt, with jitter. */
  private static final Duration FIRST_BACK_OFF = Duration.ofSeconds(5);

  private static final Duration LONGEST_BACK_OFF = Duration.ofMinutes(10);

  /** A deletion never gives up; so it must not press what refuses it, such as an image in use. */
  private static final Duration LONGEST_BACK_OFF_OF_DELETION = Duration.ofHours(1);

  /** However long a provider asks to be left alone. */
  private static final Duration LONGEST_ASKED_FOR = Duration.ofHours(1);

  /** How often to ask again for what this version cannot do: the next may begin at any time. */
  private static final Duration ASK_AGAIN = Duration.ofHours(1);

  /** Before a job is begun again of which something could not be removed. */
  private static final long UNCLEAN_PAUSE_SECONDS = 30;

  /** A sweep is retried later; nobody waits for a directory that hangs. */
  private static final long SWEEP_LIMIT_SECONDS = 90;

  /** While the service stops. */
  private static final long LAST_SWEEP_LIMIT_SECONDS = 2;

  /** One sentence, also when a program printed a book. */
  private static final int LONGEST_ERROR = 1_000;

  /** The width of the column. */
  private static final int LONGEST_PHASE = 255;

  private final Vertx vertx;
  private final Database db;
  private final JobTable jobs;
  private final AttemptTable attempts;
  private final Map<JobKind, Work> works;
  private final Path buildsDir;
  private final int maxAttempts;
  private volatile boolean isStopping;

  /**
   * @param buildsDir of this worker
   * @param maxAttempts after how many attempts whose worker was lost a job fails
   */
  JobEnds(
      Vertx vertx,
      Database db,
      JobTable jobs,
      AttemptTable attempts,
      Map<JobKind, Work> works,
      Path buildsDir,
      int maxAttempts) {
    this.vertx = vertx;
    this.db = db;
    this.jobs = jobs;
    this.attempts = attempts;
    this.works = works;
    this.buildsDir = buildsDir;
    this.maxAttempts = maxAttempts;
  }

  /** From now on an end that cannot be written at once is left to the next start. */
  void stop() {
    isStopping = true;
  }

  /** The work is done: its result and the end of the job are written together. */
  Future<Void> succeeded(JobRun run, Work.Result result) {
    Job job = run.job();
    return record(
            job,
            Failpoint.SUCCESS,
            (tx, now) -> {
              if (now.cancelRequested() && !now.kind().deletes()) {
                throw new JobFailure("It was cancelled.");
              }
              return result.record(tx).compose(v -> end(tx, now, SUCCEEDED, null, false));
            })
        .compose(
            isWritten -> {
              if (!isWritten) {
                return disown(job);
              }
              log.info("{}: succeeded after {}", job.named(), run.took());
              run.log().note("succeeded");
              return settle(latest(job)).<Void>mapEmpty();
            })
        .recover(e -> e instanceof JobFailure ? failed(run, e) : Future.failedFuture(e));
  }

  /** The work has failed, or has to be done later, or by somebody else. */
  Future<Void> failed(JobRun run, Throwable cause) {
    if (cause instanceof NotOurs) {
      return disown(run.job());
    }
    if (run.stopped().isPresent()) {
      return stopped(run, run.stopped().get());
    }
    if (cause instanceof NotSupportedYet) {
      return later(run, cause.getMessage(), ASK_AGAIN);
    }
    if (cause instanceof Problem.Unavailable || cause instanceof Problem.OutcomeUnknown) {
      return later(run, "the database did not answer", withJitter(FIRST_BACK_OFF));
    }
    // a deletion that is forgotten is worse than one that is late
    boolean mayPass =
        cause instanceof ProviderAway
            || (cause instanceof IOException && run.job().kind().deletes());
    return mayPass ? backOff(run, cause) : inVain(run, sentence(run.job(), cause));
  }

  private Future<Void> stopped(JobRun run, JobRun.Stop stop) {
    return switch (stop.cause()) {
      case LOST -> disown(run.job());
      case SERVICE_STOPS ->
          sweepAnd(
              run.job(),
              Failpoint.PUT_BACK,
              (tx, now, isSwept) -> putBack(tx, now, stop.reason(), null, null, isSwept));
      case CANCELLED, TIMED_OUT -> inVain(run, stop.reason());
    };
  }

  /** Again after a pause; but only a deletion for ever. */
  private Future<Void> backOff(JobRun run, Throwable cause) {
    Job job = run.job();
    String reason = sentence(job, cause);
    Duration pause = longer(backOff(job), askedFor(cause));
    if (run.limit() == null) {
      return later(run, reason, pause);
    }
    return attempts
        .of(job.id())
        .map(all -> all.isEmpty() ? 0 : nowSeconds() - all.get(0).started())
        .otherwise(0L)
        .compose(
            seconds ->
                pause.plusSeconds(seconds).compareTo(run.limit()) < 0
                    ? later(run, reason, pause)
                    : inVain(run, reason));
  }

  private static long nowSeconds() {
    return TimeUnit.MILLISECONDS.toSeconds(System.currentTimeMillis());
  }

  private static Duration backOff(Job job) {
    Duration longest = job.kind().deletes() ? LONGEST_BACK_OFF_OF_DELETION : LONGEST_BACK_OFF;
    Duration pause = FIRST_BACK_OFF.multipliedBy(1L << Math.min(job.attempts() - 1, 10));
    return shorter(withJitter(shorter(pause, longest)), longest);
  }

  /** How long the provider is to be left alone; zero when it did not say. */
  private static Duration askedFor(Throwable cause) {
    return cause instanceof ProviderAway away && away.pause() != null
        ? shorter(away.pause(), LONGEST_ASKED_FOR)
        : Duration.ZERO;
  }

  /** A quarter more or less, so that many that failed at once do not come back at once. */
  private static Duration withJitter(Duration pause) {
    long quarter = pause.toMillis() / 4;
    return pause.plusMillis(ThreadLocalRandom.current().nextLong(-quarter, quarter + 1));
  }

  private Future<Void> later(JobRun run, String reason, Duration pause) {
    Job job = run.job();
    long seconds = Math.max(1, (long) Math.ceil(pause.toMillis() / 1000.0));
    log.info("{}: again in {} s, after {}: {}", job.named(), seconds, run.took(), reason);
    run.log().note("%s; again in %d s".formatted(reason, seconds));
    return sweepAnd(
        job,
        Failpoint.PUT_BACK,
        (tx, now, isSwept) -> putBack(tx, now, reason, reason, seconds, isSwept));
  }

  private Future<Void> inVain(JobRun run, String error) {
    if (run.stopped().isEmpty()) {
      run.log().note("failed: " + error);
    }
    Job job = run.job();
    return sweepAnd(
        job,
        Failpoint.FAILURE,
        (tx, now, isSwept) -> {
          JobState end = now.cancelRequested() ? CANCELLED : FAILED;
          log.info(
              "{}: {} after {}: {}",
              job.named(),
              end,
              run.took(),
              CodePoints.cut(error, LONGEST_ERROR));
          return endInVain(tx, now, end, error, isSwept);
        });
  }

  /**
   * Another worker began the attempt, or an earlier process of this installation, and did not live
   * to end it; what it left has been swept. A deletion is done again until it is done.
   *
   * @param job as it is now, this worker's
   * @param isClean whether nothing is left on this host; if not, there is a pause
   * @param isSwept whether besides nothing of the attempt can come any more
   */
  Future<Void> lost(Job job, String reason, boolean isClean, boolean isSwept) {
    return record(
            job,
            Failpoint.FAILURE,
            (tx, now) -> {
              boolean isLast = !now.kind().deletes() && now.lost() + 1 >= maxAttempts;
              if (now.cancelRequested()) {
                return endInVain(tx, now, CANCELLED, reason, isSwept);
              }
              if (!isLast) {
                return jobs.requeue(tx, now, null, isClean ? null : UNCLEAN_PAUSE_SECONDS, true)
                    .compose(JobEnds::checkOurs)
                    .compose(v -> attempts.end(tx, now, reason, isSwept));
              }
              String error =
                  "%s It is not tried again (jobs.max_attempts: %d)."
                      .formatted(reason, maxAttempts);
              return endInVain(tx, now, FAILED, error, isSwept);
            })
        .mapEmpty();
  }

  /** A job that was claimed, and of which nothing was begun, is queued again. */
  Future<Void> putBack(Job job, String reason) {
    log.info("{}: is put back: {}", job.named(), reason);
    return record(job, Failpoint.PUT_BACK, (tx, now) -> putBack(tx, now, reason, null, null, true))
        .mapEmpty();
  }

  /** What is to be cancelled does not wait for another attempt. */
  private Future<Void> putBack(
      Tx tx, Job job, String error, String waitsFor, Long pauseSeconds, boolean isSwept) {
    if (job.cancelRequested()) {
      return endInVain(tx, job, CANCELLED, error, isSwept);
    }
    String phase = waitsFor == null ? null : CodePoints.cut(waitsFor, LONGEST_PHASE);
    return jobs.requeue(tx, job, phase, pauseSeconds, false)
        .compose(JobEnds::checkOurs)
        .compose(v -> attempts.end(tx, job, CodePoints.cut(error, LONGEST_ERROR), isSwept));
  }

  /** The row that was being made, and the job. */
  private Future<Void> endInVain(Tx tx, Job job, JobState end, String error, boolean isSwept) {
    return works
        .get(job.kind())
        .abandon(tx, job, end, isSwept)
        .compose(v -> end(tx, job, end, CodePoints.cut(error, LONGEST_ERROR), isSwept));
  }

  /**
   * @param error why the attempt did not succeed; null when it did
   */
  private Future<Void> end(Tx tx, Job job, JobState end, String error, boolean isSwept) {
    return jobs.finish(tx, job, end, end == CANCELLED ? null : error)
        .compose(JobEnds::checkOurs)
        .compose(v -> attempts.end(tx, job, error, isSwept));
  }

  private static Future<Void> checkOurs(boolean isOurs) {
    return isOurs ? Future.succeededFuture() : Future.failedFuture(new NotOurs());
  }

  private interface Ending {
    Future<Void> write(Tx tx, Job now, boolean isSwept);
  }

  /** Nothing is left of an attempt that is said to have ended, if that can be. */
  private Future<Void> sweepAnd(Job job, Failpoint what, Ending ending) {
    return isOurs(job)
        .compose(
            ours ->
                ours
                    ? sweep(latest(job))
                        .compose(
                            isSwept ->
                                write(
                                    job,
                                    what,
                                    (tx, now) -> ending.write(tx, now, isSwept),
                                    FIRST_PAUSE))
                    : Future.succeededFuture(false))
        .compose(isWritten -> isWritten ? Future.succeededFuture() : disown(job));
  }

  private Attempted latest(Job job) {
    return new Attempted(job, job.attempts(), buildsDir);
  }

  /** Removes what an attempt left; whether nothing is left. */
  Future<Boolean> sweep(Attempted attempt) {
    long limit = isStopping ? LAST_SWEEP_LIMIT_SECONDS : SWEEP_LIMIT_SECONDS;
    return Future.succeededFuture(attempt)
        .compose(works.get(attempt.job().kind())::sweep)
        .timeout(limit, TimeUnit.SECONDS)
        .map(true)
        .otherwise(
            e -> {
              if (e instanceof ProviderAway || e instanceof ProviderFailure) {
                log.warn("{}: leftovers stay: {}", attempt.named(), e.getMessage());
              } else if (e instanceof TimeoutException) {
                log.warn("{}: leftovers stay: no end within {} s", attempt.named(), limit);
              } else {
                log.error("{}: leftovers stay", attempt.named(), e);
              }
              return false;
            });
  }

  /**
   * Removes what a success had to keep until it was committed, and notes that. Never fails; whether
   * it is done.
   */
  Future<Boolean> settle(Attempted attempt) {
    return works
        .get(attempt.job().kind())
        .settle(attempt)
        .compose(v -> db.transaction(Failpoint.SWEPT, tx -> noteSwept(tx, attempt)))
        .map(true)
        .otherwise(e -> notTidied(attempt, e));
  }

  private Future<Void> noteSwept(Tx tx, Attempted attempt) {
    return attempts.swept(tx, attempt.job().id(), attempt.number());
  }

  private static boolean notTidied(Attempted attempt, Throwable cause) {
    log.warn("{}: is tidied up later", attempt.named(), cause);
    return false;
  }

  /**
   * An attempt of this worker's is over, and the job not its any more: nothing of it may stay but
   * what it achieved.
   */
  Future<Void> disown(Job job) {
    log.info("{}: attempt {} has ended already", job.named(), job.attempts());
    return untilAnswered(job, () -> jobs.find(job.id()))
        .compose(
            row -> {
              boolean achieved =
                  row.filter(now -> now.state() == SUCCEEDED && now.attempts() == job.attempts())
                      .isPresent();
              return achieved ? settle(latest(job)) : clear(latest(job));
            })
        .mapEmpty();
  }

  /**
   * Removes what an attempt of this worker's left in vain, and notes that. Never fails; whether it
   * is done.
   */
  Future<Boolean> clear(Attempted attempt) {
    Work work = works.get(attempt.job().kind());
    return sweep(attempt)
        .compose(
            isSwept ->
                isSwept
                    ? db.transaction(
                            Failpoint.SWEPT,
                            tx -> work.swept(tx, attempt).compose(v -> noteSwept(tx, attempt)))
                        .map(true)
                    : Future.succeededFuture(false))
        .otherwise(e -> notTidied(attempt, e));
  }

  /**
   * Writes how an attempt ends, however long that takes; only a stop of the service gives up. Fails
   * with {@link JobFailure} when the result is one that may not be written. The rows are written
   * before the job, as in other transactions; so whether the job is still ours is looked at first.
   *
   * @return whether it was written now; if not, the job is not this attempt's any more
   */
  private Future<Boolean> record(Job job, Failpoint what, BiFunction<Tx, Job, Future<Void>> end) {
    return isOurs(job)
        .compose(ours -> ours ? write(job, what, end, FIRST_PAUSE) : Future.succeededFuture(false));
  }

  private Future<Boolean> write(
      Job job, Failpoint what, BiFunction<Tx, Job, Future<Void>> end, Duration pause) {
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
              return again(job, e, pause)
                  .compose(v -> isOurs(job))
                  .compose(
                      ours ->
                          ours
                              ? write(job, what, end, doubled(pause))
                              : Future.succeededFuture(false));
            });
  }

  /**
   * Whether the job is still this attempt's. Waits for a commit that is under way: when this says
   * so, none is.
   */
  private Future<Boolean> isOurs(Job job) {
    return untilAnswered(
        job,
        () ->
            db.transaction(
                Failpoint.LOOK, tx -> jobs.lockCurrent(tx, job).map(row -> row.isPresent())));
  }

  private <T> Future<T> untilAnswered(Job job, Supplier<Future<T>> question) {
    return untilAnswered(job, question, FIRST_PAUSE);
  }

  private <T> Future<T> untilAnswered(Job job, Supplier<Future<T>> question, Duration pause) {
    return question
        .get()
        .recover(
            e -> again(job, e, pause).compose(v -> untilAnswered(job, question, doubled(pause))));
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

  private static Duration doubled(Duration pause) {
    return shorter(pause.multipliedBy(2), LONGEST_PAUSE);
  }

  private static Duration shorter(Duration one, Duration other) {
    return one.compareTo(other) < 0 ? one : other;
  }

  private static Duration longer(Duration one, Duration other) {
    return one.compareTo(other) > 0 ? one : other;
  }

  private static String sentence(Job job, Throwable cause) {
    if (cause instanceof AttemptEnd || cause instanceof Problem) {
      return cause.getMessage();
    }
    log.error("{}: failed unexpectedly", job.named(), cause);
    return cause instanceof IOException
        ? "%s: %s".formatted(cause.getClass().getSimpleName(), cause.getMessage())
        : "An internal error (%s); the service's log has the details."
            .formatted(cause.getClass().getSimpleName());
  }
}
