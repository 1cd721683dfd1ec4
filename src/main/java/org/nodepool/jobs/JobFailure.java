package org.nodepool.jobs;

/** Why a job failed: one sentence for people, stored with the job. */
final class JobFailure extends RuntimeException {
  JobFailure(String message) {
    super(message, null, false, false);
  }
}
