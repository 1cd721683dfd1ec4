package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.buffer.Buffer;
import io.vertx.ext.web.RoutingContext;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import org.nodepool.view.Json;
import org.nodepool.view.Representation;

/** {@code /openapi.json}: what this service answers, for programs. */
final class OpenApiHandlers {
  private final Representation document = new Representation(read(), Json.CONTENT_TYPE);

  Future<Answer> get(RoutingContext ctx) {
    Input.noQuery(ctx);
    return Future.succeededFuture(Answer.of(ctx, document));
  }

  static Buffer read() {
    try (InputStream in = OpenApiHandlers.class.getResourceAsStream("/openapi.json")) {
      return Buffer.buffer(in.readAllBytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
