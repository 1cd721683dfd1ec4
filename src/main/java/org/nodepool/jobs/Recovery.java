package org.nodepool.jobs;

import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.toMap;
import static java.util.stream.Collectors.toSet;

import io.vertx.core.Future;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.nodepool.model.Attempt;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.WorkerTable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Ends the attempts whose worker is gone, and removes what attempts left. First the leftovers, then
 * the job may be run again; and because a worker that was only stopped may go on and leave more,
 * only the worker whose attempt it was says at last that nothing is left. To be used on one context
 * alone.
 */
final class Recovery {
  private static final Logger log = LoggerFactory.getLogger(Recovery.class);

  /** An attempt that ended just now is still tidied up by whoever ran it. */
  private static final int SETTLED_SECONDS = 60;

  private final JobTable jobs;
  private final AttemptTable attempts;
  private final WorkerTable workers;
  private final Leases leases;
  private final JobEnds ends;
  private final JobVerticle.Identity identity;
  private final Path buildsDir;
  private final SweepPauses pauses = new SweepPauses(System::nanoTime);
  private boolean isStopping;

  Recovery(
      JobVerticle.Tables tables,
      Leases leases,
      JobEnds ends,
      JobVerticle.Identity identity,
      Path buildsDir) {
    this.jobs = tables.jobs();
    this.attempts = tables.attempts();
    this.workers = tables.workers();
    this.leases = leases;
    this.ends = ends;
    this.identity = identity;
    this.buildsDir = buildsDir;
  }

  /** Begins nothing more. */
  void stop() {
    isStopping = true;
  }

  /** At the start: ends what an earlier process of this installation ran, whatever its lease. */
  Future<Void> ownJobs() {
    return jobs.running(identity.worker())
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
    return jobs.abandoned(identity.host())
        .compose(abandoned -> byProvider(abandoned, this::takeOver));
  }

  private Future<Void> takeOver(Job job) {
    if (leases.holds(job)) {
      return Future.succeededFuture(); // ours, and late to renew
    }
    return jobs.takeOver(job, identity.worker())
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
                all.isEmpty() || isOwn(last(all))
                    ? ends.putBack(job, "The answer to its claim was lost.")
                    : end(job));
  }

  private static Attempt last(List<Attempt> all) {
    return all.get(all.size() - 1);
  }

  private boolean isOwn(Attempt attempt) {
    return attempt.worker().equals(identity.worker());
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
            all -> {
              boolean isOwn = all.isEmpty() || isOwn(last(all));
              return sweepAll(job, all)
                  .compose(isClean -> ends.lost(job, reason, isClean, isClean && isOwn));
            })
        .onComplete(v -> leases.release(job));
  }

  /** Whether nothing is left on this host of any attempt at the job. */
  private Future<Boolean> sweepAll(Job job, List<Attempt> all) {
    Future<Boolean> done = Future.succeededFuture(true);
    for (Attempt attempt : all) {
      if (!attempt.isSwept() && attempt.host().equals(identity.host())) {
        done = done.compose(before -> sweep(job, attempt).map(now -> before && now));
      }
    }
    return done;
  }

  private Future<Boolean> sweep(Job job, Attempt attempt) {
    return workers
        .find(attempt.worker())
        .map(worker -> worker.map(w -> Path.of(w.buildsDir())).orElse(buildsDir))
        .compose(dir -> ends.sweep(new Attempted(job, attempt.number(), dir)));
  }

  /**
   * Removes what attempts of this worker's left that have ended, by whomever; what cannot be
   * removed is tried again after growing pauses. At each provider it ends with the first that
   * fails: what hangs or refuses is not tried for all of them at once.
   *
   * @param isStart whether no attempt of this worker's can be under way
   */
  Future<Void> ownLeftovers(boolean isStart) {
    return attempts
        .unswept(identity.worker(), isStart ? 0 : SETTLED_SECONDS)
        .map(pauses::due)
        .compose(this::withJobs)
        .compose(
            left ->
                Future.join(
                    grouped(left, l -> l.job().providerName()).stream().map(this::tidyUp).toList()))
        .mapEmpty();
  }

  private record Left(Job job, Attempt attempt) {}

  private Future<List<Left>> withJobs(List<Attempt> all) {
    Set<Long> ids = all.stream().map(Attempt::jobId).collect(toSet());
    return jobs.list(ids)
        .map(
            rows -> {
              Map<Long, Job> byId = rows.stream().collect(toMap(Job::id, job -> job));
              return all.stream()
                  .filter(attempt -> byId.containsKey(attempt.jobId()))
                  .map(attempt -> new Left(byId.get(attempt.jobId()), attempt))
                  .toList();
            });
  }

  /** The attempts of this worker's that still have, or may have left, something; by their uuid. */
  Future<Set<String>> known() {
    return attempts
        .unsweptOf(identity.worker())
        .compose(this::withJobs)
        .map(
            all ->
                all.stream()
                    .map(left -> left.job().attemptUuid(left.attempt().number()))
                    .collect(toSet()));
  }

  /** One after the other, until one fails. */
  private Future<Boolean> tidyUp(List<Left> all) {
    Future<Boolean> done = Future.succeededFuture(true);
    for (Left left : all) {
      done =
          done.compose(
              goesOn -> goesOn && !isStopping ? tidyUp(left) : Future.succeededFuture(false));
    }
    return done;
  }

  private Future<Boolean> tidyUp(Left left) {
    Job job = left.job();
    int number = left.attempt().number();
    if (leases.holds(job.id(), number)) {
      return Future.succeededFuture(true); // lost, and not at its end yet
    }
    boolean achieved = job.state() == JobState.SUCCEEDED && job.attempts() == number;
    Attempted attempted = new Attempted(job, number, buildsDir);
    return (achieved ? ends.settle(attempted) : ends.clear(attempted))
        .map(
            isDone -> {
              if (!isDone) {
                pauses.failed(left.attempt());
              }
              return isDone;
            });
  }

  /** Side by side for each provider: one that hangs delays no other. */
  private Future<Void> byProvider(List<Job> all, Function<Job, Future<Void>> act) {
    return Future.join(
            grouped(all, Job::providerName).stream().map(group -> inTurn(group, act)).toList())
        .mapEmpty();
  }

  /**
   * @param provider null for none
   */
  private static <T> Collection<List<T>> grouped(List<T> all, Function<T, String> provider) {
    return all.stream()
        .collect(groupingBy(each -> Optional.ofNullable(provider.apply(each))))
        .values();
  }

  /**
   * One after the other; one that fails, as a row that is locked does, is left for the next time.
   */
  private <T> Future<Void> inTurn(List<T> all, Function<T, Future<Void>> act) {
    Future<Void> done = Future.succeededFuture();
    for (T each : all) {
      done =
          done.compose(v -> isStopping ? Future.<Void>succeededFuture() : act.apply(each))
              .onFailure(e -> log.warn("something is ended or tidied up later", e))
              .otherwiseEmpty();
    }
    return done;
  }
}
