package org.nodepool.jobs.run;

import static java.util.stream.Collectors.toMap;
import static java.util.stream.Collectors.toSet;

import io.vertx.core.Future;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.nodepool.async.InTurn;
import org.nodepool.model.Attempt;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.JobTable;

/**
 * Removes the leftovers of this worker's attempts that have ended, by whomever; a leftover that
 * cannot be removed is tried again after growing pauses. To be used on one context alone.
 */
final class Tidying {
  /** An attempt that ended just now is still tidied up by whoever ran it. */
  private static final int SETTLED_SECONDS = 60;

  private final JobTable jobs;
  private final AttemptTable attempts;
  private final Collection<Work> works;
  private final Leases leases;
  private final Leftovers leftovers;
  private final String worker;
  private final Path buildsDir;
  private final BooleanSupplier isStopping;
  private final SweepPauses pauses = new SweepPauses(System::nanoTime);
  private final Repeating round = new Repeating(this::tidyUp);
  private boolean hasBegun;

  /**
   * @param worker this worker's name
   * @param buildsDir this worker's
   */
  Tidying(
      JobTable jobs,
      AttemptTable attempts,
      Collection<Work> works,
      Leases leases,
      Leftovers leftovers,
      String worker,
      Path buildsDir,
      BooleanSupplier isStopping) {
    this.jobs = jobs;
    this.attempts = attempts;
    this.works = works;
    this.leases = leases;
    this.leftovers = leftovers;
    this.worker = worker;
    this.buildsDir = buildsDir;
    this.isStopping = isStopping;
  }

  /**
   * Looks what there is to remove, unless that is being done. The first time no attempt of this
   * worker's can be under way, and besides what no attempt accounts for goes.
   */
  void look() {
    round.askIfIdle();
  }

  private Future<Void> tidyUp() {
    Future<Void> done = hasBegun ? look(SETTLED_SECONDS) : look(0).compose(v -> sweepUnknown());
    hasBegun = true;
    return done.onFailure(JobVerticle::notLooked);
  }

  private Future<Void> sweepUnknown() {
    return InTurn.each(new HashSet<>(works), (Work work) -> work.sweepUnknown(this::known));
  }

  /**
   * At each provider it ends with the first that fails: what hangs is not tried for all at once.
   */
  private Future<Void> look(int settledSeconds) {
    if (isStopping.getAsBoolean()) {
      return Future.succeededFuture();
    }
    return attempts
        .unswept(worker, settledSeconds)
        .map(pauses::due)
        .compose(this::withJobs)
        .compose(
            left ->
                Future.join(
                    ByProvider.grouped(left, l -> l.job().providerName()).stream()
                        .map(group -> InTurn.whileTrue(group, this::tidyUp))
                        .toList()))
        .mapEmpty();
  }

  private record Unswept(Job job, Attempt attempt) {}

  private Future<List<Unswept>> withJobs(List<Attempt> all) {
    Set<Long> ids = all.stream().map(Attempt::jobId).collect(toSet());
    return jobs.list(ids)
        .map(
            rows -> {
              Map<Long, Job> byId = rows.stream().collect(toMap(Job::id, job -> job));
              return all.stream()
                  .filter(attempt -> byId.containsKey(attempt.jobId()))
                  .map(attempt -> new Unswept(byId.get(attempt.jobId()), attempt))
                  .toList();
            });
  }

  /** The attempts of this worker's that still have, or may have left, something; by their uuid. */
  private Future<Set<String>> known() {
    return attempts.unsweptOf(worker).compose(all -> withJobs(all).map(left -> uuids(all, left)));
  }

  private static Set<String> uuids(List<Attempt> all, List<Unswept> left) {
    if (left.size() < all.size()) {
      throw new IllegalStateException("builds stay: some may be a later version's");
    }
    return left.stream()
        .map(each -> each.job().attemptUuid(each.attempt().number()))
        .collect(toSet());
  }

  private Future<Boolean> tidyUp(Unswept left) {
    Job job = left.job();
    int number = left.attempt().number();
    if (isStopping.getAsBoolean()) {
      return Future.succeededFuture(false);
    }
    if (leases.holds(job.id(), number)) {
      return Future.succeededFuture(true); // lost, and not at its end yet
    }
    boolean achieved = job.state() == JobState.SUCCEEDED && job.attempts() == number;
    Remains remains = new Remains(job, number, buildsDir);
    return (achieved ? leftovers.settle(remains) : leftovers.clear(remains))
        .onSuccess(
            isDone -> {
              if (!isDone) {
                pauses.failed(left.attempt());
              }
            });
  }
}
