package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.ext.web.RoutingContext;
import org.nodepool.jobs.Deletions;
import org.nodepool.jobs.Jobs;

/** {@code /v1/dib_images}. */
final class DibImageHandlers {
  private static final String DIB_IMAGE = "dib image";

  private final Jobs jobs;
  private final Deletions deletions;

  DibImageHandlers(Jobs jobs, Deletions deletions) {
    this.jobs = jobs;
    this.deletions = deletions;
  }

  Future<Answer> build(RoutingContext ctx) {
    return jobs.build(ctx.pathParam("name")).map(Answer::created);
  }

  Future<Answer> upload(RoutingContext ctx) {
    String provider = Input.field(ctx, "provider_name", Input.PROVIDER_HINT);
    String image = Input.optionalField(ctx, "image_name");
    return jobs.upload(ctx.pathParam("name"), provider, image).map(Answer::created);
  }

  Future<Answer> delete(RoutingContext ctx) {
    Input.noQuery(ctx);
    return deletions.deleteDibImage(Input.id(ctx, DIB_IMAGE)).map(Answer::accepted);
  }
}
