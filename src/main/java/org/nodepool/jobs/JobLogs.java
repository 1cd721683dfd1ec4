package org.nodepool.jobs;

import io.vertx.core.Future;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.store.WorkerTable;

/** Where the logs of jobs lie: one file a job, named by its uuid. */
public final class JobLogs {
  private static final Pattern NAME =
      Pattern.compile("(?<uuid>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\\.log");

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
        .map(worker -> worker.map(w -> Path.of(w.logDir())).orElse(dir).resolve(name(job.uuid())));
  }

  private static String name(String uuid) {
    return uuid + ".log";
  }

  private Path file(String uuid) {
    return dir.resolve(name(uuid));
  }

  /** Whether the job ran on this machine. */
  public boolean isHere(Job job) {
    return host.equals(job.host());
  }

  /** The log of a job that is run here, to be appended to. Blocks. */
  public JobLog open(Job job) {
    return new JobLog(file(job.uuid()));
  }

  /** The uuids of the logs to which nothing was written since then. Blocks. */
  public List<String> untouchedSince(Instant then) throws IOException {
    if (!Files.isDirectory(dir)) {
      return List.of();
    }
    List<String> uuids = new ArrayList<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(dir)) {
      for (Path entry : entries) {
        Matcher name = NAME.matcher(entry.getFileName().toString());
        if (name.matches() && isUntouchedSince(then, entry)) {
          uuids.add(name.group("uuid"));
        }
      }
    } catch (DirectoryIteratorException e) {
      throw e.getCause();
    }
    return uuids;
  }

  private static boolean isUntouchedSince(Instant then, Path entry) throws IOException {
    try {
      BasicFileAttributes file =
          Files.readAttributes(entry, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
      return file.isRegularFile() && file.lastModifiedTime().toInstant().isBefore(then);
    } catch (NoSuchFileException e) {
      return false; // somebody else has just removed it
    }
  }

  /** Removes that job's log, if it is there. Blocks. */
  public void delete(Job job) throws IOException {
    delete(job.uuid());
  }

  /** As above, of the job with that uuid. */
  public void delete(String uuid) throws IOException {
    Failpoint.DELETE_LOG.before();
    Files.deleteIfExists(file(uuid));
    Failpoint.DELETE_LOG.after();
  }
}
