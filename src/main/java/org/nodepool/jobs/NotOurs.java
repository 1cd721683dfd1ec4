package org.nodepool.jobs;

/**
 * The job is not this attempt's any more: another worker has taken it over, or an end that we wrote
 * was committed though its answer was lost.
 */
final class NotOurs extends RuntimeException {
  NotOurs() {
    super("the job is not this attempt's any more", null, false, false);
  }
}
