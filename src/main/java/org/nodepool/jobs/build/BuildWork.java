package org.nodepool.jobs.build;

import io.vertx.core.Future;
import io.vertx.core.WorkerExecutor;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import org.nodepool.async.InTurn;
import org.nodepool.config.PoolConfig;
import org.nodepool.jobs.run.JobRun;
import org.nodepool.jobs.run.Remains;
import org.nodepool.jobs.run.Work;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.AttemptEnd.NotOurs;
import org.nodepool.model.DibFile;
import org.nodepool.model.DibImage;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.State;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.Tx;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Builds a dib image: {@code building} to {@code ready}. */
public final class BuildWork implements Work {
  private static final Logger log = LoggerFactory.getLogger(BuildWork.class);

  private final DibImageTable dibImages;
  private final JobTable jobs;
  private final Supplier<PoolConfig> config;
  private final DiskImageBuilder builder;
  private final WorkerExecutor executor;
  private final WorkerExecutor files;
  private final WorkerExecutor publisher;

  /**
   * @param executor a thread for each build
   * @param files what removes files, and may take long
   * @param publisher what moves files while a transaction waits for it
   */
  public BuildWork(
      DibImageTable dibImages,
      JobTable jobs,
      Supplier<PoolConfig> config,
      DiskImageBuilder builder,
      WorkerExecutor executor,
      WorkerExecutor files,
      WorkerExecutor publisher) {
    this.dibImages = dibImages;
    this.jobs = jobs;
    this.config = config;
    this.builder = builder;
    this.executor = executor;
    this.files = files;
    this.publisher = publisher;
  }

  @Override
  public Future<Result> run(JobRun run) {
    PoolConfig current = config.get();
    return dibImages
        .find(run.job().dibImageId())
        .compose(
            row -> {
              DibImage image = building(row);
              if (!current.diskImages().containsKey(image.imageName())) {
                throw new JobFailure(
                    "Diskimage %s is no longer in nodepool.yaml.".formatted(image.imageName()));
              }
              List<String> types = ImageTypes.askedFor(current, image.imageName());
              return executor.executeBlocking(
                  () -> builder.build(image, current, types, run), false);
            })
        .map(files -> tx -> record(tx, run.job(), files));
  }

  /** The files are moved behind the job's lock: nobody takes the job over meanwhile. */
  private Future<Void> record(Tx tx, Job job, List<DibFile> files) {
    return dibImages
        .lock(tx, job.dibImageId())
        .map(BuildWork::building)
        .compose(
            image ->
                jobs.lockCurrent(tx, job)
                    .map(row -> row.orElseThrow(NotOurs::new))
                    .compose(now -> publish(tx, job))
                    .compose(v -> dibImages.setState(tx, image, State.READY)))
        .compose(v -> dibImages.insertFiles(tx, files))
        .compose(v -> jobs.bindUpdates(tx, job.dibImageId(), files.get(0).host()));
  }

  private Future<Void> publish(Tx tx, Job job) {
    return publisher.executeBlocking(
        () -> {
          if (!tx.isOpen()) {
            throw new JobFailure("The database was away when its files were to be put in place.");
          }
          try {
            builder.publish(job);
            return null;
          } catch (IOException e) {
            throw new JobFailure(
                "Its files cannot be put in place: %s %s."
                    .formatted(e.getClass().getSimpleName(), e.getMessage()));
          }
        },
        false);
  }

  private static DibImage building(Optional<DibImage> row) {
    return row.filter(image -> State.BUILDING.equals(image.state()))
        .orElseThrow(() -> new JobFailure("Its dib image is not in building any more."));
  }

  @Override
  public Future<Void> sweep(Remains remains) {
    return blocking(() -> builder.sweep(remains));
  }

  @Override
  public Future<Void> abandon(Tx tx, Job job, JobState end, boolean isSwept) {
    return end == JobState.CANCELLED
        ? dibImages.discard(tx, job.dibImageId())
        : dibImages.abandon(tx, job.dibImageId());
  }

  @Override
  public Future<Void> settle(Remains remains) {
    return blocking(() -> builder.settle(remains));
  }

  @Override
  public Future<Void> sweepUnknown(Supplier<Future<Set<String>>> known) {
    return files
        .executeBlocking(builder::spaces, false)
        .compose(
            spaces ->
                known
                    .get()
                    .compose(
                        uuids ->
                            InTurn.each(
                                spaces.stream().filter(uuid -> !uuids.contains(uuid)).toList(),
                                this::sweepUnknown)));
  }

  /** What cannot be removed is tried again at the next start. */
  private Future<Void> sweepUnknown(String uuid) {
    return blocking(() -> builder.sweepUnknown(uuid))
        .onFailure(e -> log.error("leftovers of build {} stay", uuid, e))
        .otherwiseEmpty();
  }

  private interface Blocking {
    void run() throws IOException, InterruptedException;
  }

  /** Not on the threads of builds, which may all be busy for hours. */
  private Future<Void> blocking(Blocking work) {
    return files.executeBlocking(
        () -> {
          work.run();
          return null;
        },
        false);
  }
}
