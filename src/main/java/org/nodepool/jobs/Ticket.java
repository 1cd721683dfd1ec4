package org.nodepool.jobs;

import java.util.List;
import org.nodepool.model.Job;

/**
 * What a caller gets for work that was accepted.
 *
 * @param job the job that does it
 * @param isNew false when work that was already under way was joined
 * @param ended jobs that were ended, or asked to end, for it
 */
public record Ticket(Job job, boolean isNew, List<Job> ended) {
  static Ticket started(Job job) {
    return new Ticket(job, true, List.of());
  }

  static Ticket joined(Job job) {
    return new Ticket(job, false, List.of());
  }

  Ticket ending(List<Job> jobs) {
    return new Ticket(job, isNew, jobs);
  }
}
