package org.nodepool.jobs.build;

import io.vertx.core.Future;
import io.vertx.core.WorkerExecutor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.nodepool.config.PoolConfig;
import org.nodepool.jobs.JobLogs;
import org.nodepool.jobs.run.JobRun;
import org.nodepool.jobs.run.Work;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.DibImage;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.Tx;

/**
 * Deletes a dib image: every file of it and, when somebody asked for that, the log of its build;
 * then the row. Nodepool 0.3 wrote {@code <images-dir>/<id>.<type>}, whatever the row says: of a
 * row that no build of ours made these go, too.
 */
public final class DeleteDibImageWork implements Work {
  private static final List<String> TYPES_OF_0_3 = List.of("qcow2", "raw", "tar", "vhd", "vmdk");

  private final DibImageTable dibImages;
  private final JobTable jobs;
  private final JobLogs logs;
  private final Supplier<PoolConfig> config;
  private final WorkerExecutor executor;

  public DeleteDibImageWork(
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
    long id = run.job().subject().id();
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
    Path imagesDir = config.get().imagesDir();
    return executor.executeBlocking(
        () -> {
          Optional<Path> filename = filename(image);
          if (filename.isPresent() && !ImageFiles.of(filename.get()).isEmpty()) {
            checkMayBeRemoved(filename.get(), image, build.isPresent(), imagesDir);
            run.log().note("removing " + filename.get() + ".*");
            Failpoint.DELETE_FILES.before();
            ImageFiles.delete(filename.get());
            Failpoint.DELETE_FILES.after();
          }
          if (build.isEmpty() && imagesDir != null) {
            deleteNamedById(imagesDir, image.id(), run);
          }
          if (build.isPresent() && !run.job().isCleanup()) {
            logs.delete(build.get());
          }
          return null;
        },
        false);
  }

  /** The name is a guess, so nothing but files that Nodepool 0.3 may have written. */
  private static void deleteNamedById(Path imagesDir, long id, JobRun run) throws IOException {
    for (String type : TYPES_OF_0_3) {
      Path file = imagesDir.resolve(id + "." + type);
      if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
        run.log().note("removing " + file);
        Files.delete(file);
      }
    }
  }

  /** Empty when the row has none, or one that depends on where another program was started. */
  private static Optional<Path> filename(DibImage image) {
    try {
      return Optional.ofNullable(image.filename())
          .map(Path::of)
          .filter(Path::isAbsolute)
          .map(Path::normalize);
    } catch (InvalidPathException e) {
      return Optional.empty(); // is no file of anybody's
    }
  }

  /**
   * The name comes from a row. One that we wrote is ours to remove; for a row of somebody else's
   * only what lies directly in images-dir is.
   */
  private static void checkMayBeRemoved(
      Path filename, DibImage image, boolean isOurs, Path imagesDir) {
    String ours = "%s-%d-%d".formatted(image.imageName(), image.version(), image.id());
    boolean isNamedAsOurs = isOurs && filename.endsWith(ours);
    if (!isNamedAsOurs && (imagesDir == null || !imagesDir.equals(filename.getParent()))) {
      throw new JobFailure(
          ("The file %s is not in images-dir (nodepool.yaml), and no build of this service: it is"
                  + " not removed. Move it there, or remove it, and delete the image again.")
              .formatted(image.filename()));
    }
  }

  private Future<Void> remove(Tx tx, long id) {
    return dibImages
        .lock(tx, id)
        .compose(
            row -> row.isPresent() ? dibImages.remove(tx, row.get()) : Future.succeededFuture());
  }
}
