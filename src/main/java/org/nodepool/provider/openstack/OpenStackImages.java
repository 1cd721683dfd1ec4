package org.nodepool.provider.openstack;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.WorkerExecutor;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.nodepool.async.InTurn;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Mark;
import org.nodepool.provider.Driver;
import org.nodepool.provider.ImageStore;

/** The images of an OpenStack cloud (Image v2). To be used on one context alone. */
final class OpenStackImages implements ImageStore {
  private final Vertx vertx;
  private final WorkerExecutor executor;
  private final String provider;
  private final CloudCalls calls;
  private final ImageService images;

  OpenStackImages(Driver.Tools tools, String provider, CloudCalls calls, ImageService images) {
    this.vertx = tools.vertx();
    this.executor = tools.executor();
    this.provider = provider;
    this.calls = calls;
    this.images = images;
  }

  @Override
  public Future<Void> upload(Upload upload, Observer observer) {
    return new OpenStackUpload(vertx, executor, calls, images, provider, upload, observer).run();
  }

  @Override
  public Future<Void> delete(String externalId) {
    Failpoint.DELETE_COPY.before();
    return later(images.delete(externalId)).onSuccess(v -> Failpoint.DELETE_COPY.after());
  }

  /** By the property that each image of ours carries. */
  @Override
  public Future<Void> deleteLeftovers(Mark mark) {
    Failpoint.DELETE_LEFTOVERS.before();
    return later(
            images
                .with(Marks.ATTEMPT, mark.attempt())
                .compose(
                    found ->
                        deleteAll(
                            found.stream()
                                .filter(image -> !isOfServer(image) && !isOthers(image, mark))
                                .toList())))
        .onSuccess(v -> Failpoint.DELETE_LEFTOVERS.after());
  }

  @Override
  public Future<List<StoredImage>> list(Predicate<String> isOurName) {
    return images
        .all(
            image ->
                Marks.isOurs(image.properties()) || isOurName.test(image.name())
                    ? Optional.of(stored(image))
                    : Optional.empty())
        .map(
            found -> found.stream().sorted(Comparator.comparing(StoredImage::externalId)).toList());
  }

  /** What a snapshot of a server carries says whose the server's image was, not whose it is. */
  private static StoredImage stored(ImageService.CloudImage image) {
    return new StoredImage(
        image.id(),
        image.name(),
        isOfServer(image) ? null : Marks.of(image.properties()).orElse(null),
        image.created());
  }

  /** A snapshot of a server has the properties of the image that the server was started from. */
  private static boolean isOfServer(ImageService.CloudImage image) {
    return image.properties().containsKey("instance_uuid")
        || "snapshot".equals(image.properties().getValue("image_type"));
  }

  private static boolean isOthers(ImageService.CloudImage image, Mark mark) {
    return Marks.of(image.properties()).filter(of -> !of.isOfDatabaseOf(mark)).isPresent();
  }

  private Future<Void> deleteAll(List<ImageService.CloudImage> found) {
    return InTurn.each(found, (ImageService.CloudImage image) -> images.delete(image.id()));
  }

  /** A deletion is not given up, whatever the cloud says: it may be asked again. */
  private static Future<Void> later(Future<Void> deletion) {
    return deletion.recover(
        e ->
            Future.failedFuture(
                e instanceof ProviderFailure ? new ProviderAway(e.getMessage(), e) : e));
  }
}
