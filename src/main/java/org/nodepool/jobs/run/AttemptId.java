package org.nodepool.jobs.run;

import org.nodepool.model.Attempt;
import org.nodepool.model.Job;

/** Tells attempts apart: a job may come back while what a lost one left is still cleaned up. */
record AttemptId(long jobId, int number) {
  static AttemptId of(Job job) {
    return new AttemptId(job.id(), job.attempts());
  }

  static AttemptId of(Attempt attempt) {
    return new AttemptId(attempt.jobId(), attempt.number());
  }
}
