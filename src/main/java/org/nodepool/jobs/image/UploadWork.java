package org.nodepool.jobs.image;

import io.vertx.core.Future;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.nodepool.async.InTurn;
import org.nodepool.config.PoolConfig;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.config.PoolConfig.ProviderImage;
import org.nodepool.jobs.AbandonedImages;
import org.nodepool.jobs.run.JobRun;
import org.nodepool.jobs.run.Remains;
import org.nodepool.jobs.run.ThisWorker;
import org.nodepool.jobs.run.Work;
import org.nodepool.model.Attempt;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.DibFile;
import org.nodepool.model.DibImage;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.Mark;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.State;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;
import org.nodepool.provider.ImageStore;
import org.nodepool.provider.Providers;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;
import org.nodepool.store.schema.DatabaseId;

/**
 * Brings a dib image to a provider: {@code building} to {@code ready}. An upload takes a build that
 * was ready when it was asked for; an update comes here when its build has ended, however it ended.
 */
public final class UploadWork implements Work {
  private final Database db;
  private final SnapshotImageTable images;
  private final DibImageTable dibImages;
  private final JobTable jobs;
  private final AttemptTable attempts;
  private final AbandonedImages abandoned;
  private final Supplier<PoolConfig> config;
  private final Providers providers;
  private final ThisWorker worker;

  public UploadWork(
      Database db,
      SnapshotImageTable images,
      DibImageTable dibImages,
      JobTable jobs,
      AttemptTable attempts,
      Supplier<PoolConfig> config,
      Providers providers,
      ThisWorker worker) {
    this.db = db;
    this.images = images;
    this.dibImages = dibImages;
    this.jobs = jobs;
    this.attempts = attempts;
    this.abandoned = new AbandonedImages(images, attempts);
    this.config = config;
    this.providers = providers;
    this.worker = worker;
  }

  @Override
  public Future<Result> run(JobRun run) {
    Job job = run.job();
    return images
        .find(job.subject().id())
        .map(UploadWork::building)
        .compose(
            image ->
                readyBuild(job)
                    .compose(dibImage -> file(dibImage, job))
                    .compose(source -> sweepEarlier(job).compose(v -> send(source, image, run))))
        .map(v -> tx -> record(tx, job));
  }

  private Future<Void> record(Tx tx, Job job) {
    return images
        .lock(tx, job.subject().id())
        .compose(row -> images.setState(tx, building(row), State.READY))
        .mapEmpty();
  }

  private static SnapshotImage building(Optional<SnapshotImage> row) {
    return row.filter(image -> State.BUILDING.equals(image.state()))
        .orElseThrow(() -> new JobFailure("Its image is not in building any more."));
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
    String type = provider(job).imageType();
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

  /**
   * Removes what earlier attempts left, so that there never is a second image; if that fails, so
   * does the attempt. That nothing more comes of it is for the worker to say whose attempt it was.
   */
  private Future<Void> sweepEarlier(Job job) {
    return attempts
        .of(job.id())
        .map(
            all ->
                all.stream()
                    .filter(attempt -> attempt.number() < job.attempts() && !attempt.isSwept())
                    .filter(attempt -> isInReach(job.providerName(), attempt))
                    .toList())
        .compose(earlier -> InTurn.each(earlier, (Attempt attempt) -> sweepEarlier(job, attempt)));
  }

  private boolean isInReach(String provider, Attempt attempt) {
    return !providers.isOnOneHost(provider) || attempt.host().equals(worker.host());
  }

  private Future<Void> sweepEarlier(Job job, Attempt attempt) {
    return images(job)
        .deleteLeftovers(job.attemptUuid(attempt.number()))
        .compose(
            v ->
                attempt.worker().equals(worker.name())
                    ? db.transaction(
                        Failpoint.SWEPT, tx -> attempts.noteSwept(tx, job.id(), attempt.number()))
                    : Future.succeededFuture());
  }

  private Future<Void> send(Source source, SnapshotImage image, JobRun run) {
    ProviderConfig provider = provider(run.job());
    ProviderImage configured = provider.images().get(image.imageName());
    if (configured == null) {
      throw new JobFailure(
          "Image %s is no longer configured at provider %s."
              .formatted(image.imageName(), provider.name()));
    }
    run.log().note("sending %s to provider %s".formatted(source.path(), provider.name()));
    return DatabaseId.of(db)
        .map(id -> new Mark(id, run.job().subject(), run.job().attemptUuid()))
        .compose(
            mark ->
                images(run.job())
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

  private ImageStore images(Job job) {
    return providers.find(job.providerName()).orElseThrow(() -> isGone(job)).images();
  }

  private static JobFailure isGone(Job job) {
    return new JobFailure(
        "Provider %s is no longer in nodepool.yaml.".formatted(job.providerName()));
  }

  private ProviderConfig provider(Job job) {
    ProviderConfig provider = config.get().providers().get(job.providerName());
    if (provider == null) {
      throw isGone(job);
    }
    return provider;
  }

  @Override
  public Future<Void> sweep(Remains remains) {
    String name = remains.job().providerName();
    return providers
        .find(name)
        .map(provider -> provider.images().deleteLeftovers(remains.uuid()))
        .orElseGet(
            () ->
                Future.failedFuture(
                    new ProviderAway(
                        "Provider %s is not in nodepool.yaml.".formatted(name), null)));
  }

  @Override
  public Future<Void> abandon(Tx tx, Job job, JobState end, boolean isSwept) {
    return end == JobState.CANCELLED
        ? images.discard(tx, job.subject().id())
        : abandoned.abandonAttempted(tx, job, isSwept);
  }

  @Override
  public Future<Void> forget(Tx tx, Remains swept) {
    Job job = swept.job();
    return images
        .lock(tx, job.subject().id())
        .compose(
            row ->
                row.filter(image -> State.FAILED.equals(image.state())).isEmpty()
                    ? Future.succeededFuture()
                    : attempts
                        .areOthersSwept(tx, job.id(), swept.number())
                        .compose(
                            others ->
                                others
                                    ? images.noteGone(tx, row.get())
                                    : Future.succeededFuture()));
  }
}
