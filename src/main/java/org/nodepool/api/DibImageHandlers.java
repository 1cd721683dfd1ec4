package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.ext.web.RoutingContext;
import org.nodepool.jobs.Builds;
import org.nodepool.jobs.Deletions;
import org.nodepool.jobs.Uploads;
import org.nodepool.view.Kind;

/** {@code /v1/dib_images}. */
final class DibImageHandlers {
  private static final String DIB_IMAGE = "dib image";

  private final Builds builds;
  private final Uploads uploads;
  private final Deletions deletions;

  DibImageHandlers(Builds builds, Uploads uploads, Deletions deletions) {
    this.builds = builds;
    this.uploads = uploads;
    this.deletions = deletions;
  }

  Future<Answer> build(RoutingContext ctx) {
    return builds.build(ctx.pathParam("name")).map(ticket -> Answer.created(ctx, ticket));
  }

  Future<Answer> upload(RoutingContext ctx) {
    String provider = Input.field(ctx, "provider_name", Input.PROVIDER_HINT);
    String image = Input.optionalField(ctx, "image_name");
    return uploads
        .upload(ctx.pathParam("name"), provider, image)
        .map(ticket -> Answer.created(ctx, ticket));
  }

  Future<Answer> delete(RoutingContext ctx) {
    Input.noQuery(ctx);
    return deletions
        .deleteDibImage(Input.id(ctx, DIB_IMAGE), Conditions.of(ctx, Kind.DIB_IMAGE))
        .map(ticket -> Answer.accepted(ctx, ticket));
  }
}
