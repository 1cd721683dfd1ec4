package org.nodepool.jobs;

import io.vertx.core.Future;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.AttemptEnd.NotSupportedYet;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.store.Tx;

/** What a kind of job does. */
interface Work {
  /** What has been achieved, recorded in the transaction in which the job ends. */
  interface Result {
    /** Fails with {@link JobFailure} when the row is no longer one that may be written. */
    Future<Void> record(Tx tx);
  }

  /**
   * Does the work. Fails with {@link JobFailure}, a {@link ProviderFailure}, or {@link
   * NotSupportedYet} for what must wait, or {@link ProviderAway} for a fault that may pass.
   */
  Future<Result> run(JobRun run);

  /**
   * Removes what an attempt that achieved nothing left outside the database, however it was
   * interrupted, and nothing of any other attempt. Can be done again.
   */
  default Future<Void> sweep(Attempted attempt) {
    return Future.succeededFuture();
  }

  /**
   * In the transaction in which a job fails or is cancelled: ends the row that it was making; of a
   * cancelled one nothing stays.
   *
   * @param isSwept whether {@link #sweep} removed everything
   */
  default Future<Void> abandon(Tx tx, Job job, JobState end, boolean isSwept) {
    return Future.succeededFuture();
  }

  /**
   * In the transaction that notes that nothing is left any more of an attempt that achieved
   * nothing: what the rows still say of that goes.
   */
  default Future<Void> swept(Tx tx, Attempted attempt) {
    return Future.succeededFuture();
  }

  /** After a success is committed: what only had to be kept until then goes. Can be done again. */
  default Future<Void> settle(Attempted attempt) {
    return Future.succeededFuture();
  }
}
