package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.ext.web.RoutingContext;
import java.util.function.Consumer;
import org.nodepool.jobs.Deletions;
import org.nodepool.jobs.Uploads;
import org.nodepool.model.SnapshotImage;
import org.nodepool.view.Kind;

/** {@code /v1/images}. */
final class ImageHandlers {
  private static final String IMAGE = "image";

  private final Uploads uploads;
  private final Deletions deletions;

  ImageHandlers(Uploads uploads, Deletions deletions) {
    this.uploads = uploads;
    this.deletions = deletions;
  }

  Future<Answer> update(RoutingContext ctx) {
    String provider = Input.field(ctx, "provider_name", Input.PROVIDER_HINT);
    return uploads
        .update(ctx.pathParam("image"), provider)
        .map(ticket -> Answer.created(ctx, ticket));
  }

  Future<Answer> delete(RoutingContext ctx) {
    Input.onlyQuery(ctx, Input.RECORD_ONLY);
    long id = Input.id(ctx, IMAGE);
    Consumer<SnapshotImage> condition = Conditions.of(ctx, Kind.SNAPSHOT_IMAGE);
    return Input.flag(ctx, Input.RECORD_ONLY)
        ? deletions.removeImageRecord(id, condition).map(Answer.empty(204))
        : deletions.deleteImage(id, condition).map(ticket -> Answer.accepted(ctx, ticket));
  }
}
