package org.nodepool.api;

import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.RoutingContext;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * What pages of other origins may do (CORS; RFC 6454): nothing, unless the origin is allowed. A
 * browser adds a login that it has to a request whichever page asks for it, so a write has to come
 * from our own pages, from allowed ones, or from no browser.
 */
final class Browsers {
  private static final Pattern ORIGIN = Pattern.compile("(https?)://([^/?#@\\s]+)");
  private static final Pattern AUTHORITY =
      Pattern.compile("(\\[[0-9a-f:.]+\\]|[^\\[\\]:@/?#\\s]+)(?::(\\d{0,5}))?");

  private static final String METHOD_ASKED_FOR = "Access-Control-Request-Method";
  private static final String ANSWERED_HEADERS =
      "ETag, Link, Location, Preference-Applied, Retry-After, X-Request-Id";
  private static final String ACCEPTED_HEADERS =
      "Accept, Authorization, Content-Type, If-None-Match, Last-Event-ID, Prefer, Range,"
          + " X-Request-Id";
  private static final String PREFLIGHT_SECONDS = "600";

  private final Set<String> allowed;

  /**
   * Takes origins as they are written in the header of that name: {@code https://ci.example.org}.
   *
   * @throws IllegalArgumentException with a sentence when one is none
   */
  Browsers(List<String> allowedOrigins) {
    allowed = allowedOrigins.stream().map(Browsers::checked).collect(Collectors.toSet());
  }

  private static String checked(String origin) {
    String normal = normal(origin);
    if (normal == null) {
      throw new IllegalArgumentException(
          "server.allowed_origins: %s is no origin; one is a scheme, a host and perhaps a port: https://ci.example.org"
              .formatted(origin));
    }
    return normal;
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
    if (isAllowed(request) || (!isCrossSite && (!hasOrigin || isOwn(request)))) {
      ctx.next();
    } else {
      ctx.fail(
          new Refusal(
              Slug.FORBIDDEN,
              "A page of another origin may not do this; server.allowed_origins has those that may."));
    }
  }

  private boolean isAllowed(HttpServerRequest request) {
    String origin = origin(request);
    return origin != null && allowed.contains(origin);
  }

  /** By host and port: behind a proxy with TLS the scheme that the browser sees is not ours. */
  private static boolean isOwn(HttpServerRequest request) {
    String origin = origin(request);
    String host = request.getHeader(HttpHeaders.HOST);
    if (origin == null || host == null || request.headers().getAll(HttpHeaders.HOST).size() > 1) {
      return false;
    }
    String scheme = origin.substring(0, origin.indexOf(':'));
    return origin.equals(normal(scheme + "://" + host));
  }

  /** The request's; null when it is none, as the {@code null} of a page without an origin. */
  private static String origin(HttpServerRequest request) {
    List<String> origins = request.headers().getAll(HttpHeaders.ORIGIN);
    return origins.size() == 1 ? normal(origins.get(0)) : null;
  }

  /** In lower case, and always with the port; null when it is no origin. */
  private static String normal(String text) {
    Matcher origin = ORIGIN.matcher(text.toLowerCase(Locale.ROOT));
    if (!origin.matches()) {
      return null;
    }
    Matcher authority = AUTHORITY.matcher(origin.group(2));
    if (!authority.matches()) {
      return null;
    }
    String scheme = origin.group(1);
    String given = authority.group(2);
    int port =
        given == null || given.isEmpty()
            ? scheme.equals("https") ? 443 : 80
            : Integer.parseInt(given);
    return "%s://%s:%d".formatted(scheme, authority.group(1), port);
  }
}
