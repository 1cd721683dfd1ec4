package org.nodepool.jobs;

import io.vertx.core.Future;
import java.util.List;
import org.nodepool.async.InTurn;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.store.JobTable;
import org.nodepool.store.Tx;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Ends jobs before their work is done: those that wait at once, one that runs by its worker. */
final class EarlyEnds {
  private static final Logger log = LoggerFactory.getLogger(EarlyEnds.class);

  private final JobTable jobs;

  EarlyEnds(JobTable jobs) {
    this.jobs = jobs;
  }

  /** Cancels what waits, and asks what runs to end. */
  Future<Void> all(Tx tx, List<Job> work) {
    return InTurn.each(
        work,
        (Job job) ->
            job.state() == JobState.QUEUED
                ? ofQueued(tx, job, JobState.CANCELLED, null)
                : jobs.requestCancel(tx, job));
  }

  /**
   * Ends a job that waits.
   *
   * @param error null for a cancelled one
   */
  Future<Void> ofQueued(Tx tx, Job job, JobState end, String error) {
    return jobs.endQueued(tx, job, end, error)
        .onSuccess(
            v ->
                log.info(
                    "{}: {} before it began{}",
                    job.named(),
                    end,
                    error == null ? "" : ": " + error));
  }
}
