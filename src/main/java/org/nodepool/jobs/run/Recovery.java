package org.nodepool.jobs.run;

import io.vertx.core.Future;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import org.nodepool.async.InTurn;
import org.nodepool.model.Attempt;
import org.nodepool.model.Job;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.WorkerTable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Ends the attempts whose worker is gone. First the leftovers, then the job may be run again; and
 * because a worker that was only stopped may go on and leave more, only the worker whose attempt it
 * was says at last that nothing is left. To be used on one context alone.
 */
final class Recovery {
  private static final Logger log = LoggerFactory.getLogger(Recovery.class);

  private final JobTable jobs;
  private final AttemptTable attempts;
  private final WorkerTable workers;
  private final Leases leases;
  private final JobEnds ends;
  private final Leftovers leftovers;
  private final ThisWorker worker;
  private final Path buildsDir;
  private final BooleanSupplier isStopping;

  /**
   * @param buildsDir this worker's
   */
  Recovery(
      JobTable jobs,
      AttemptTable attempts,
      WorkerTable workers,
      Leases leases,
      JobEnds ends,
      Leftovers leftovers,
      ThisWorker worker,
      Path buildsDir,
      BooleanSupplier isStopping) {
    this.jobs = jobs;
    this.attempts = attempts;
    this.workers = workers;
    this.leases = leases;
    this.ends = ends;
    this.leftovers = leftovers;
    this.worker = worker;
    this.buildsDir = buildsDir;
    this.isStopping = isStopping;
  }

  /** At the start: ends what an earlier process of this installation ran, whatever its lease. */
  Future<Void> ownJobs() {
    return jobs.running(worker.name())
        .compose(
            left ->
                byProvider(
                    left,
                    job ->
                        jobs.renew(job)
                            .compose(ours -> ours ? end(job) : Future.succeededFuture())));
  }

  /** Ends the jobs of this host whose worker is gone, and the cancelled ones of any host. */
  Future<Void> abandonedJobs() {
    return jobs.abandoned(worker.host())
        .compose(abandoned -> byProvider(abandoned, this::takeOver));
  }

  private Future<Void> takeOver(Job job) {
    if (leases.holds(job)) {
      return Future.succeededFuture(); // ours, and late to renew
    }
    return jobs.takeOver(job, worker.name())
        .compose(taken -> taken.isPresent() ? end(taken.get()) : Future.succeededFuture());
  }

  /**
   * A job that says this worker runs it, which it does not: the answer to a claim was lost, or to a
   * takeover.
   */
  Future<Void> unheld(Job job) {
    return attempts
        .of(job.id())
        .compose(
            all ->
                isOfThisWorker(all)
                    ? ends.putBack(job, "The answer to its claim was lost.")
                    : end(job));
  }

  /** Whether it was this worker that began the latest of these attempts. */
  private boolean isOfThisWorker(List<Attempt> all) {
    return all.isEmpty() || all.get(all.size() - 1).worker().equals(worker.name());
  }

  /**
   * @param job this worker's, by its row
   */
  private Future<Void> end(Job job) {
    String reason = "The worker on host %s was gone before it had ended.".formatted(job.host());
    log.info("{}: attempt {} is ended here: {}", job.named(), job.attempts(), reason);
    leases.hold(job, () -> {});
    return attempts
        .of(job.id())
        .compose(
            all ->
                sweepAll(job, all)
                    .compose(isClean -> ends.lost(job, reason, left(isClean, isOfThisWorker(all)))))
        .onComplete(v -> leases.release(job));
  }

  private static JobEnds.Left left(boolean isClean, boolean isOfThisWorker) {
    if (!isClean) {
      return JobEnds.Left.SOMETHING;
    }
    return isOfThisWorker ? JobEnds.Left.NOTHING : JobEnds.Left.NOTHING_NOW;
  }

  /** Whether nothing is left on this host of any attempt at the job. */
  private Future<Boolean> sweepAll(Job job, List<Attempt> all) {
    List<Attempt> here =
        all.stream()
            .filter(attempt -> !attempt.isSwept() && attempt.host().equals(worker.host()))
            .toList();
    return InTurn.collect(here, (Attempt attempt) -> sweep(job, attempt))
        .map(swept -> !swept.contains(false));
  }

  private Future<Boolean> sweep(Job job, Attempt attempt) {
    return workers
        .find(attempt.worker())
        .map(its -> its.map(w -> Path.of(w.buildsDir())).orElse(buildsDir))
        .compose(dir -> leftovers.sweep(new Remains(job, attempt.number(), dir)));
  }

  /** Side by side for each provider; one that fails, as with a row that is locked, is left. */
  private Future<Void> byProvider(List<Job> all, Function<Job, Future<Void>> act) {
    return Future.join(
            ByProvider.grouped(all, Job::providerName).stream()
                .map(group -> InTurn.each(group, (Job job) -> unlessStopping(job, act)))
                .toList())
        .mapEmpty();
  }

  private Future<Void> unlessStopping(Job job, Function<Job, Future<Void>> act) {
    if (isStopping.getAsBoolean()) {
      return Future.succeededFuture();
    }
    return Future.succeededFuture(job)
        .compose(act)
        .onFailure(e -> log.warn("{}: is ended later", job.named(), e))
        .otherwiseEmpty();
  }
}
