package org.nodepool.jobs;

import java.nio.file.Path;
import org.nodepool.model.Job;

/**
 * An attempt at a job that is over, or is to be: what may be left of it, and where.
 *
 * @param number which of the job's attempts
 * @param buildsDir of the worker that made it, on this host
 */
record Attempted(Job job, int number, Path buildsDir) {
  /** Names everything outside the database that is this attempt's. */
  String uuid() {
    return job.attemptUuid(number);
  }

  /** In a line of the log. */
  String named() {
    return "%s, attempt %d".formatted(job.named(), number);
  }
}
