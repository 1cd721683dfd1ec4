package org.nodepool.jobs;

import io.vertx.core.Future;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
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
                inTurn(
                    left,
                    job ->
                        jobs.renew(job)
                            .compose(ours -> ours ? end(job) : Future.succeededFuture())));
  }

  /** Ends the jobs of this host whose worker is gone, and the cancelled ones of any host. */
  Future<Void> abandonedJobs() {
    return jobs.abandoned(identity.host()).compose(abandoned -> inTurn(abandoned, this::takeOver));
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
   * Removes what attempts of this worker's left that have ended, by whomever.
   *
   * @param isStart whether no attempt of this worker's can be under way
   */
  Future<Void> ownLeftovers(boolean isStart) {
    return attempts
        .unswept(identity.worker(), isStart ? 0 : SETTLED_SECONDS)
        .compose(left -> inTurn(left, this::tidyUp));
  }

  /** The attempts of this worker's that still have, or may have left, something; by their uuid. */
  Future<Set<String>> known() {
    return attempts
        .unsweptOf(identity.worker())
        .compose(
            all -> {
              Future<Set<String>> done = Future.succeededFuture(new HashSet<>());
              for (Attempt attempt : all) {
                done =
                    done.compose(
                        uuids ->
                            jobs.get(attempt.jobId())
                                .map(
                                    job -> {
                                      uuids.add(job.attemptUuid(attempt.number()));
                                      return uuids;
                                    }));
              }
              return done;
            });
  }

  private Future<Void> tidyUp(Attempt attempt) {
    if (leases.holds(attempt.jobId(), attempt.number())) {
      return Future.succeededFuture(); // lost, and not at its end yet
    }
    return jobs.get(attempt.jobId())
        .compose(
            job -> {
              boolean achieved =
                  job.state() == JobState.SUCCEEDED && job.attempts() == attempt.number();
              Attempted attempted = new Attempted(job, attempt.number(), buildsDir);
              return achieved ? ends.settle(attempted) : ends.clear(attempted);
            });
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
