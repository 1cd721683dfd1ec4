package org.nodepool.jobs.run;

import io.vertx.core.Future;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.nodepool.model.Job;
import org.nodepool.model.ProviderCall;
import org.nodepool.model.Worker;
import org.nodepool.store.JobTable;
import org.nodepool.store.ProviderCallTable;
import org.nodepool.store.WorkerTable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A worker's round, which it makes every few seconds: it says that it is there, looks what has
 * become of the jobs that run here, ends those whose worker is gone, and notes the calls to
 * providers. To be used on one context alone.
 */
final class Round {
  private static final Logger log = LoggerFactory.getLogger(Round.class);

  private final WorkerTable workers;
  private final JobTable jobs;
  private final ProviderCallTable callTable;
  private final RunningJobs running;
  private final Leases leases;
  private final Recovery recovery;
  private final Holdings holdings;
  private final Supplier<Worker> self;
  private final Supplier<List<ProviderCall>> calls;
  private final BooleanSupplier isStopping;
  private final Repeating takeOver;

  /** As they are in the database. */
  private List<ProviderCall> notedCalls = List.of();

  /**
   * @param self this worker as others are to see it now
   * @param calls the newest calls of this process to providers
   * @param afterTakeOver is told when jobs may have been queued again
   */
  Round(
      WorkerTable workers,
      JobTable jobs,
      ProviderCallTable callTable,
      RunningJobs running,
      Leases leases,
      Recovery recovery,
      Holdings holdings,
      Supplier<Worker> self,
      Supplier<List<ProviderCall>> calls,
      BooleanSupplier isStopping,
      Runnable afterTakeOver) {
    this.workers = workers;
    this.jobs = jobs;
    this.callTable = callTable;
    this.running = running;
    this.leases = leases;
    this.recovery = recovery;
    this.holdings = holdings;
    this.self = self;
    this.calls = calls;
    this.isStopping = isStopping;
    this.takeOver = new Repeating(() -> takeOver().onComplete(v -> afterTakeOver.run()));
  }

  /** Does it once. What a dead worker left is not waited for: to remove it may take a minute. */
  Future<Void> run() {
    Worker me = self.get();
    return workers
        .seen(me)
        .compose(v -> lookAtRunning(me.name()))
        .onSuccess(v -> takeOver.askIfIdle())
        .compose(v -> noteCalls());
  }

  private Future<Void> takeOver() {
    if (isStopping.getAsBoolean()) {
      return Future.succeededFuture();
    }
    holdings.begin();
    return recovery
        .abandonedJobs()
        .onFailure(JobVerticle::notLooked)
        .onComplete(v -> holdings.end());
  }

  private Future<Void> lookAtRunning(String me) {
    Holdings.Moment before = holdings.now();
    return jobs.running(me)
        .map(
            rows -> {
              boolean isComplete = holdings.isUnchangedSince(before);
              rows.forEach(job -> lookAt(job, isComplete));
              return null;
            });
  }

  /**
   * Stops a job that is to be cancelled, and puts back one whose claim was written though its
   * answer was lost: it says that we run it, and we do not.
   *
   * @param isComplete whether what runs here has not changed since the row was read
   */
  private void lookAt(Job job, boolean isComplete) {
    if (job.cancelRequested()) {
      running.cancel(job);
    }
    // an end that could not be written by now is left to the next start
    if (!leases.holds(job) && isComplete && !isStopping.getAsBoolean()) {
      recovery.unheld(job).onFailure(e -> log.error("{}: is not put back", job.named(), e));
    }
  }

  private Future<Void> noteCalls() {
    List<ProviderCall> made = calls.get();
    List<ProviderCall> unnoted = made.stream().filter(call -> !notedCalls.contains(call)).toList();
    if (unnoted.isEmpty()) {
      return Future.succeededFuture();
    }
    return callTable.note(unnoted).onSuccess(v -> notedCalls = made);
  }
}
