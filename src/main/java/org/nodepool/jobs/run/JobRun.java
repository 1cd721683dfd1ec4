package org.nodepool.jobs.run;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.nodepool.jobs.JobLog;
import org.nodepool.model.Job;

/** One attempt at a job while it runs: its log, how far it is, and whether it must stop. */
public final class JobRun {
  /**
   * Why an attempt ends before its work is done.
   *
   * @param cause what is to become of the job then
   * @param reason a sentence for people
   */
  public record Stop(Cause cause, String reason) {
    /** What is to become of the job. */
    public enum Cause {
      CANCELLED,
      TIMED_OUT,
      SERVICE_STOPS,
      /** Another worker has the job. */
      LOST
    }
  }

  /** How far a job is: 0 to 1 or null, and in which phase. */
  record Progress(Double fraction, String phase) {}

  private final Job job;
  private final JobLog log;
  private final Duration limit;
  private final long began = System.nanoTime();
  private Progress progress = new Progress(null, null);
  private Progress stored = progress;
  private Stop stop;
  private boolean isOver;
  private Runnable onStop = () -> {};

  /**
   * @param limit how long it may take; null for no limit
   */
  public JobRun(Job job, JobLog log, Duration limit) {
    this.job = job;
    this.log = log;
    this.limit = limit;
  }

  /** As it was claimed. */
  public Job job() {
    return job;
  }

  boolean isOf(Job other) {
    return job.id() == other.id() && job.attempts() == other.attempts();
  }

  /** How long it has been going on. */
  Duration took() {
    return Duration.ofMillis(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began));
  }

  /** How long it may take; null for no limit. */
  public Duration limit() {
    return limit;
  }

  /** The log that people read. */
  public JobLog log() {
    return log;
  }

  /** Is stored now and then, not at every call. */
  public synchronized void progress(Double fraction, String phase) {
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
  public void onStop(Runnable action) {
    synchronized (this) {
      onStop = action;
      if (stop == null) {
        return;
      }
    }
    action.run();
  }

  /** Ends the work for this reason. The first reason stands. */
  void stop(Stop.Cause cause, String reason) {
    Runnable action;
    synchronized (this) {
      if (stop != null || isOver) {
        return;
      }
      stop = new Stop(cause, reason);
      action = onStop;
    }
    log.note(reason);
    action.run();
  }

  /** The work has ended, one way or the other: it cannot be stopped any more. */
  synchronized void workEnded() {
    isOver = true;
  }

  /** Why it must end; empty while it may go on. */
  public synchronized Optional<Stop> stopped() {
    return Optional.ofNullable(stop);
  }
}
