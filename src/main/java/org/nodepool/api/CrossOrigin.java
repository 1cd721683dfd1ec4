package org.nodepool.api;

import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.RoutingContext;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.nodepool.api.http.Origin;

/**
 * Pages of other origins (CORS) may do nothing, unless their origin is allowed. A browser adds the
 * login that it has to the requests of every page, so a write has to come from our own pages, from
 * allowed ones, or from no browser.
 */
final class CrossOrigin {
  private static final String METHOD_ASKED_FOR = "Access-Control-Request-Method";
  private static final String ANSWERED_HEADERS =
      "ETag, Link, Location, Preference-Applied, Retry-After, X-Request-Id";
  private static final String ACCEPTED_HEADERS =
      "Accept, Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID, Prefer, Range,"
          + " X-Request-Id";
  private static final String PREFLIGHT_SECONDS = "600";

  private final Set<Origin> allowed;

  /**
   * Takes origins as they are written in the header of that name: {@code https://ci.example.org}.
   *
   * @throws IllegalArgumentException with a sentence when one is none
   */
  CrossOrigin(List<String> allowedOrigins) {
    allowed = allowedOrigins.stream().map(CrossOrigin::checked).collect(Collectors.toSet());
  }

  private static Origin checked(String text) {
    return Origin.of(text)
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "server.allowed_origins: %s is no origin; one is a scheme, a host and perhaps a port: https://ci.example.org"
                        .formatted(text)));
  }

  /** Tells a page of an allowed origin that it may read the answer, whatever that will be. */
  void share(RoutingContext ctx) {
    if (!allowed.isEmpty()) {
      HttpServerResponse response = ctx.response();
      response.headers().add(HttpHeaders.VARY, "Origin");
      if (isAllowed(ctx.request())) {
        response
            .putHeader("Access-Control-Allow-Origin", ctx.request().getHeader(HttpHeaders.ORIGIN))
            .putHeader("Access-Control-Allow-Credentials", "true")
            .putHeader("Access-Control-Expose-Headers", ANSWERED_HEADERS);
      }
    }
    ctx.next();
  }

  /** Adds to the answer of an OPTIONS what a browser asks before it sends something. */
  void preflight(RoutingContext ctx, String methods) {
    HttpServerRequest request = ctx.request();
    if (request.getHeader(METHOD_ASKED_FOR) != null && isAllowed(request)) {
      ctx.response()
          .putHeader("Access-Control-Allow-Methods", methods)
          .putHeader("Access-Control-Allow-Headers", ACCEPTED_HEADERS)
          .putHeader("Access-Control-Max-Age", PREFLIGHT_SECONDS);
    }
  }

  /** Lets no write pass that a page of another origin made. */
  void refuseForeign(RoutingContext ctx) {
    HttpServerRequest request = ctx.request();
    boolean isCrossSite = "cross-site".equalsIgnoreCase(request.getHeader("Sec-Fetch-Site"));
    boolean hasOrigin = request.headers().contains(HttpHeaders.ORIGIN);
    if (isAllowed(request) || (!isCrossSite && (!hasOrigin || isOwn(ctx)))) {
      ctx.next();
    } else {
      ctx.fail(
          new Refusal(
              ProblemType.FORBIDDEN,
              "A page of another origin may not do this; server.allowed_origins has those that may."));
    }
  }

  private boolean isAllowed(HttpServerRequest request) {
    return origin(request).filter(allowed::contains).isPresent();
  }

  /**
   * By host and port: the scheme that a browser sees is not ours behind a proxy that tells none.
   */
  private static boolean isOwn(RoutingContext ctx) {
    Proxies.Client client = Proxies.client(ctx);
    return client.host() != null
        && origin(ctx.request())
            .filter(origin -> client.scheme() == null || origin.scheme().equals(client.scheme()))
            .filter(origin -> origin.isOf(client.host()))
            .isPresent();
  }

  /** The request's; empty when it has none, or several. */
  private static Optional<Origin> origin(HttpServerRequest request) {
    List<String> origins = request.headers().getAll(HttpHeaders.ORIGIN);
    return origins.size() == 1 ? Origin.of(origins.get(0)) : Optional.empty();
  }
}
