package org.nodepool.jobs;

import io.vertx.core.Future;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.nodepool.model.Job;
import org.nodepool.store.WorkerTable;

/** Where the logs of jobs lie: one file a job, named by its uuid. */
public final class JobLogs {
  private final Path dir;
  private final String host;
  private final WorkerTable workers;

  /**
   * @param dir where this process has those of its own jobs
   * @param host this machine's name, which is on the jobs that ran here
   */
  public JobLogs(Path dir, String host, WorkerTable workers) {
    this.dir = dir;
    this.host = host;
    this.workers = workers;
  }

  /**
   * The file of a log that is here: where its worker has its logs, which need not be where this
   * process has them. It is there from the first attempt on, until it is pruned.
   */
  public Future<Path> find(Job job) {
    return workers
        .find(job.worker())
        .map(worker -> worker.map(w -> Path.of(w.logDir())).orElse(dir).resolve(name(job)));
  }

  private static String name(Job job) {
    return job.uuid() + ".log";
  }

  private Path file(Job job) {
    return dir.resolve(name(job));
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
