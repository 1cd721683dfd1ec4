package org.nodepool.jobs;

import org.nodepool.model.Job;

/**
 * What a caller gets for work that was accepted.
 *
 * @param job the job that does it
 * @param isNew false when work that was already under way was joined
 */
public record Ticket(Job job, boolean isNew) {
  static Ticket started(Job job) {
    return new Ticket(job, true);
  }

  static Ticket joined(Job job) {
    return new Ticket(job, false);
  }
}
