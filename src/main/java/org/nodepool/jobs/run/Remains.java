package org.nodepool.jobs.run;

import java.nio.file.Path;
import org.nodepool.model.Job;

/**
 * The remains of an attempt that is over, or is to be: its name for everything outside the
 * database, and the directory of its builds.
 *
 * @param number which of the job's attempts
 * @param buildsDir of the worker that made it, on this host
 */
public record Remains(Job job, int number, Path buildsDir) {
  /** Names everything outside the database that is this attempt's. */
  public String uuid() {
    return job.attemptUuid(number);
  }

  /** In a line of the log. */
  String named() {
    return "%s, attempt %d".formatted(job.named(), number);
  }
}
