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

/** Ends jobs that wait, and asks the worker of one that runs to end it. Thread-safe. */
final class QueuedJobs {
  private static final Logger log = LoggerFactory.getLogger(QueuedJobs.class);

  private final JobTable jobs;

  QueuedJobs(JobTable jobs) {
    this.jobs = jobs;
  }

  /** Cancels what waits, and asks what runs to end. */
  Future<Void> endAll(Tx tx, List<Job> work) {
    return InTurn.each(
        work,
        (Job job) ->
            job.state() == JobState.QUEUED
                ? end(tx, job, JobState.CANCELLED, null)
                : jobs.requestCancel(tx, job));
  }

  /**
   * Ends a job that waits.
   *
   * @param error null for a cancelled one
   */
  Future<Void> end(Tx tx, Job job, JobState end, String error) {
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
