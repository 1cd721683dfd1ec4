package org.nodepool.provider;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.WorkerExecutor;
import java.util.List;
import org.nodepool.async.InTurn;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.model.AttemptEnd.NotSupportedYet;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Failpoint;

/** An OpenStack cloud: Identity v3 and Image v2. To be used on one context alone. */
final class OpenStackProvider implements Provider {
  private final Vertx vertx;
  private final WorkerExecutor executor;
  private final ProviderConfig config;
  private final CloudCalls calls;
  private final ImageService images;

  /**
   * @param executor for reading files
   * @param config of an OpenStack cloud
   */
  OpenStackProvider(Vertx vertx, WorkerExecutor executor, ProviderConfig config, CallNotes notes) {
    this.vertx = vertx;
    this.executor = executor;
    this.config = config;
    this.calls = new CloudCalls(vertx, config, notes);
    this.images = new ImageService(calls, new Identity(calls, config), config);
  }

  @Override
  public Future<Void> upload(Upload upload, Observer observer) {
    return new OpenStackUpload(vertx, executor, calls, images, config, upload, observer).run();
  }

  @Override
  public Future<Void> deleteImage(String externalId) {
    Failpoint.DELETE_COPY.before();
    return later(images.delete(externalId)).onSuccess(v -> Failpoint.DELETE_COPY.after());
  }

  /** By the property that each image of ours carries. */
  @Override
  public Future<Void> deleteLeftovers(String uuid) {
    Failpoint.DELETE_LEFTOVERS.before();
    return later(
            images
                .with(OpenStackUpload.UUID, uuid)
                .compose(found -> deleteAll(found.stream().filter(i -> !isOfServer(i)).toList())))
        .onSuccess(v -> Failpoint.DELETE_LEFTOVERS.after());
  }

  /** A snapshot of a server has the properties of the image that the server was started from. */
  private static boolean isOfServer(ImageService.CloudImage image) {
    return image.properties().containsKey("instance_uuid")
        || "snapshot".equals(image.properties().getValue("image_type"));
  }

  private Future<Void> deleteAll(List<ImageService.CloudImage> found) {
    return InTurn.each(found, (ImageService.CloudImage image) -> images.delete(image.id()));
  }

  @Override
  public Future<Void> deleteServer(String externalId) {
    return Future.failedFuture(
        new NotSupportedYet(
            "Deleting servers at OpenStack clouds (provider %s) is not supported yet by this version."
                .formatted(config.name())));
  }

  /** A deletion is not given up, whatever the cloud says: it may be asked again. */
  private static Future<Void> later(Future<Void> deletion) {
    return deletion.recover(
        e ->
            Future.failedFuture(
                e instanceof ProviderFailure ? new ProviderAway(e.getMessage(), e) : e));
  }
}
