package org.nodepool.api;

import io.vertx.core.http.HttpHeaders;
import io.vertx.ext.web.RoutingContext;
import java.util.List;
import org.nodepool.api.http.Accept;
import org.nodepool.view.Format;

/** The media types that a route can answer with; the first is for clients that do not mind. */
public enum Offer {
  /** Answers have no body. */
  NOTHING,
  JSON("application/json"),
  JSON_OR_TABLE("application/json", "text/plain"),
  TEXT("text/plain"),

  /** Sent from its file, as it is. */
  LOG("text/plain"),
  EVENTS("text/event-stream");

  /** What is sent may be zipped besides, whatever the media type. */
  static final CharSequence VARIES = HttpHeaders.createOptimized("Accept, Accept-Encoding");

  private static final String CHOSEN = "nodepool.chosen";

  private final List<String> mediaTypes;

  Offer(String... mediaTypes) {
    this.mediaTypes = List.of(mediaTypes);
  }

  /** Chooses what the client likes best, or fails with {@link ProblemType#NOT_ACCEPTABLE}. */
  RoutingContext negotiate(RoutingContext ctx) {
    if (mediaTypes.isEmpty()) {
      return ctx;
    }
    if (this != LOG && this != EVENTS) {
      ctx.response().headers().add(HttpHeaders.VARY, VARIES);
    }
    Accept accept = Accept.of(ctx.request().headers().getAll(HttpHeaders.ACCEPT));
    ctx.put(CHOSEN, accept.best(mediaTypes).orElseThrow(this::notAcceptable));
    return ctx;
  }

  /** How a list was asked for. */
  static Format format(RoutingContext ctx) {
    return "text/plain".equals(ctx.get(CHOSEN)) ? Format.TABLE : Format.JSON;
  }

  private Refusal notAcceptable() {
    return new Refusal(
        ProblemType.NOT_ACCEPTABLE,
        "The header Accept allows nothing that there is; there is %s."
            .formatted(String.join(", ", mediaTypes)));
  }
}
