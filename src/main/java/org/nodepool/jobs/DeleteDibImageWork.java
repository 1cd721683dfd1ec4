package org.nodepool.jobs;

import io.vertx.core.Future;
import io.vertx.core.WorkerExecutor;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Supplier;
import org.nodepool.config.PoolConfig;
import org.nodepool.model.DibImage;
import org.nodepool.model.Job;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.Tx;

/** Deletes a dib image: every file of it and the log of its build; then the row. */
final class DeleteDibImageWork implements Work {
  private final DibImageTable dibImages;
  private final JobTable jobs;
  private final JobLogs logs;
  private final Supplier<PoolConfig> config;
  private final WorkerExecutor executor;

  DeleteDibImageWork(
      DibImageTable dibImages,
      JobTable jobs,
      JobLogs logs,
      Supplier<PoolConfig> config,
      WorkerExecutor executor) {
    this.dibImages = dibImages;
    this.jobs = jobs;
    this.logs = logs;
    this.config = config;
    this.executor = executor;
  }

  @Override
  public Future<Result> run(JobRun run) {
    long id = run.job().subjectId();
    return dibImages
        .find(id)
        .compose(
            row ->
                row.isEmpty()
                    ? Future.succeededFuture()
                    : jobs.buildOf(id).compose(build -> deleteFiles(row.get(), build, run)))
        .map(v -> tx -> remove(tx, id));
  }

  private Future<Void> deleteFiles(DibImage image, Optional<Job> build, JobRun run) {
    PoolConfig current = config.get();
    return executor.executeBlocking(
        () -> {
          if (image.filename() != null) {
            Path filename = checkedFilename(image, build.isPresent(), current);
            run.log().note("removing " + filename + ".*");
            ImageFiles.delete(filename);
          }
          if (build.isPresent()) {
            logs.delete(build.get());
          }
          return null;
        },
        false);
  }

  /**
   * The name comes from a row. One that we wrote is ours to remove; for a row of somebody else's
   * only what lies directly in images-dir is.
   */
  private static Path checkedFilename(DibImage image, boolean isOurs, PoolConfig current) {
    try {
      Path filename = Path.of(image.filename()).toAbsolutePath().normalize();
      String ours = "%s-%d-%d".formatted(image.imageName(), image.version(), image.id());
      boolean isNamedAsOurs = isOurs && filename.endsWith(ours);
      Path imagesDir = current.imagesDir();
      if (isNamedAsOurs || (imagesDir != null && imagesDir.equals(filename.getParent()))) {
        return filename;
      }
    } catch (InvalidPathException e) {
      // is no file of anybody's
    }
    throw new JobFailure(
        ("The file %s is not in images-dir (nodepool.yaml), and no build of this service: it is not"
                + " removed. Move it there, or remove it and clear the row's filename.")
            .formatted(image.filename()));
  }

  private Future<Void> remove(Tx tx, long id) {
    return dibImages
        .lock(tx, id)
        .compose(
            row -> row.isPresent() ? dibImages.remove(tx, row.get()) : Future.succeededFuture());
  }
}
