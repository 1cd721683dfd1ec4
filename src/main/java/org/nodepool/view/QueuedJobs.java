package org.nodepool.view;

import static java.util.Comparator.comparingInt;
import static java.util.Comparator.comparingLong;

import java.time.Instant;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.JobKind.Lane;
import org.nodepool.model.Worker;

/**
 * Why queued jobs wait; worked out when somebody asks, and never stored. A job waits for other jobs
 * by the rule of its kind ({@link Job#waitsFor}), by which {@code JobTable} claims, too.
 */
final class QueuedJobs {
  /** Each queued job's place, from 1, in its lane; workers take jobs for the providers in turn. */
  private final Map<Long, Integer> places = new HashMap<>();

  /** The jobs of a lane for one provider, or for none. */
  private record Queue(Lane lane, String provider) {
    static Queue of(Job job) {
      return new Queue(job.kind().lane(), job.providerName());
    }
  }

  /**
   * @param turn its place in its queue, from 1, behind those that run
   */
  private record Placed(Job job, int turn) {}

  /** The jobs that another may have to wait for: few, however many are queued. */
  private final List<Job> first;

  private final List<Worker> alive;
  private final Instant now;

  /**
   * @param jobs all that have not ended, by id; others do not count
   * @param workers all there ever were
   */
  QueuedJobs(List<Job> jobs, List<Worker> workers, Instant now) {
    Map<Queue, Integer> turns = new HashMap<>();
    jobs.stream()
        .filter(job -> job.state() == JobState.RUNNING)
        .forEach(job -> turns.merge(Queue.of(job), 1, Integer::sum));
    Map<Lane, Integer> queued = new EnumMap<>(Lane.class);
    jobs.stream()
        .filter(job -> job.state() == JobState.QUEUED)
        .sorted(comparingLong(Job::id))
        .map(job -> new Placed(job, turns.merge(Queue.of(job), 1, Integer::sum)))
        .sorted(comparingInt(Placed::turn)) // keeps the order by id
        .map(Placed::job)
        .forEach(job -> places.put(job.id(), queued.merge(job.kind().lane(), 1, Integer::sum)));
    this.first = jobs.stream().filter(Job::mayHoldUpOthers).toList();
    this.alive = workers.stream().filter(Worker::isAlive).toList();
    this.now = now;
  }

  /** The job with its place and what it waits for as its phase, if it is queued; else as it is. */
  Job explained(Job job) {
    return job.state() == JobState.QUEUED
        // one that has just been claimed has left the queue, and was its head
        ? job.withPhase("position %d; %s".formatted(places.getOrDefault(job.id(), 1), reason(job)))
        : job;
  }

  private String reason(Job job) {
    if (job.notBefore() != null && job.notBefore() > now.getEpochSecond()) {
      return "waits until " + Instant.ofEpochSecond(job.notBefore()) + cause(job);
    }
    Optional<Job> other = first.stream().filter(job::waitsFor).findFirst();
    return other.map(o -> "waits for " + o.path()).orElseGet(() -> "waits for " + worker(job));
  }

  private static String cause(Job job) {
    return job.phase() == null ? "" : ": " + job.phase();
  }

  private String worker(Job job) {
    if (job.needsHost() != null) {
      boolean isThere = alive.stream().anyMatch(w -> w.host().equals(job.needsHost()));
      return "a worker on host " + job.needsHost() + (isThere ? "" : ": none is running there");
    }
    if (alive.isEmpty()) {
      return "a worker: none is running";
    }
    if (job.kind().lane().needsDiskSpace() && alive.stream().allMatch(w -> w.trouble() != null)) {
      return alive.stream()
          .map(w -> w.host() + ": " + w.trouble())
          .collect(Collectors.joining("; ", "disk space: ", ""));
    }
    return "a worker";
  }
}
