package org.nodepool.view;

import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.Job.Kind;
import org.nodepool.model.Worker;

/**
 * Why queued jobs wait; worked out when somebody asks, and never stored. It tells the rules by
 * which {@code JobTable} claims (its CLAIMABLE); the two are changed together.
 *
 * @param jobs all that have not ended, by id; others do not count
 * @param workers all there ever were
 */
record Waiting(List<Job> jobs, List<Worker> workers, Instant now) {

  /** The job with its place and what it waits for as its phase, if it is queued; else as it is. */
  Job explained(Job job) {
    return job.state() == JobState.QUEUED
        ? job.withPhase("position %d; %s".formatted(position(job), reason(job)))
        : job;
  }

  /** From 1, among those that the same workers take up. */
  private long position(Job job) {
    return 1
        + jobs.stream()
            .filter(j -> j.state() == JobState.QUEUED && j.id() < job.id())
            .filter(j -> lane(j) == lane(job))
            .count();
  }

  /** A kind that stands for all that share workers with it. */
  private static Kind lane(Job job) {
    if (job.isDeletion()) {
      return Kind.DELETE_NODE;
    }
    return job.kind() == Kind.UPDATE ? Kind.UPLOAD : job.kind();
  }

  private String reason(Job job) {
    if (job.notBefore() != null && job.notBefore() > now.getEpochSecond()) {
      return "waits until " + Instant.ofEpochSecond(job.notBefore()) + cause(job);
    }
    Optional<Job> other = jobs.stream().filter(j -> comesFirst(j, job)).findFirst();
    return other.map(o -> "waits for " + o.path()).orElseGet(() -> "waits for " + worker(job));
  }

  private static String cause(Job job) {
    return job.phase() == null ? "" : ": " + job.phase();
  }

  private static boolean comesFirst(Job other, Job job) {
    boolean isSameDibImage =
        job.dibImageId() != null && job.dibImageId().equals(other.dibImageId());
    if (job.kind() == Kind.UPDATE) {
      return other.kind() == Kind.BUILD && other.finished() == null && isSameDibImage;
    }
    return job.isDeletion()
        && other.state() == JobState.RUNNING
        && (other.subject().equals(job.subject())
            || job.kind() == Kind.DELETE_DIB_IMAGE && isSameDibImage);
  }

  private String worker(Job job) {
    List<Worker> alive = workers.stream().filter(Worker::isAlive).toList();
    if (job.needsHost() != null) {
      boolean isThere = alive.stream().anyMatch(w -> w.host().equals(job.needsHost()));
      return "a worker on host " + job.needsHost() + (isThere ? "" : ": none is running there");
    }
    if (alive.isEmpty()) {
      return "a worker: none is running";
    }
    if (job.kind() == Kind.BUILD && alive.stream().allMatch(w -> w.trouble() != null)) {
      return alive.stream()
          .map(w -> w.host() + ": " + w.trouble())
          .collect(Collectors.joining("; ", "disk space: ", ""));
    }
    return "a worker";
  }
}
