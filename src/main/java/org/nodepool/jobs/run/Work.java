package org.nodepool.jobs.run;

import io.vertx.core.Future;
import java.util.Set;
import java.util.function.Supplier;
import org.nodepool.model.AttemptEnd;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.store.Tx;

/** What a kind of job does. To be called on the worker verticle's context alone. */
public interface Work {
  /** What has been achieved, recorded in the transaction in which the job ends. */
  interface Result {
    /** Fails with {@link JobFailure} when the row is no longer one that may be written. */
    Future<Void> record(Tx tx);
  }

  /** Does the work. Fails with an {@link AttemptEnd}, which decides what becomes of the job. */
  Future<Result> run(JobRun run);

  /**
   * Removes what an attempt that achieved nothing left outside the database, however it was
   * interrupted, and nothing of any other attempt. Can be done again.
   */
  default Future<Void> sweep(Remains remains) {
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
  default Future<Void> forget(Tx tx, Remains swept) {
    return Future.succeededFuture();
  }

  /** After a success is committed: what only had to be kept until then goes. Can be done again. */
  default Future<Void> settle(Remains remains) {
    return Future.succeededFuture();
  }

  /**
   * Removes, at the start, what no attempt accounts for.
   *
   * @param known the uuids of this worker's attempts that may have left something; to be asked
   *     after what there is was looked at, for an attempt is in the database before it makes
   *     anything
   */
  default Future<Void> sweepUnknown(Supplier<Future<Set<String>>> known) {
    return Future.succeededFuture();
  }
}
