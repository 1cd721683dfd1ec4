package org.nodepool.jobs.image;

import io.vertx.core.Future;
import io.vertx.core.WorkerExecutor;
import org.nodepool.async.InTurn;
import org.nodepool.config.PoolConfig.ProviderImage;
import org.nodepool.jobs.run.JobRun;
import org.nodepool.jobs.run.Remains;
import org.nodepool.jobs.run.Work;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.AttemptEnd.NotOurs;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.Mark;
import org.nodepool.model.SnapshotImage;
import org.nodepool.provider.Compute;
import org.nodepool.provider.Compute.NewServer;
import org.nodepool.provider.Compute.Server;
import org.nodepool.provider.ImageStore.NewImage;
import org.nodepool.provider.Provider;
import org.nodepool.store.Database;
import org.nodepool.store.JobTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;

/**
 * Makes an image out of another one at its provider: a server begins with that, a script sets it
 * up, and its disk becomes the image. The server goes when the image is ready, or has failed.
 */
final class SetupWork implements Work {
  private final Database db;
  private final SnapshotImageTable images;
  private final JobTable jobs;
  private final ImageMaking making;
  private final ServerSetup setup;
  private final WorkerExecutor executor;
  private final WorkerExecutor files;

  /**
   * @param executor a thread for each server that is set up
   * @param files what removes files
   */
  SetupWork(
      Database db,
      SnapshotImageTable images,
      JobTable jobs,
      ImageMaking making,
      ServerSetup setup,
      WorkerExecutor executor,
      WorkerExecutor files) {
    this.db = db;
    this.images = images;
    this.jobs = jobs;
    this.making = making;
    this.setup = setup;
    this.executor = executor;
    this.files = files;
  }

  @Override
  public Future<Result> run(JobRun run) {
    Job job = run.job();
    return making
        .building(job)
        .compose(
            image ->
                making
                    .sweepEarlier(job, mark -> sweep(making.at(job), mark))
                    .compose(v -> baseOf(image, making.configured(job)))
                    .compose(base -> make(image, base, run)))
        .map(v -> tx -> making.record(tx, job));
  }

  /** The external id of the newest ready one. */
  private Future<String> baseOf(SnapshotImage image, ProviderImage configured) {
    return images
        .newestReady(image.providerName(), configured.baseImage())
        .map(
            base ->
                base.orElseThrow(
                        () ->
                            new JobFailure(
                                "There is no ready image %s at provider %s to begin with."
                                    .formatted(configured.baseImage(), image.providerName())))
                    .externalId());
  }

  private Future<Void> make(SnapshotImage image, String base, JobRun run) {
    Job job = run.job();
    ProviderImage configured = making.configured(job);
    Compute servers = making.at(job).servers();
    run.progress(null, "boot");
    return making
        .mark(job, job.attemptUuid())
        .compose(
            mark ->
                executor
                    .executeBlocking(
                        () -> setup.publicKey(making.provider(job), configured, run), false)
                    .compose(
                        key ->
                            servers.create(
                                new NewServer(
                                    image.hostname(),
                                    base,
                                    configured.nodes().minRam(),
                                    mark,
                                    key)))
                    .compose(
                        server ->
                            noteServer(server, run)
                                .compose(v -> setUp(server, configured, run))
                                .compose(v -> snapshot(server, image, configured, mark, run))
                                .recover(cause -> consoleOf(server, servers, run, cause))));
  }

  private Future<Void> noteServer(Server server, JobRun run) {
    run.log().note("the server is %s there".formatted(server.externalId()));
    return db.transaction(
        Failpoint.EXTERNAL_ID,
        tx ->
            images
                .setServerExternalId(tx, run.job().subject().id(), server.externalId())
                .compose(
                    isThere ->
                        jobs.lockCurrent(tx, run.job())
                            .map(
                                row -> {
                                  row.orElseThrow(NotOurs::new);
                                  if (!isThere) {
                                    throw new JobFailure("Its image is not in the table any more.");
                                  }
                                  return null;
                                })));
  }

  private Future<Void> setUp(Server server, ProviderImage configured, JobRun run) {
    Job job = run.job();
    return executor.executeBlocking(
        () -> {
          setup.run(server, making.at(job).servers(), making.provider(job), configured, run);
          return null;
        },
        false);
  }

  private Future<Void> snapshot(
      Server server, SnapshotImage image, ProviderImage configured, Mark mark, JobRun run) {
    run.progress(null, "snapshot");
    return making
        .at(run.job())
        .servers()
        .snapshot(
            server.externalId(),
            new NewImage(image.hostname(), mark, configured.meta()),
            new UploadObserver(db, images, jobs, image, run));
  }

  /** Why it failed may be seen there alone; it goes with the server. */
  private Future<Void> consoleOf(Server server, Compute servers, JobRun run, Throwable cause) {
    return servers
        .console(server.externalId())
        .onSuccess(console -> setup.noteConsole(console, run))
        .transform(read -> Future.failedFuture(cause));
  }

  private Future<Void> sweep(Provider provider, Mark mark) {
    return deleteServers(provider, mark)
        .compose(v -> provider.images().deleteLeftovers(mark))
        .compose(v -> forget(mark.attempt()));
  }

  private static Future<Void> deleteServers(Provider provider, Mark mark) {
    Compute servers = provider.servers();
    return servers
        .list()
        .compose(
            all ->
                InTurn.each(
                    all.stream().filter(server -> mark.equals(server.mark())).toList(),
                    (Server server) -> servers.delete(server.externalId())));
  }

  /** Not on the threads of servers, which may all be busy for hours. */
  private Future<Void> forget(String uuid) {
    return files.executeBlocking(
        () -> {
          setup.forget(uuid);
          return null;
        },
        false);
  }

  @Override
  public Future<Void> sweep(Remains remains) {
    return making
        .toSweepAt(remains.job())
        .compose(
            provider ->
                making.mark(remains.job(), remains.uuid()).compose(mark -> sweep(provider, mark)));
  }

  /** The image is ready; the server out of which it was made goes. */
  @Override
  public Future<Void> settle(Remains remains) {
    Job job = remains.job();
    return making
        .toSweepAt(job)
        .compose(
            provider ->
                making.mark(job, remains.uuid()).compose(mark -> deleteServers(provider, mark)))
        .compose(
            v ->
                db.transaction(
                    Failpoint.EXTERNAL_ID,
                    tx -> images.setServerExternalId(tx, job.subject().id(), null)))
        .compose(v -> forget(remains.uuid()));
  }

  @Override
  public Future<Void> abandon(Tx tx, Job job, JobState end, boolean isSwept) {
    return making.abandon(tx, job, end, isSwept);
  }

  @Override
  public Future<Void> forget(Tx tx, Remains swept) {
    return making.forget(tx, swept);
  }
}
