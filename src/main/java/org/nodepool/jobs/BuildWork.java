package org.nodepool.jobs;

import io.vertx.core.Future;
import io.vertx.core.WorkerExecutor;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.nodepool.config.PoolConfig;
import org.nodepool.model.DibFile;
import org.nodepool.model.DibImage;
import org.nodepool.model.Job;
import org.nodepool.model.State;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.Tx;

/** Builds a dib image: {@code building} to {@code ready}. */
final class BuildWork implements Work {
  private final DibImageTable dibImages;
  private final Supplier<PoolConfig> config;
  private final DiskImageBuilder builder;
  private final WorkerExecutor executor;

  BuildWork(
      DibImageTable dibImages,
      Supplier<PoolConfig> config,
      DiskImageBuilder builder,
      WorkerExecutor executor) {
    this.dibImages = dibImages;
    this.config = config;
    this.builder = builder;
    this.executor = executor;
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
        .map(files -> tx -> record(tx, run.job().dibImageId(), files));
  }

  private Future<Void> record(Tx tx, long id, List<DibFile> files) {
    return dibImages
        .lock(tx, id)
        .compose(row -> dibImages.setState(tx, building(row), State.READY))
        .compose(v -> dibImages.insertFiles(tx, files));
  }

  private static DibImage building(Optional<DibImage> row) {
    return row.filter(image -> State.BUILDING.equals(image.state()))
        .orElseThrow(() -> new JobFailure("Its dib image is not in building any more."));
  }

  @Override
  public Future<Void> sweep(Job job) {
    return executor.executeBlocking(
        () -> {
          builder.sweep(job);
          return null;
        },
        false);
  }

  @Override
  public Future<Void> abandon(Tx tx, Job job, boolean isSwept) {
    return dibImages.abandon(tx, job.dibImageId());
  }

  @Override
  public Future<Void> settled(Job job) {
    return executor.executeBlocking(
        () -> {
          builder.settle(job);
          return null;
        },
        false);
  }
}
