package org.nodepool.jobs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.nodepool.model.Job;

/** Where the logs of jobs lie: one file a job, named by its uuid. */
public final class JobLogs {
  private final Path dir;
  private final String host;

  /**
   * @param host this machine's name, which is on the jobs that ran here
   */
  public JobLogs(Path dir, String host) {
    this.dir = dir;
    this.host = host;
  }

  /** The log's file; it is there from the first attempt on, until it is pruned. */
  public Path file(Job job) {
    return dir.resolve(job.uuid() + ".log");
  }

  /** Whether the job ran on this machine. */
  public boolean isHere(Job job) {
    return host.equals(job.host());
  }

  JobLog open(Job job) {
    return new JobLog(file(job));
  }

  void delete(Job job) throws IOException {
    Files.deleteIfExists(file(job));
  }
}
