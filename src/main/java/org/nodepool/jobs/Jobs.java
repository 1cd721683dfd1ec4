package org.nodepool.jobs;

import io.vertx.core.Future;
import io.vertx.core.eventbus.EventBus;
import java.util.List;
import java.util.Optional;
import java.util.function.LongFunction;
import java.util.function.Supplier;
import org.nodepool.config.PoolConfig;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.config.PoolConfig.ProviderImage;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Ids;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.JobKind;
import org.nodepool.model.Problem;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.DuplicateKey;
import org.nodepool.store.JobTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;

/**
 * Accepts builds, uploads and updates, cancels and retries them: each method writes its rows in one
 * transaction, then knocks at the worker verticle. The row is the job; a knock that is lost loses
 * nothing. Checks are in the order of API.md.
 */
public final class Jobs {
  /** Jobs may be waiting, or one that runs is to be cancelled; the body says nothing. */
  static final String KNOCK = "nodepool.jobs.knock";

  private static final int ATTEMPTS_AT_A_RACE = 3;

  private final Database db;
  private final SnapshotImageTable images;
  private final DibImageTable dibImages;
  private final JobTable jobs;
  private final Deletions deletions;
  private final Supplier<PoolConfig> config;
  private final EventBus bus;

  public Jobs(
      Database db,
      SnapshotImageTable images,
      DibImageTable dibImages,
      JobTable jobs,
      Deletions deletions,
      Supplier<PoolConfig> config,
      EventBus bus) {
    this.db = db;
    this.images = images;
    this.dibImages = dibImages;
    this.jobs = jobs;
    this.deletions = deletions;
    this.config = config;
    this.bus = bus;
  }

  /**
   * Builds a diskimage, or joins the build of it that is queued or running. Fails with {@link
   * Problem.NotFound}, or with {@link Problem.Conflict} when there is nowhere to put it.
   */
  public Future<Ticket> build(String diskImage) {
    PoolConfig current = config.get();
    checkDiskImage(current, diskImage);
    return build(current, diskImage, ATTEMPTS_AT_A_RACE).map(this::knock);
  }

  private Future<Ticket> build(PoolConfig current, String diskImage, int attempts) {
    if (current.imagesDir() == null) {
      throw new Problem.Conflict("images-dir is not set in nodepool.yaml; builds go there.");
    }
    return jobs.activeBuild(diskImage)
        .compose(
            active ->
                active.isPresent()
                    ? Future.succeededFuture(Ticket.joined(active.get()))
                    : db.transaction(
                            Failpoint.ACCEPT_BUILD, tx -> insertBuild(tx, current, diskImage))
                        .map(Ticket::started))
        // another caller was quicker: the database says which of us makes the build
        .recover(
            e ->
                e instanceof DuplicateKey && attempts > 1
                    ? build(current, diskImage, attempts - 1)
                    : Future.failedFuture(e));
  }

  private Future<Job> insertBuild(Tx tx, PoolConfig current, String diskImage) {
    return dibImages
        .insert(tx, diskImage, current.imagesDir())
        .compose(
            image ->
                jobs.insert(
                    tx,
                    new JobTable.Draft(
                        JobKind.BUILD, image.subject(), diskImage, null, image.id(), null, false)));
  }

  /**
   * Sends the newest ready build of a diskimage to a provider. Fails with {@link Problem.NotFound}
   * or {@link Problem.Conflict}.
   *
   * @param imageName which of the provider's images it is to be; null when there is but one
   */
  public Future<Ticket> upload(String diskImage, String providerName, String imageName) {
    PoolConfig current = config.get();
    ProviderConfig provider = provider(current, providerName);
    checkDiskImage(current, diskImage);
    ProviderImage image = imageMadeFrom(provider, diskImage, imageName);
    return db.transaction(
            Failpoint.ACCEPT_UPLOAD,
            tx ->
                dibImages
                    .lockNewestReady(tx, diskImage, provider.imageType())
                    .map(source -> source.orElseThrow(() -> noBuild(diskImage, provider)))
                    .compose(
                        source -> insertUpload(tx, JobKind.UPLOAD, provider, image, source.id())))
        .map(Ticket::started)
        .map(this::knock);
  }

  private static Problem noBuild(String diskImage, ProviderConfig provider) {
    return new Problem.Conflict(
        ("There is no ready build of diskimage %s in the format of provider %s (%s)."
                + " Build it first: POST /v1/dib_images/%s/build")
            .formatted(diskImage, provider.name(), provider.imageType(), diskImage));
  }

  private static ProviderImage imageMadeFrom(
      ProviderConfig provider, String diskImage, String imageName) {
    List<ProviderImage> made =
        provider.images().values().stream().filter(i -> diskImage.equals(i.diskImage())).toList();
    if (made.isEmpty()) {
      throw new Problem.NotFound(
          "Provider %s lists no image made from diskimage %s."
              .formatted(provider.name(), diskImage));
    }
    if (imageName == null && made.size() > 1) {
      String names = String.join(", ", made.stream().map(ProviderImage::name).toList());
      throw new Problem.Conflict(
          "Provider %s lists several images made from diskimage %s; say which with image_name: %s."
              .formatted(provider.name(), diskImage, names));
    }
    return made.stream()
        .filter(i -> imageName == null || i.name().equals(imageName))
        .findFirst()
        .orElseThrow(
            () ->
                new Problem.NotFound(
                    "Provider %s lists no image %s made from diskimage %s."
                        .formatted(provider.name(), imageName, diskImage)));
  }

  private Future<Job> insertUpload(
      Tx tx, JobKind kind, ProviderConfig provider, ProviderImage image, long dibImageId) {
    return images
        .insert(
            tx,
            provider.name(),
            image.name(),
            version -> provider.imageHostname(image.name(), version))
        .compose(
            row ->
                dibImages
                    .hostOf(tx, dibImageId)
                    .compose(
                        host ->
                            jobs.insert(
                                tx,
                                new JobTable.Draft(
                                    kind,
                                    row.subject(),
                                    image.name(),
                                    provider.name(),
                                    dibImageId,
                                    host,
                                    false))));
  }

  /**
   * Makes a new image at a provider: of a diskimage by building, or joining a build, and uploading.
   * Fails with {@link Problem.NotFound}, {@link Problem.Conflict}, or {@link
   * Problem.NotImplemented} for one that a setup script makes.
   *
   * @param image the id of an image, whose name is meant, or a name
   */
  public Future<Ticket> update(String image, String providerName) {
    PoolConfig current = config.get();
    ProviderConfig provider = provider(current, providerName);
    return imageName(image)
        .map(name -> madeOfDiskImage(provider, name))
        .compose(configured -> update(current, provider, configured));
  }

  private Future<String> imageName(String idOrName) {
    Optional<Long> id = Ids.parse(idOrName);
    return id.isEmpty()
        ? Future.succeededFuture(idOrName)
        : images.find(id.get()).map(row -> row.map(SnapshotImage::imageName).orElse(idOrName));
  }

  private static ProviderImage madeOfDiskImage(ProviderConfig provider, String name) {
    ProviderImage image = provider.images().get(name);
    if (image == null) {
      throw new Problem.NotFound(
          "Image %s is not configured at provider %s.".formatted(name, provider.name()));
    }
    if (image.diskImage() != null) {
      return image;
    }
    if (image.setup() != null) {
      throw new Problem.NotImplemented(
          "Image %s is made by a setup script; this version makes images of diskimages only."
              .formatted(name));
    }
    throw new Problem.Conflict(
        "Image %s has neither diskimage nor setup at provider %s: nothing makes it."
            .formatted(name, provider.name()));
  }

  /** Two transactions: a build without its upload, after a crash between them, harms nobody. */
  private Future<Ticket> update(PoolConfig current, ProviderConfig provider, ProviderImage image) {
    return build(current, image.diskImage(), ATTEMPTS_AT_A_RACE)
        .map(this::knock)
        .compose(
            build ->
                db.transaction(
                    Failpoint.ACCEPT_UPDATE,
                    tx ->
                        // the row keeps others out, who would get the same version
                        dibImages
                            .lock(tx, build.job().dibImageId())
                            .compose(
                                row ->
                                    insertUpload(
                                        tx,
                                        JobKind.UPDATE,
                                        provider,
                                        image,
                                        build.job().dibImageId()))))
        .map(Ticket::started)
        .map(this::knock);
  }

  /**
   * Does again, by a new job, what a job could not do. An upload sends the same dib image; an
   * update does too if that is ready, and builds no other. Fails with {@link Problem.NotFound};
   * with {@link Problem.WrongState} unless the job failed or was cancelled; as the operation that
   * it does again; and with {@link Problem.Conflict} when what it is about is gone.
   */
  public Future<Ticket> retry(long id) {
    return jobs.get(id)
        .compose(
            job -> {
              if (job.state() != JobState.FAILED && job.state() != JobState.CANCELLED) {
                throw new Problem.WrongState(
                    "Job %d is %s; only what failed or was cancelled can be tried again."
                        .formatted(id, job.state()));
              }
              return again(job);
            });
  }

  private Future<Ticket> again(Job job) {
    return switch (job.kind()) {
      case BUILD -> build(job.imageName());
      case UPLOAD -> uploadAgain(job);
      case UPDATE -> updateAgain(job);
      case DELETE_NODE -> deleteAgain(job, deletions::deleteNode);
      case DELETE_IMAGE -> deleteAgain(job, deletions::deleteImage);
      case DELETE_DIB_IMAGE -> deleteAgain(job, deletions::deleteDibImage);
    };
  }

  private Future<Ticket> uploadAgain(Job job) {
    ProviderConfig provider = provider(config.get(), job.providerName());
    ProviderImage image = madeOfDiskImage(provider, job.imageName());
    return sendAgain(Failpoint.ACCEPT_UPLOAD, job, provider, image)
        .map(
            sent ->
                sent.orElseThrow(
                    () ->
                        new Problem.Conflict(
                            ("%s is no ready build of diskimage %s in the format of provider %s"
                                    + " (%s). Upload the newest one: POST"
                                    + " /v1/dib_images/%2$s/upload")
                                .formatted(
                                    new Subject(What.DIB_IMAGE, job.dibImageId()).path(),
                                    image.diskImage(),
                                    provider.name(),
                                    provider.imageType()))));
  }

  private Future<Ticket> updateAgain(Job job) {
    PoolConfig current = config.get();
    ProviderConfig provider = provider(current, job.providerName());
    ProviderImage image = madeOfDiskImage(provider, job.imageName());
    return sendAgain(Failpoint.ACCEPT_UPDATE, job, provider, image)
        .compose(
            sent ->
                sent.isPresent()
                    ? Future.succeededFuture(sent.get())
                    : update(current, provider, image));
  }

  /** Sends the job's dib image again; empty when that is not, or no more, what is to be sent. */
  private Future<Optional<Ticket>> sendAgain(
      Failpoint what, Job job, ProviderConfig provider, ProviderImage image) {
    return db.transaction(
            what,
            tx ->
                dibImages
                    .lockReady(tx, job.dibImageId(), provider.imageType())
                    .map(row -> row.filter(r -> r.imageName().equals(image.diskImage())))
                    .compose(
                        source ->
                            source.isEmpty()
                                ? Future.succeededFuture(Optional.<Job>empty())
                                : insertUpload(tx, job.kind(), provider, image, job.dibImageId())
                                    .map(Optional::of)))
        .map(sent -> sent.map(Ticket::started))
        .map(this::knock);
  }

  private static Future<Ticket> deleteAgain(Job job, LongFunction<Future<Ticket>> deletion) {
    return deletion
        .apply(job.subject().id())
        .recover(
            e ->
                Future.failedFuture(
                    e instanceof Problem.NotFound
                        ? new Problem.Conflict(
                            "%s is gone: there is nothing left to delete.".formatted(job.subject()))
                        : e));
  }

  /**
   * Ends a job that waits, with the row that it was making; has one that runs ended in the same
   * way. Fails with {@link Problem.NotFound}, or with {@link Problem.WrongState} when it has ended
   * or removes something.
   *
   * @return the job as it then is: ended, or to be ended by whoever runs it
   */
  public Future<Job> cancel(long id) {
    return db.transaction(
            Failpoint.CANCEL,
            tx ->
                jobs.find(tx, id)
                    .map(seen -> mayBeCancelled(seen, id))
                    // the pool's row before the job's
                    .compose(seen -> lockMade(tx, seen))
                    .compose(v -> jobs.lock(tx, id))
                    .map(row -> mayBeCancelled(row, id))
                    .compose(job -> cancel(tx, job))
                    .compose(v -> jobs.find(tx, id))
                    .map(Optional::orElseThrow))
        .map(this::knock);
  }

  private Future<Void> cancel(Tx tx, Job job) {
    return deletions
        .endAll(tx, List.of(job))
        .compose(
            v ->
                job.state() == JobState.QUEUED
                    ? discardMade(tx, job)
                    : Future.succeededFuture()); // whoever runs it does that
  }

  private static Job mayBeCancelled(Optional<Job> row, long id) {
    Job job = row.orElseThrow(() -> Problem.NotFound.row("job", id));
    if (job.finished() != null) {
      throw new Problem.WrongState(
          "Job %d has ended already: it is %s.".formatted(id, job.state()));
    }
    if (job.kind().deletes()) {
      throw new Problem.WrongState(
          job.subject().what() == What.DIB_IMAGE
              ? "Job %d deletes %s; what was begun to be deleted cannot be kept. Wait for its end."
                  .formatted(id, job.subject())
              : ("Job %d deletes %s; what was begun to be deleted cannot be kept. Wait for its end,"
                      + " or have the record alone removed: DELETE %2$s?record_only=true")
                  .formatted(id, job.subject()));
    }
    return job;
  }

  private Future<?> lockMade(Tx tx, Job job) {
    Subject made = job.subject();
    return switch (made.what()) {
      case DIB_IMAGE -> dibImages.lock(tx, made.id());
      case IMAGE -> images.lock(tx, made.id());
      case NODE -> throw new IllegalStateException("no job makes nodes: " + job.named());
    };
  }

  private Future<Void> discardMade(Tx tx, Job job) {
    Subject made = job.subject();
    return switch (made.what()) {
      case DIB_IMAGE -> dibImages.discard(tx, made.id());
      case IMAGE -> images.discard(tx, made.id());
      case NODE -> throw new IllegalStateException("no job makes nodes: " + job.named());
    };
  }

  private static void checkDiskImage(PoolConfig current, String diskImage) {
    if (!current.diskImages().containsKey(diskImage)) {
      throw new Problem.NotFound("Diskimage %s is not configured.".formatted(diskImage));
    }
  }

  private static ProviderConfig provider(PoolConfig current, String name) {
    return Optional.ofNullable(current.providers().get(name))
        .orElseThrow(() -> new Problem.NotFound("Provider %s is not configured.".formatted(name)));
  }

  /** After the commit: tells the worker verticle that the rows have changed. */
  private <T> T knock(T answer) {
    bus.send(KNOCK, true);
    return answer;
  }
}
