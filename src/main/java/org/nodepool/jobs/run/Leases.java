package org.nodepool.jobs.run;

import io.vertx.core.Vertx;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Map;
import org.nodepool.model.Job;
import org.nodepool.model.Problem;
import org.nodepool.store.JobTable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The jobs that this worker has, and their leases, renewed whatever the work itself does. To be
 * used on one context alone.
 */
final class Leases {
  private static final Logger log = LoggerFactory.getLogger(Leases.class);

  /** A third of a lease: two may be lost. */
  private static final long PERIOD_MS = 10_000;

  private record Held(Job job, Runnable onLost) {}

  private final JobTable jobs;
  private final Holdings holdings;
  private final Map<AttemptId, Held> held = new HashMap<>();

  Leases(Vertx vertx, JobTable jobs, Holdings holdings) {
    this.jobs = jobs;
    this.holdings = holdings;
    vertx.setPeriodic(PERIOD_MS, timer -> renewAll());
  }

  /**
   * Keeps the lease of a job that was claimed or taken over, until {@link #release}.
   *
   * @param onLost is run when another worker has the job
   */
  void hold(Job job, Runnable onLost) {
    held.put(AttemptId.of(job), new Held(job, onLost));
  }

  void release(Job job) {
    held.remove(AttemptId.of(job));
    holdings.released();
  }

  boolean holds(Job job) {
    return held.containsKey(AttemptId.of(job));
  }

  /** Also when it is lost, until it is released. */
  boolean holds(long jobId, int attempt) {
    return held.containsKey(new AttemptId(jobId, attempt));
  }

  boolean isEmpty() {
    return held.isEmpty();
  }

  private void renewAll() {
    for (Held lease : new ArrayList<>(held.values())) {
      Job job = lease.job();
      jobs.renew(job)
          .onSuccess(
              ours -> {
                // one that has just been released has ended
                if (!ours && holds(job)) {
                  lease.onLost().run();
                }
              })
          .onFailure(e -> notRenewed(job, e));
    }
  }

  /** The work goes on: a database that is away for a minute must not end a build of hours. */
  private static void notRenewed(Job job, Throwable cause) {
    if (cause instanceof Problem) {
      log.debug("{}: its lease is not renewed", job.named(), cause);
    } else {
      log.error("{}: its lease is not renewed", job.named(), cause);
    }
  }
}
