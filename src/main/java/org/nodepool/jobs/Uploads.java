package org.nodepool.jobs;

import io.vertx.core.Future;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.nodepool.config.PoolConfig;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.config.PoolConfig.ProviderImage;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Ids;
import org.nodepool.model.Job;
import org.nodepool.model.JobKind;
import org.nodepool.model.Problem;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;
import org.nodepool.provider.Providers;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable.Draft;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;

/**
 * Accepts uploads of dib images to providers, and updates, which build before: each method writes
 * its rows in one transaction, then knocks at the worker verticle. Checks are in the order of
 * API.md. Thread-safe.
 */
public final class Uploads {
  private final Database db;
  private final SnapshotImageTable images;
  private final DibImageTable dibImages;
  private final NewJobs newJobs;
  private final Builds builds;
  private final Providers providers;
  private final Supplier<PoolConfig> config;
  private final Knock knock;

  public Uploads(
      Database db,
      SnapshotImageTable images,
      DibImageTable dibImages,
      NewJobs newJobs,
      Builds builds,
      Providers providers,
      Supplier<PoolConfig> config,
      Knock knock) {
    this.db = db;
    this.images = images;
    this.dibImages = dibImages;
    this.newJobs = newJobs;
    this.builds = builds;
    this.providers = providers;
    this.config = config;
    this.knock = knock;
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
    Builds.checkDiskImage(current, diskImage);
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
        .map(knock::after);
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
      Tx tx, JobKind kind, ProviderConfig provider, ProviderImage image, Long dibImageId) {
    return images
        .insert(
            tx,
            provider.name(),
            image.name(),
            version -> provider.imageHostname(image.name(), version))
        .map(row -> new Draft(kind, row.subject(), image.name(), provider.name(), dibImageId))
        .compose(draft -> newJobs.insert(tx, draft, false));
  }

  /**
   * Makes a new image at a provider: of a diskimage by building, or joining a build, and uploading;
   * or of another image by a setup script. Fails with {@link Problem.NotFound}, {@link
   * Problem.Conflict}, or {@link Problem.NotImplemented} where there are no servers to set up.
   *
   * @param image the id of an image, whose name is meant, or a name
   */
  public Future<Ticket> update(String image, String providerName) {
    PoolConfig current = config.get();
    ProviderConfig provider = provider(current, providerName);
    return imageName(image)
        .map(name -> configured(provider, name))
        .compose(
            configured ->
                configured.diskImage() == null
                    ? setUp(provider, configured)
                    : update(current, provider, configured));
  }

  private Future<String> imageName(String idOrName) {
    Optional<Long> id = Ids.parse(idOrName);
    return id.isEmpty()
        ? Future.succeededFuture(idOrName)
        : images.find(id.get()).map(row -> row.map(SnapshotImage::imageName).orElse(idOrName));
  }

  private ProviderImage configured(ProviderConfig provider, String name) {
    ProviderImage image = provider.images().get(name);
    if (image == null) {
      throw new Problem.NotFound(
          "Image %s is not configured at provider %s.".formatted(name, provider.name()));
    }
    if (image.diskImage() != null) {
      return image;
    }
    if (image.setup() == null) {
      throw new Problem.Conflict(
          "Image %s has neither diskimage nor setup at provider %s: nothing makes it."
              .formatted(name, provider.name()));
    }
    if (!providers.hasServers(provider.name())) {
      throw new Problem.NotImplemented(
          ("Image %s is made by a setup script, and this version runs no servers at provider %s,"
                  + " whose driver is %s.")
              .formatted(name, provider.name(), provider.driver().driver()));
    }
    return image;
  }

  /** Of the newest ready image of its base. */
  private Future<Ticket> setUp(ProviderConfig provider, ProviderImage image) {
    return images
        .newestReady(provider.name(), image.baseImage() == null ? "" : image.baseImage())
        .map(base -> base.orElseThrow(() -> noBase(provider, image)))
        .compose(
            base ->
                db.transaction(
                    Failpoint.ACCEPT_UPDATE,
                    tx -> insertUpload(tx, JobKind.UPDATE, provider, image, null)))
        .map(Ticket::started)
        .map(knock::after);
  }

  private static Problem noBase(ProviderConfig provider, ProviderImage image) {
    String base = image.baseImage();
    if (base == null || !provider.images().containsKey(base)) {
      return new Problem.Conflict(
          "Image %s is made by a setup script, and its base-image %s is no image of provider %s."
              .formatted(image.name(), base, provider.name()));
    }
    return new Problem.Conflict(
        ("Image %s is made of image %s, of which provider %s has none that is ready. Make one"
                + " first: POST /v1/images/%2$s/update with provider_name=%3$s")
            .formatted(image.name(), base, provider.name()));
  }

  /** Two transactions: a build without its upload, after a crash between them, harms nobody. */
  private Future<Ticket> update(PoolConfig current, ProviderConfig provider, ProviderImage image) {
    return builds
        .build(current, image.diskImage())
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
        .map(knock::after);
  }

  /** Sends the same dib image. Fails as {@link #upload}. */
  Future<Ticket> uploadAgain(Job job) {
    ProviderConfig provider = provider(config.get(), job.providerName());
    ProviderImage image = configured(provider, job.imageName());
    if (image.diskImage() == null) {
      throw new Problem.Conflict(
          ("Image %s is not made of a diskimage any more. Update it: POST /v1/images/%1$s/update"
                  + " with provider_name=%s")
              .formatted(image.name(), provider.name()));
    }
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

  /** Sends the same dib image if that is ready, else does it anew. Fails as {@link #update}. */
  Future<Ticket> updateAgain(Job job) {
    PoolConfig current = config.get();
    ProviderConfig provider = provider(current, job.providerName());
    ProviderImage image = configured(provider, job.imageName());
    if (image.diskImage() == null) {
      return setUp(provider, image);
    }
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
        .map(knock::after);
  }

  private static ProviderConfig provider(PoolConfig current, String name) {
    return Optional.ofNullable(current.providers().get(name))
        .orElseThrow(() -> new Problem.NotFound("Provider %s is not configured.".formatted(name)));
  }
}
