package org.nodepool.api;

import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.RoutingContext;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One line for each request, when its answer has ended: method, path and query, status, how long,
 * bytes of the answer's body, verified user or {@code -}, request id; {@code aborted} behind it
 * when the connection ended first, and a {@code -} for a status that was never sent. The line has a
 * logger of its own, which the configuration of logging keeps from holding up requests.
 */
final class AccessLog {
  private static final Logger log = LoggerFactory.getLogger("nodepool.access");

  private static final String HEADER = "X-Request-Id";
  private static final String ID = "nodepool.request.id";
  private static final Pattern ACCEPTED_ID = Pattern.compile("[A-Za-z0-9._-]{1,64}");

  /** Ids of ours: of this process, and counted. */
  private static final String PROCESS = UUID.randomUUID().toString().substring(0, 8) + "-";

  private static final AtomicLong COUNT = new AtomicLong();

  private AccessLog() {}

  /** Gives the request its id and will write its line. To be called first; again does nothing. */
  static void begin(RoutingContext ctx) {
    if (ctx.get(ID) != null) {
      return;
    }
    String given = ctx.request().getHeader(HEADER);
    String id = given != null && ACCEPTED_ID.matcher(given).matches() ? given : newId();
    ctx.put(ID, id);
    ctx.response().putHeader(HEADER, id);
    long began = System.nanoTime();
    ctx.addEndHandler(end -> write(ctx, id, began, end.succeeded()));
  }

  /** The id of a request that has begun. */
  static String id(RoutingContext ctx) {
    return ctx.get(ID);
  }

  /**
   * For what cannot even be parsed as HTTP, and so has neither method nor path; before its answer.
   */
  static void invalid(HttpServerRequest request) {
    String id = newId();
    HttpServerResponse response = request.response().putHeader(HEADER, id);
    response.bodyEndHandler(
        end ->
            log.info(
                "- - {} 0 ms {} B - {}", response.getStatusCode(), response.bytesWritten(), id));
  }

  private static String newId() {
    return PROCESS + COUNT.incrementAndGet();
  }

  private static void write(RoutingContext ctx, String id, long began, boolean isWhole) {
    HttpServerRequest request = ctx.request();
    HttpServerResponse response = ctx.response();
    log.info(
        "{} {} {} {} ms {} B {} {}{}",
        printable(request.method().name()),
        printable(request.uri()),
        response.headWritten() ? response.getStatusCode() : "-",
        TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began),
        response.bytesWritten(),
        ctx.user() == null ? "-" : printable(ctx.user().subject()),
        id,
        isWhole ? "" : " aborted");
  }

  /** As one word of ASCII: a caller must not write lines of his own. */
  static String printable(String text) {
    if (text.chars().allMatch(c -> c > ' ' && c < 0x7f)) {
      return text;
    }
    StringBuilder printable = new StringBuilder();
    text.chars()
        .forEach(
            c -> {
              if (c > ' ' && c < 0x7f) {
                printable.append((char) c);
              } else {
                printable.append("\\u%04x".formatted(c));
              }
            });
    return printable.toString();
  }
}
