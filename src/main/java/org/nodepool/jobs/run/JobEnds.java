package org.nodepool.jobs.run;

import static org.nodepool.model.Job.JobState.CANCELLED;
import static org.nodepool.model.Job.JobState.FAILED;
import static org.nodepool.model.Job.JobState.SUCCEEDED;

import io.vertx.core.Future;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.nodepool.jobs.run.JobRun.Stop;
import org.nodepool.jobs.run.Outcome.Next;
import org.nodepool.model.Attempt;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.AttemptEnd.NotOurs;
import org.nodepool.model.CodePoints;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.JobKind;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.Database;
import org.nodepool.store.JobTable;
import org.nodepool.store.Tx;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes how attempts at jobs end, with the row that was being made in one transaction. A file or
 * an image that an attempt made is removed only after the database has said that the job is still
 * this attempt's, or somebody else's: an end whose answer was lost may well have been written.
 */
final class JobEnds {
  private static final Logger log = LoggerFactory.getLogger(JobEnds.class);

  /** One sentence, also when a program printed a book. */
  private static final int LONGEST_ERROR = 1_000;

  /** The width of the column. */
  private static final int LONGEST_PHASE = 255;

  /** What of an attempt is left outside the database after its sweep. */
  enum Left {
    SOMETHING,
    /** But its worker was only stopped, for all that is known, and may go on. */
    NOTHING_NOW,
    NOTHING
  }

  private final Database db;
  private final JobTable jobs;
  private final AttemptTable attempts;
  private final Map<JobKind, Work> works;
  private final FencedWrites writes;
  private final Leftovers leftovers;
  private final Path buildsDir;
  private final int maxAttempts;

  /**
   * @param buildsDir of this worker
   * @param maxAttempts after how many attempts whose worker was lost a job fails
   */
  JobEnds(
      Database db,
      JobTable jobs,
      AttemptTable attempts,
      Map<JobKind, Work> works,
      FencedWrites writes,
      Leftovers leftovers,
      Path buildsDir,
      int maxAttempts) {
    this.db = db;
    this.jobs = jobs;
    this.attempts = attempts;
    this.works = works;
    this.writes = writes;
    this.leftovers = leftovers;
    this.buildsDir = buildsDir;
    this.maxAttempts = maxAttempts;
  }

  /** The work is done: its result and the end of the job are written together. */
  Future<Void> succeeded(JobRun run, Work.Result result) {
    Job job = run.job();
    return writes
        .writeIfOurs(
            job,
            Failpoint.SUCCESS,
            (tx, now) -> {
              if (now.cancelRequested() && !now.kind().deletes()) {
                throw new JobFailure("It was cancelled.");
              }
              return result.record(tx).compose(v -> finish(tx, now, SUCCEEDED, null, false));
            })
        .compose(
            isWritten -> {
              if (!isWritten) {
                return letGo(job);
              }
              log.info("{}: succeeded after {}", job.named(), run.took());
              run.log().note("succeeded");
              return leftovers.settle(latest(job)).<Void>mapEmpty();
            })
        .recover(e -> e instanceof JobFailure ? failed(run, e) : Future.failedFuture(e));
  }

  /** The work has failed, or has to be done later, or by somebody else. */
  Future<Void> failed(JobRun run, Throwable cause) {
    Stop stop = run.stopped().orElse(null);
    if (stop == null && !Outcome.isForeseen(cause)) {
      log.error("{}: failed unexpectedly", run.job().named(), cause);
    }
    return left(run, stop)
        .map(left -> new Outcome.Over(run.job().kind(), run.job().attempts(), stop, left))
        .map(over -> Outcome.of(cause, over, ThreadLocalRandom.current().nextDouble()))
        .compose(outcome -> end(run, outcome));
  }

  /** How much of the time that all attempts may take is left; null when there is no limit. */
  private Future<Duration> left(JobRun run, Stop stop) {
    if (run.limit() == null || stop != null) {
      return Future.succeededFuture(run.limit());
    }
    return attempts
        .of(run.job().id())
        .map(this::secondsSinceTheFirst)
        .otherwise(0L)
        .map(run.limit()::minusSeconds);
  }

  private long secondsSinceTheFirst(List<Attempt> all) {
    return all.isEmpty() ? 0 : db.now() - all.get(0).started();
  }

  private Future<Void> end(JobRun run, Outcome outcome) {
    Job job = run.job();
    return switch (outcome.next()) {
      case NOT_OURS -> letGo(job);
      case QUEUED, QUEUED_AFTER_LOSS -> {
        if (outcome.isTold()) {
          Long seconds = outcome.pauseSeconds();
          String reason = outcome.reason();
          log.info("{}: again in {} s, after {}: {}", job.named(), seconds, run.took(), reason);
          run.log().note("%s; again in %d s".formatted(reason, seconds));
        }
        yield sweepAndWrite(run, Failpoint.PUT_BACK, outcome);
      }
      case FAILED -> {
        if (run.stopped().isEmpty()) {
          run.log().note("failed: " + outcome.reason());
        }
        yield sweepAndWrite(run, Failpoint.FAILURE, outcome);
      }
    };
  }

  /** Nothing is left of an attempt that is said to have ended, if that can be. */
  private Future<Void> sweepAndWrite(JobRun run, Failpoint what, Outcome outcome) {
    Job job = run.job();
    return writes
        .isOurs(job)
        .compose(
            ours ->
                ours
                    ? leftovers
                        .sweep(latest(job))
                        .map(isSwept -> isSwept ? Left.NOTHING : Left.SOMETHING)
                        .compose(left -> writeOurs(run, what, outcome, left))
                    : Future.succeededFuture(false))
        .compose(isWritten -> isWritten ? Future.succeededFuture() : letGo(job));
  }

  private Future<Boolean> writeOurs(JobRun run, Failpoint what, Outcome outcome, Left left) {
    return writes.write(
        run.job(),
        what,
        (tx, now) -> {
          if (outcome.next() == Next.FAILED) {
            String end = now.cancelRequested() ? "cancelled" : "failed";
            String reason = cut(outcome.reason());
            log.info("{}: {} after {}: {}", now.named(), end, run.took(), reason);
          }
          return write(tx, now, outcome, left);
        });
  }

  /**
   * Another worker began the attempt, or an earlier process of this installation, and did not live
   * to end it; what it left has been swept. A deletion is done again until it is done.
   *
   * @param job as it is now, this worker's
   * @param left what its sweep has left of it
   */
  Future<Void> lost(Job job, String reason, Left left) {
    return writes
        .writeIfOurs(
            job,
            Failpoint.FAILURE,
            (tx, now) -> {
              boolean isClean = left != Left.SOMETHING;
              Outcome outcome =
                  now.cancelRequested()
                      ? Outcome.failed(reason)
                      : Outcome.ofLost(now.kind(), now.lost(), maxAttempts, isClean, reason);
              return write(tx, now, outcome, left);
            })
        .mapEmpty();
  }

  /** A job that was claimed, and of which nothing was begun, is queued again. */
  Future<Void> putBack(Job job, String reason) {
    log.info("{}: is put back: {}", job.named(), reason);
    Outcome outcome = Outcome.putBack(reason);
    return writes
        .writeIfOurs(job, Failpoint.PUT_BACK, (tx, now) -> write(tx, now, outcome, Left.NOTHING))
        .mapEmpty();
  }

  private Future<Void> write(Tx tx, Job now, Outcome outcome, Left left) {
    String error = cut(outcome.reason());
    boolean isSwept = left == Left.NOTHING;
    if (now.cancelRequested() || outcome.next() == Next.FAILED) {
      JobState end = now.cancelRequested() ? CANCELLED : FAILED;
      return works
          .get(now.kind())
          .abandon(tx, now, end, isSwept)
          .compose(v -> finish(tx, now, end, error, isSwept));
    }
    String phase = outcome.isTold() ? CodePoints.cut(outcome.reason(), LONGEST_PHASE) : null;
    boolean isLost = outcome.next() == Next.QUEUED_AFTER_LOSS;
    return jobs.requeue(tx, now, phase, outcome.pauseSeconds(), isLost)
        .compose(JobEnds::checkOurs)
        .compose(v -> attempts.end(tx, now, error, isSwept));
  }

  /**
   * @param error why the attempt did not succeed; null when it did
   */
  private Future<Void> finish(Tx tx, Job job, JobState end, String error, boolean isSwept) {
    return jobs.finish(tx, job, end, end == CANCELLED ? null : error)
        .compose(JobEnds::checkOurs)
        .compose(v -> attempts.end(tx, job, error, isSwept));
  }

  private static Future<Void> checkOurs(boolean isOurs) {
    return isOurs ? Future.succeededFuture() : Future.failedFuture(new NotOurs());
  }

  private static String cut(String reason) {
    return CodePoints.cut(reason, LONGEST_ERROR);
  }

  private Remains latest(Job job) {
    return new Remains(job, job.attempts(), buildsDir);
  }

  /**
   * An attempt of this worker's is over, and the job not its any more: nothing of it may stay but
   * what it achieved.
   */
  private Future<Void> letGo(Job job) {
    log.info("{}: attempt {} has ended already", job.named(), job.attempts());
    return writes
        .untilAnswered(job, () -> jobs.find(job.id()))
        .compose(
            row -> {
              boolean achieved =
                  row.filter(now -> now.state() == SUCCEEDED && now.attempts() == job.attempts())
                      .isPresent();
              return achieved ? leftovers.settle(latest(job)) : leftovers.clear(latest(job));
            })
        .mapEmpty();
  }
}
