package org.nodepool.jobs;

import io.vertx.core.Future;
import io.vertx.core.eventbus.EventBus;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.nodepool.config.PoolConfig;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.config.PoolConfig.ProviderImage;
import org.nodepool.model.DibImage;
import org.nodepool.model.Ids;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.Job.Kind;
import org.nodepool.model.Node;
import org.nodepool.model.Problem;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.State;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.DuplicateKey;
import org.nodepool.store.JobTable;
import org.nodepool.store.NodeTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;

/**
 * Accepts work: each method makes its rows in one transaction, then knocks at the worker verticle.
 * The row is the job; a knock that is lost loses nothing. Checks are in the order of API.md.
 */
public final class Jobs {
  /** Jobs may be waiting, or one that runs is to be cancelled; the body says nothing. */
  static final String KNOCK = "nodepool.jobs.knock";

  private static final int ATTEMPTS_AT_A_RACE = 3;

  private final Database db;
  private final NodeTable nodes;
  private final SnapshotImageTable images;
  private final DibImageTable dibImages;
  private final JobTable jobs;
  private final Supplier<PoolConfig> config;
  private final EventBus bus;

  public Jobs(
      Database db,
      NodeTable nodes,
      SnapshotImageTable images,
      DibImageTable dibImages,
      JobTable jobs,
      Supplier<PoolConfig> config,
      EventBus bus) {
    this.db = db;
    this.nodes = nodes;
    this.images = images;
    this.dibImages = dibImages;
    this.jobs = jobs;
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
                    : db.transaction(tx -> insertBuild(tx, current, diskImage))
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
            image -> jobs.insert(tx, Kind.BUILD, image.path(), diskImage, null, image.id(), null));
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
            tx ->
                dibImages
                    .lockNewestReady(tx, diskImage, provider.imageType())
                    .map(source -> source.orElseThrow(() -> noBuild(diskImage, provider)))
                    .compose(
                        source ->
                            insertUpload(tx, Kind.UPLOAD, provider, image, source.id(), null)))
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
      Tx tx,
      Kind kind,
      ProviderConfig provider,
      ProviderImage image,
      long dibImageId,
      String phase) {
    return images
        .insert(
            tx,
            provider.name(),
            image.name(),
            version -> provider.imageHostname(image.name(), version))
        .compose(
            row ->
                jobs.insert(
                    tx, kind, row.path(), image.name(), provider.name(), dibImageId, phase));
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
                    tx ->
                        // the row keeps others out, who would get the same version
                        dibImages
                            .lock(tx, build.job().dibImageId())
                            .compose(
                                row ->
                                    insertUpload(
                                        tx,
                                        Kind.UPDATE,
                                        provider,
                                        image,
                                        build.job().dibImageId(),
                                        "waits for " + build.job().path()))))
        .map(Ticket::started)
        .map(this::knock);
  }

  /**
   * Marks a node for deletion and has it deleted. Fails with {@link Problem.NotFound}, or with
   * {@link Problem.Conflict} when it has a server and its provider is not configured.
   */
  public Future<Ticket> deleteNode(long id) {
    return db.transaction(
            tx ->
                lockNode(tx, id)
                    .compose(
                        node -> {
                          if (node.hasServer()) {
                            checkProviderIsConfigured(node.providerName());
                          }
                          return jobs.lockActive(tx, node.path())
                              .compose(active -> deleteNode(tx, node, active));
                        }))
        .map(this::knock);
  }

  private Future<Ticket> deleteNode(Tx tx, Node node, List<Job> active) {
    Future<?> marked =
        State.DELETE.equals(node.state())
            ? Future.succeededFuture()
            : nodes.setState(tx, node, State.DELETE);
    return marked.compose(
        v -> deletion(tx, active, Kind.DELETE_NODE, node.path(), null, node.providerName(), null));
  }

  /** Removes a node's rows at once, whatever its provider holds. Fails as {@link #deleteNode}. */
  public Future<Void> removeNodeRecord(long id) {
    return db.transaction(
            tx ->
                lockNode(tx, id)
                    .compose(
                        node ->
                            jobs.lockActive(tx, node.path())
                                .compose(active -> endAll(tx, active))
                                .compose(v -> nodes.remove(tx, node))))
        .map(this::knock);
  }

  private Future<Node> lockNode(Tx tx, long id) {
    return nodes.lock(tx, id).map(row -> row.orElseThrow(() -> Problem.NotFound.row("node", id)));
  }

  /**
   * Marks an image for deletion and has it deleted; work on it is cancelled. Fails with {@link
   * Problem.NotFound}, or with {@link Problem.Conflict} when its provider is not configured.
   */
  public Future<Ticket> deleteImage(long id) {
    return db.transaction(
            tx ->
                lockImage(tx, id)
                    .compose(
                        image -> {
                          checkProviderIsConfigured(image.providerName());
                          return jobs.lockActive(tx, image.path())
                              .compose(active -> deleteImage(tx, image, active));
                        }))
        .map(this::knock);
  }

  private Future<Ticket> deleteImage(Tx tx, SnapshotImage image, List<Job> active) {
    Future<?> marked =
        State.DELETE.equals(image.state())
            ? Future.succeededFuture()
            : images.setState(tx, image, State.DELETE);
    List<Job> work = active.stream().filter(job -> job.kind() != Kind.DELETE_IMAGE).toList();
    return marked
        .compose(v -> endAll(tx, work))
        .compose(
            v ->
                deletion(
                    tx,
                    active,
                    Kind.DELETE_IMAGE,
                    image.path(),
                    image.imageName(),
                    image.providerName(),
                    null));
  }

  /** Removes an image's row at once, whatever its provider holds. Fails as {@link #deleteImage}. */
  public Future<Void> removeImageRecord(long id) {
    return db.transaction(
            tx ->
                lockImage(tx, id)
                    .compose(
                        image ->
                            jobs.lockActive(tx, image.path())
                                .compose(active -> endAll(tx, active))
                                .compose(v -> images.remove(tx, image))))
        .map(this::knock);
  }

  private Future<SnapshotImage> lockImage(Tx tx, long id) {
    return images.lock(tx, id).map(row -> row.orElseThrow(() -> Problem.NotFound.row("image", id)));
  }

  /**
   * Marks a dib image for deletion and has it deleted: a build of it is stopped, uploads of it that
   * wait fail, running ones end first. Fails with {@link Problem.NotFound}.
   */
  public Future<Ticket> deleteDibImage(long id) {
    return db.transaction(
            tx ->
                dibImages
                    .lock(tx, id)
                    .map(row -> row.orElseThrow(() -> Problem.NotFound.row("dib image", id)))
                    .compose(
                        image ->
                            jobs.lockActiveOf(tx, id)
                                .compose(active -> deleteDibImage(tx, image, active))))
        .map(this::knock);
  }

  private Future<Ticket> deleteDibImage(Tx tx, DibImage image, List<Job> active) {
    Future<?> marked =
        State.DELETE.equals(image.state())
            ? Future.succeededFuture()
            : dibImages.setState(tx, image, State.DELETE);
    List<Job> builds = active.stream().filter(job -> job.kind() == Kind.BUILD).toList();
    return marked
        .compose(v -> endAll(tx, builds))
        .compose(v -> failQueuedUploads(tx, image, active))
        .compose(
            v ->
                deletion(
                    tx,
                    active,
                    Kind.DELETE_DIB_IMAGE,
                    image.path(),
                    image.imageName(),
                    null,
                    image.id()));
  }

  private Future<Void> failQueuedUploads(Tx tx, DibImage image, List<Job> active) {
    String error = "%s was deleted before it could be uploaded.".formatted(image.path());
    Future<Void> done = Future.succeededFuture();
    for (Job job : active) {
      boolean sends = job.kind() == Kind.UPLOAD || job.kind() == Kind.UPDATE;
      if (sends && job.state() == JobState.QUEUED) {
        done =
            done.compose(v -> images.abandon(tx, job.subjectId(), true))
                .compose(v -> jobs.endQueued(tx, job, JobState.FAILED, error));
      }
    }
    return done;
  }

  /** The deletion that is under way already, or a new one. */
  private Future<Ticket> deletion(
      Tx tx,
      List<Job> active,
      Kind kind,
      String subject,
      String imageName,
      String providerName,
      Long dibImageId) {
    Optional<Job> underWay = active.stream().filter(job -> job.kind() == kind).findFirst();
    return underWay.isPresent()
        ? Future.succeededFuture(Ticket.joined(underWay.get()))
        : jobs.insert(tx, kind, subject, imageName, providerName, dibImageId, null)
            .map(Ticket::started);
  }

  /** Ends what waits, and asks what runs to end. */
  private Future<Void> endAll(Tx tx, List<Job> work) {
    Future<Void> done = Future.succeededFuture();
    for (Job job : work) {
      done =
          done.compose(
              v ->
                  job.state() == JobState.QUEUED
                      ? jobs.endQueued(tx, job, JobState.CANCELLED, null)
                      : jobs.requestCancel(tx, job));
    }
    return done;
  }

  private void checkProviderIsConfigured(String name) {
    if (!config.get().providers().containsKey(name)) {
      throw new Problem.Conflict(
          ("Provider %s is no longer in nodepool.yaml, so what it holds cannot be deleted."
                  + " Put it back, or delete the record alone with ?record_only=true.")
              .formatted(name));
    }
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
