package org.nodepool.jobs.run;

import io.vertx.core.Future;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.nodepool.model.Job;
import org.nodepool.store.JobTable;

/**
 * Claims jobs, one lane beside the other: in each one job after the other, as long as the lane may
 * begin one and there is work. To be used on one context alone.
 */
final class Claims {
  private final JobTable jobs;
  private final ThisWorker worker;
  private final RunningJobs running;
  private final JobEnds ends;
  private final Holdings holdings;
  private final BooleanSupplier hasDiskSpace;
  private final BooleanSupplier isStopping;
  private final List<Repeating> lanes = new ArrayList<>();

  /**
   * @param hasDiskSpace whether jobs that fill disks may begin
   */
  Claims(
      JobTable jobs,
      ThisWorker worker,
      List<LaneRules> lanes,
      RunningJobs running,
      JobEnds ends,
      Holdings holdings,
      BooleanSupplier hasDiskSpace,
      BooleanSupplier isStopping) {
    this.jobs = jobs;
    this.worker = worker;
    this.running = running;
    this.ends = ends;
    this.holdings = holdings;
    this.hasDiskSpace = hasDiskSpace;
    this.isStopping = isStopping;
    lanes.forEach(rules -> this.lanes.add(new Repeating(() -> claimAll(rules))));
  }

  /** Looks in each lane whether there is a job to begin. */
  void look() {
    lanes.forEach(Repeating::ask);
  }

  private Future<Void> claimAll(LaneRules rules) {
    boolean lacksDisk = rules.lane().needsDiskSpace() && !hasDiskSpace.getAsBoolean();
    if (isStopping.getAsBoolean() || lacksDisk) {
      return Future.succeededFuture();
    }
    holdings.begin();
    return claim(rules)
        .map(
            claimed -> {
              claimed.ifPresent(job -> running.begin(rules, job));
              return claimed.isPresent();
            })
        .onFailure(JobVerticle::notLooked)
        .eventually(
            () -> {
              holdings.end(); // after the begin: what is quiet may stop
              return Future.succeededFuture();
            })
        .compose(isClaimed -> isClaimed ? claimAll(rules) : Future.succeededFuture());
  }

  private Future<Optional<Job>> claim(LaneRules rules) {
    List<Job> doing = running.in(rules.lane());
    boolean isFull = doing.size() >= rules.workers();
    return jobs.claim(rules.lane(), doing, isFull, worker.host(), worker.name())
        .compose(
            claimed ->
                claimed.isPresent() && isStopping.getAsBoolean()
                    ? ends.putBack(claimed.get(), JobVerticle.STOPPED).map(Optional.<Job>empty())
                    : Future.succeededFuture(claimed));
  }
}
