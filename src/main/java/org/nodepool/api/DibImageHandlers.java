package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.ext.web.RoutingContext;
import org.nodepool.jobs.Deletions;
import org.nodepool.jobs.Jobs;
import org.nodepool.view.Kind;
import org.nodepool.view.PoolReads;

/** {@code /v1/dib_images}. */
final class DibImageHandlers {
  private static final String DIB_IMAGE = "dib image";

  private final PoolReads reads;
  private final Jobs jobs;
  private final Deletions deletions;

  DibImageHandlers(PoolReads reads, Jobs jobs, Deletions deletions) {
    this.reads = reads;
    this.jobs = jobs;
    this.deletions = deletions;
  }

  Future<Answer> list(RoutingContext ctx) {
    return reads.dibImages(ListInput.list(ctx, Kind.DIB_IMAGE)).map(page -> Answer.page(ctx, page));
  }

  Future<Answer> summary(RoutingContext ctx) {
    return reads
        .dibImages(ListInput.summary(ctx, Kind.DIB_IMAGE))
        .map(page -> Answer.page(ctx, page));
  }

  Future<Answer> get(RoutingContext ctx) {
    Input.noQuery(ctx);
    return reads.dibImage(Input.id(ctx, DIB_IMAGE)).map(Answer::of);
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
