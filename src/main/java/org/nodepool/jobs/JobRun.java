package org.nodepool.jobs;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.nodepool.model.Job;

/** One attempt at a job while it runs: its log, how far it is, and whether it must stop. */
final class JobRun {
  /** How far a job is: 0 to 1 or null, and in which phase. */
  record Progress(Double fraction, String phase) {}

  private final Job job;
  private final JobLog log;
  private final long began = System.nanoTime();
  private Progress progress = new Progress(null, null);
  private Progress stored = progress;
  private String stopReason;
  private Runnable onStop = () -> {};

  JobRun(Job job, JobLog log) {
    this.job = job;
    this.log = log;
  }

  Job job() {
    return job;
  }

  /** How long it has been going on. */
  Duration took() {
    return Duration.ofMillis(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began));
  }

  JobLog log() {
    return log;
  }

  /** Is stored now and then, not at every call. */
  synchronized void progress(Double fraction, String phase) {
    progress = new Progress(fraction, phase);
  }

  /** What has changed since this was last asked. */
  synchronized Optional<Progress> takeProgress() {
    if (Objects.equals(progress, stored)) {
      return Optional.empty();
    }
    stored = progress;
    return Optional.of(progress);
  }

  /** What ends the work early; runs at once if it is to end already. */
  void onStop(Runnable action) {
    synchronized (this) {
      onStop = action;
      if (stopReason == null) {
        return;
      }
    }
    action.run();
  }

  /** Ends the work for this reason. The first reason stands. */
  void stop(String reason) {
    Runnable action;
    synchronized (this) {
      if (stopReason != null) {
        return;
      }
      stopReason = reason;
      action = onStop;
    }
    log.note(reason);
    action.run();
  }

  /** Why it must end; empty while it may go on. */
  synchronized Optional<String> stopReason() {
    return Optional.ofNullable(stopReason);
  }
}
