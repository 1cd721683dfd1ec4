package org.nodepool.jobs.image;

import io.vertx.core.Future;
import io.vertx.core.WorkerExecutor;
import java.util.function.Supplier;
import org.nodepool.config.PoolConfig;
import org.nodepool.jobs.run.JobRun;
import org.nodepool.jobs.run.Remains;
import org.nodepool.jobs.run.ThisWorker;
import org.nodepool.jobs.run.Work;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.provider.Providers;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;

/** Makes an image at a provider: of a dib image by an upload, of another image by a script. */
public final class UpdateWork implements Work {
  private final Work upload;
  private final Work setup;

  /**
   * @param executor a thread for each server that is set up
   * @param files what removes files
   */
  public UpdateWork(
      Database db,
      SnapshotImageTable images,
      DibImageTable dibImages,
      JobTable jobs,
      AttemptTable attempts,
      Supplier<PoolConfig> config,
      Providers providers,
      ThisWorker worker,
      ServerSetup serverSetup,
      WorkerExecutor executor,
      WorkerExecutor files) {
    ImageMaking making = new ImageMaking(db, images, attempts, config, providers, worker);
    this.upload = new UploadWork(db, images, dibImages, jobs, making, worker);
    this.setup = new SetupWork(db, images, jobs, making, serverSetup, executor, files);
  }

  private Work of(Job job) {
    return job.dibImageId() == null ? setup : upload;
  }

  @Override
  public Future<Result> run(JobRun run) {
    return of(run.job()).run(run);
  }

  @Override
  public Future<Void> sweep(Remains remains) {
    return of(remains.job()).sweep(remains);
  }

  @Override
  public Future<Void> abandon(Tx tx, Job job, JobState end, boolean isSwept) {
    return of(job).abandon(tx, job, end, isSwept);
  }

  @Override
  public Future<Void> forget(Tx tx, Remains swept) {
    return of(swept.job()).forget(tx, swept);
  }

  @Override
  public Future<Void> settle(Remains remains) {
    return of(remains.job()).settle(remains);
  }
}
