package org.nodepool.jobs;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import org.nodepool.model.Printable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The log of one job, written line by line and at once. A disk that is full costs lines, never the
 * job. Thread-safe.
 */
public final class JobLog implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(JobLog.class);

  /** As diskimage-builder stamps its lines, in UTC. */
  private static final DateTimeFormatter STAMP =
      DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSS");

  private final Path file;
  private final OutputStream out;
  private boolean isBroken;

  /** Opens it, or notes in the service's log that it cannot be written. Blocks. */
  public JobLog(Path file) {
    this.file = file;
    this.out = open(file);
  }

  private OutputStream open(Path file) {
    try {
      Files.createDirectories(file.getParent());
      return Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      broken(e);
      return OutputStream.nullOutputStream();
    }
  }

  /** A line of the service's own. */
  public void note(String text) {
    line(LocalDateTime.now(ZoneOffset.UTC).format(STAMP) + " | nodepool: " + text);
  }

  /** A line as a program printed it, with its control characters escaped. */
  public synchronized void line(String text) {
    try {
      out.write((Printable.text(text) + "\n").getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      broken(e);
    }
  }

  private void broken(IOException e) {
    if (!isBroken) {
      log.error("the log of a job cannot be written: {}", file, e);
    }
    isBroken = true;
  }

  @Override
  public synchronized void close() {
    try {
      out.close();
    } catch (IOException e) {
      log.error("the log of a job cannot be closed: {}", file, e);
    }
  }
}
