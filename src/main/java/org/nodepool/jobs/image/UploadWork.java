package org.nodepool.jobs.image;

import io.vertx.core.Future;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.nodepool.config.PoolConfig.ProviderImage;
import org.nodepool.jobs.run.JobRun;
import org.nodepool.jobs.run.Remains;
import org.nodepool.jobs.run.ThisWorker;
import org.nodepool.jobs.run.Work;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.DibFile;
import org.nodepool.model.DibImage;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.State;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;
import org.nodepool.provider.ImageStore;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;

/**
 * Brings a dib image to a provider: {@code building} to {@code ready}. An upload takes a build that
 * was ready when it was asked for; an update comes here when its build has ended, however it ended.
 */
final class UploadWork implements Work {
  private final Database db;
  private final SnapshotImageTable images;
  private final DibImageTable dibImages;
  private final JobTable jobs;
  private final ImageMaking making;
  private final ThisWorker worker;

  UploadWork(
      Database db,
      SnapshotImageTable images,
      DibImageTable dibImages,
      JobTable jobs,
      ImageMaking making,
      ThisWorker worker) {
    this.db = db;
    this.images = images;
    this.dibImages = dibImages;
    this.jobs = jobs;
    this.making = making;
    this.worker = worker;
  }

  @Override
  public Future<Result> run(JobRun run) {
    Job job = run.job();
    return making
        .building(job)
        .compose(
            image ->
                readyBuild(job)
                    .compose(dibImage -> file(dibImage, job))
                    .compose(
                        source ->
                            making
                                .sweepEarlier(job, making.at(job).images()::deleteLeftovers)
                                .compose(v -> send(source, image, run))))
        .map(v -> tx -> making.record(tx, job));
  }

  private Future<DibImage> readyBuild(Job job) {
    return dibImages
        .find(job.dibImageId())
        .compose(
            row -> {
              if (row.isPresent() && State.READY.equals(row.get().state())) {
                return Future.succeededFuture(row.get());
              }
              String path = new Subject(What.DIB_IMAGE, job.dibImageId()).path();
              return jobs.buildOf(job.dibImageId())
                  .map(
                      build -> {
                        throw new JobFailure(
                            build.map(b -> whyInVain(b, path)).orElse(wasDeleted(path)));
                      });
            });
  }

  private static String whyInVain(Job build, String dibImage) {
    if (build.state() == JobState.CANCELLED) {
      return "The build (%s) was cancelled.".formatted(build.path());
    }
    return build.error() == null
        ? wasDeleted(dibImage)
        : "The build (%s) failed: %s".formatted(build.path(), build.error());
  }

  private static String wasDeleted(String dibImage) {
    return "The build (%s) was deleted.".formatted(dibImage);
  }

  /** A verified file and the build it is of. */
  private record Source(DibImage dibImage, DibFile file) {
    Path path() {
      return Path.of(dibImage.filename() + "." + file.type());
    }
  }

  private Future<Source> file(DibImage dibImage, Job job) {
    String type = making.provider(job).imageType();
    return dibImages
        .files(dibImage.id())
        .map(
            files ->
                only(files, type)
                    .map(file -> new Source(dibImage, file))
                    .orElseThrow(
                        () ->
                            new JobFailure(
                                "%s has no %s file on this host (%s). Build it again."
                                    .formatted(dibImage.path(), type, worker.host()))));
  }

  private Optional<DibFile> only(List<DibFile> files, String type) {
    return files.stream()
        .filter(f -> f.type().equals(type) && f.host().equals(worker.host()))
        .findFirst();
  }

  private Future<Void> send(Source source, SnapshotImage image, JobRun run) {
    ProviderImage configured = making.configured(run.job());
    run.log().note("sending %s to provider %s".formatted(source.path(), run.job().providerName()));
    return making
        .mark(run.job(), run.job().attemptUuid())
        .compose(
            mark ->
                making
                    .at(run.job())
                    .images()
                    .upload(
                        new ImageStore.Upload(
                            source.path(),
                            source.file().type(),
                            source.file().sizeBytes(),
                            source.file().sha256(),
                            image.hostname(),
                            mark,
                            source.dibImage().id(),
                            configured.meta()),
                        new UploadObserver(db, images, jobs, image, run)));
  }

  @Override
  public Future<Void> sweep(Remains remains) {
    Job job = remains.job();
    return making
        .toSweepAt(job)
        .compose(
            provider ->
                making.mark(job, remains.uuid()).compose(provider.images()::deleteLeftovers));
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
