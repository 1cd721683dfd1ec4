package org.nodepool.jobs.run;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.nodepool.jobs.JobLogs;
import org.nodepool.jobs.run.JobRun.Stop.Cause;
import org.nodepool.model.Job;
import org.nodepool.model.JobKind;
import org.nodepool.model.JobKind.Lane;
import org.nodepool.store.JobTable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The attempts that this worker makes now, each from its begin to its end. One context alone. */
final class RunningJobs {
  private static final Logger log = LoggerFactory.getLogger(RunningJobs.class);

  private static final long PROGRESS_PERIOD_MS = 1_000;

  private final Vertx vertx;
  private final JobTable jobs;
  private final JobLogs logs;
  private final Map<JobKind, Work> works;
  private final Leases leases;
  private final JobEnds ends;
  private final BooleanSupplier isStopping;
  private final Runnable onEnd;
  private final List<JobRun> running = new ArrayList<>();

  /**
   * @param onEnd is told of each attempt that has ended: other jobs may have waited for it
   */
  RunningJobs(
      Vertx vertx,
      JobTable jobs,
      JobLogs logs,
      Map<JobKind, Work> works,
      Leases leases,
      JobEnds ends,
      BooleanSupplier isStopping,
      Runnable onEnd) {
    this.vertx = vertx;
    this.jobs = jobs;
    this.logs = logs;
    this.works = works;
    this.leases = leases;
    this.ends = ends;
    this.isStopping = isStopping;
    this.onEnd = onEnd;
    vertx.setPeriodic(PROGRESS_PERIOD_MS, timer -> storeProgress());
  }

  /** The jobs of that lane that run. */
  List<Job> in(Lane lane) {
    return running.stream().map(JobRun::job).filter(job -> job.kind().lane() == lane).toList();
  }

  /** Makes an attempt at a job that was claimed for this. */
  void begin(LaneRules rules, Job job) {
    log.info("{}: attempt {} begins", job.named(), job.attempts());
    JobRun run = new JobRun(job, logs.open(job), rules.limit());
    running.add(run);
    leases.hold(job, () -> run.stop(Cause.LOST, "Another worker has taken the job over."));
    if (isStopping.getAsBoolean()) {
      run.stop(Cause.SERVICE_STOPS, JobVerticle.STOPPED);
    }
    Runnable endLimit = limit(rules, run);
    run.log().note("attempt %d begins".formatted(job.attempts()));
    Future.succeededFuture(run)
        .compose(works.get(job.kind())::run)
        .onComplete(work -> run.workEnded())
        .transform(
            work ->
                work.succeeded()
                    ? ends.succeeded(run, work.result())
                    : ends.failed(run, work.cause()))
        .onComplete(
            ended -> {
              if (ended.failed()) {
                log.warn("{}: its end is left to the next start", job.named(), ended.cause());
              }
              endLimit.run();
              run.log().close();
              running.remove(run);
              leases.release(job);
              onEnd.run();
            });
  }

  /** Starts the clock of an attempt; what it gives stops that. */
  private Runnable limit(LaneRules rules, JobRun run) {
    if (rules.limit() == null) {
      return () -> {};
    }
    long timer =
        vertx.setTimer(
            rules.limit().toMillis(), fired -> run.stop(Cause.TIMED_OUT, rules.timedOut()));
    return () -> vertx.cancelTimer(timer);
  }

  /** Stops the attempt at that job, if there is one here, because it is to be cancelled. */
  void cancel(Job job) {
    running.stream()
        .filter(run -> run.isOf(job))
        .forEach(run -> run.stop(Cause.CANCELLED, "It was cancelled."));
  }

  /** Stops all of them, because the service stops. */
  void stopAll() {
    List.copyOf(running).forEach(run -> run.stop(Cause.SERVICE_STOPS, JobVerticle.STOPPED));
  }

  private void storeProgress() {
    for (JobRun run : List.copyOf(running)) {
      run.takeProgress()
          .ifPresent(
              progress ->
                  jobs.progress(run.job(), progress.fraction(), progress.phase())
                      .onFailure(e -> log.debug("{}: its progress", run.job().named(), e)));
    }
  }
}
