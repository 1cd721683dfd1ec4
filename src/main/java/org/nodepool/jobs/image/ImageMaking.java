package org.nodepool.jobs.image;

import io.vertx.core.Future;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import org.nodepool.async.InTurn;
import org.nodepool.config.PoolConfig;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.config.PoolConfig.ProviderImage;
import org.nodepool.jobs.AbandonedImages;
import org.nodepool.jobs.run.Remains;
import org.nodepool.jobs.run.ThisWorker;
import org.nodepool.model.Attempt;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.Mark;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.State;
import org.nodepool.provider.Provider;
import org.nodepool.provider.Providers;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.Database;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;
import org.nodepool.store.schema.DatabaseId;

/** What is alike in all works that make an image at a provider: its row, and earlier attempts. */
final class ImageMaking {
  private final Database db;
  private final SnapshotImageTable images;
  private final AttemptTable attempts;
  private final AbandonedImages abandoned;
  private final Supplier<PoolConfig> config;
  private final Providers providers;
  private final ThisWorker worker;

  ImageMaking(
      Database db,
      SnapshotImageTable images,
      AttemptTable attempts,
      Supplier<PoolConfig> config,
      Providers providers,
      ThisWorker worker) {
    this.db = db;
    this.images = images;
    this.attempts = attempts;
    this.abandoned = new AbandonedImages(images, attempts);
    this.config = config;
    this.providers = providers;
    this.worker = worker;
  }

  /** The image that the job is to make; fails with {@link JobFailure} when it is not to be made. */
  Future<SnapshotImage> building(Job job) {
    return images.find(job.subject().id()).map(ImageMaking::building);
  }

  private static SnapshotImage building(Optional<SnapshotImage> row) {
    return row.filter(image -> State.BUILDING.equals(image.state()))
        .orElseThrow(() -> new JobFailure("Its image is not in building any more."));
  }

  /** It is made. */
  Future<Void> record(Tx tx, Job job) {
    return images
        .lock(tx, job.subject().id())
        .compose(row -> images.setState(tx, building(row), State.READY))
        .mapEmpty();
  }

  /**
   * Removes what earlier attempts left, so that there never is a second image; if that fails, so
   * does the attempt. That nothing more comes of it is for the worker to say whose attempt it was.
   *
   * @param sweep removes what the attempt with that mark left
   */
  Future<Void> sweepEarlier(Job job, Function<Mark, Future<Void>> sweep) {
    return attempts
        .of(job.id())
        .map(
            all ->
                all.stream()
                    .filter(attempt -> attempt.number() < job.attempts() && !attempt.isSwept())
                    .filter(attempt -> isInReach(job.providerName(), attempt))
                    .toList())
        .compose(
            earlier ->
                InTurn.each(earlier, (Attempt attempt) -> sweepEarlier(job, attempt, sweep)));
  }

  private boolean isInReach(String provider, Attempt attempt) {
    return !providers.isOnOneHost(provider) || attempt.host().equals(worker.host());
  }

  private Future<Void> sweepEarlier(Job job, Attempt attempt, Function<Mark, Future<Void>> sweep) {
    return mark(job, job.attemptUuid(attempt.number()))
        .compose(sweep)
        .compose(
            v ->
                attempt.worker().equals(worker.name())
                    ? db.transaction(
                        Failpoint.SWEPT, tx -> attempts.noteSwept(tx, job.id(), attempt.number()))
                    : Future.succeededFuture());
  }

  /** What an attempt at the job marks all with. */
  Future<Mark> mark(Job job, String attempt) {
    return DatabaseId.of(db).map(database -> new Mark(database, job.subject(), attempt));
  }

  /** As the job's image is configured now; a {@link JobFailure} when it is not any more. */
  ProviderImage configured(Job job) {
    ProviderConfig provider = provider(job);
    return Optional.ofNullable(provider.images().get(job.imageName()))
        .orElseThrow(
            () ->
                new JobFailure(
                    "Image %s is no longer configured at provider %s."
                        .formatted(job.imageName(), provider.name())));
  }

  /** As the job's provider is configured now; a {@link JobFailure} when it is not any more. */
  ProviderConfig provider(Job job) {
    return Optional.ofNullable(config.get().providers().get(job.providerName()))
        .orElseThrow(() -> isGone(job));
  }

  /** The job's provider; a {@link JobFailure} when it is not configured any more. */
  Provider at(Job job) {
    return providers.find(job.providerName()).orElseThrow(() -> isGone(job));
  }

  private static JobFailure isGone(Job job) {
    return new JobFailure(
        "Provider %s is no longer in nodepool.yaml.".formatted(job.providerName()));
  }

  /** The provider of what an attempt left. */
  Future<Provider> toSweepAt(Job job) {
    String name = job.providerName();
    return providers
        .find(name)
        .map(Future::succeededFuture)
        .orElseGet(
            () ->
                Future.failedFuture(
                    new ProviderAway(
                        "Provider %s is not in nodepool.yaml.".formatted(name), null)));
  }

  /** As of a {@link org.nodepool.jobs.run.Work}. */
  Future<Void> abandon(Tx tx, Job job, JobState end, boolean isSwept) {
    return end == JobState.CANCELLED
        ? images.discard(tx, job.subject().id())
        : abandoned.abandonAttempted(tx, job, isSwept);
  }

  /** As of a {@link org.nodepool.jobs.run.Work}. */
  Future<Void> forget(Tx tx, Remains swept) {
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
