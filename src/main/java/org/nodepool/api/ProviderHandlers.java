package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.ext.web.RoutingContext;
import org.nodepool.view.PoolReads;

/** {@code /v1/providers}. */
final class ProviderHandlers {
  private final PoolReads reads;

  ProviderHandlers(PoolReads reads) {
    this.reads = reads;
  }

  Future<Answer> list(RoutingContext ctx) {
    Input.noQuery(ctx);
    return reads.providers().map(page -> Answer.page(ctx, page));
  }

  Future<Answer> alienServers(RoutingContext ctx) {
    Input.noQuery(ctx);
    return reads.alienServers(ctx.pathParam("name")).map(page -> Answer.page(ctx, page));
  }

  Future<Answer> alienImages(RoutingContext ctx) {
    Input.noQuery(ctx);
    return reads.alienImages(ctx.pathParam("name")).map(page -> Answer.page(ctx, page));
  }
}
