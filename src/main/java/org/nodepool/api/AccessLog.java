package org.nodepool.api;

import io.vertx.core.http.HttpHeaders;
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
 * One line for each request but {@link #poll}, when its answer has ended: method, path and query,
 * status, how long, bytes of the answer's body, the client's address, verified user or {@code -},
 * request id; {@code aborted} behind it when the connection ended first, and a {@code -} for a
 * status that was never sent. The line has a logger of its own, which the configuration of logging
 * keeps from holding up requests.
 */
final class AccessLog {
  private static final Logger log = LoggerFactory.getLogger("nodepool.access");
  private static final Logger polls = LoggerFactory.getLogger("nodepool.access.polls");

  static final CharSequence HEADER = HttpHeaders.createOptimized("X-Request-Id");
  private static final String ABORTED = " aborted";
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
    String id = id(ctx.request());
    ctx.put(ID, id);
    ctx.response().putHeader(HEADER, id);
    long began = System.nanoTime();
    ctx.addEndHandler(end -> write(ctx, id, began, end.succeeded()));
  }

  /** The id that a request has, or gets. */
  static String id(HttpServerRequest request) {
    String given = request.getHeader(HEADER);
    return given != null && ACCEPTED_ID.matcher(given).matches() ? given : newId();
  }

  /** The id of a request that has begun. */
  static String id(RoutingContext ctx) {
    return ctx.get(ID);
  }

  /**
   * A poll that went well. There are tens of thousands of them a second, and a line costs as much
   * as the answer: so only those have one that the client has given an id to, to find them again,
   * or all when somebody turns the level to DEBUG.
   */
  static void poll(HttpServerRequest request, Proxies proxies, String id, long began) {
    if (isToBeFound(id)) {
      write(request, proxies.client(request), "-", id, began, "");
    }
  }

  /** As {@link #poll}, of one whose client had gone before there was an answer. */
  static void abortedPoll(HttpServerRequest request, Proxies proxies, String id, long began) {
    if (isToBeFound(id)) {
      write(request, proxies.client(request), "-", id, began, ABORTED);
    }
  }

  private static boolean isToBeFound(String id) {
    return !id.startsWith(PROCESS) || polls.isDebugEnabled();
  }

  /** A request that was refused before the router had it. */
  static void refused(HttpServerRequest request, Proxies proxies, String id, long began) {
    write(request, proxies.client(request), "-", id, began, "");
  }

  /**
   * For what cannot even be parsed as HTTP, and so has neither method nor path; before its answer.
   * Gives the id that it gets.
   */
  static String invalid(HttpServerRequest request) {
    String id = newId();
    HttpServerResponse response = request.response().putHeader(HEADER, id);
    response.bodyEndHandler(
        end ->
            log.info(
                "- - {} 0 ms {} B {} - {}",
                response.getStatusCode(),
                response.bytesWritten(),
                Proxies.NONE.client(request).address(),
                id));
    return id;
  }

  private static String newId() {
    return PROCESS + COUNT.incrementAndGet();
  }

  private static void write(RoutingContext ctx, String id, long began, boolean isWhole) {
    String user = ctx.user() == null ? "-" : printable(ctx.user().subject());
    write(ctx.request(), Proxies.client(ctx), user, id, began, isWhole ? "" : ABORTED);
  }

  private static void write(
      HttpServerRequest request,
      Proxies.Client client,
      String user,
      String id,
      long began,
      String end) {
    HttpServerResponse response = request.response();
    log.info(
        "{} {} {} {} ms {} B {} {} {}{}",
        printable(request.method().name()),
        printable(request.uri()),
        response.headWritten() ? response.getStatusCode() : "-",
        TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began),
        response.bytesWritten(),
        client.address(),
        user,
        id,
        end);
  }

  /** As one word of ASCII: a caller must not write lines of its own. */
  static String printable(String text) {
    int first = 0;
    while (first < text.length() && isPrintable(text.charAt(first))) {
      first++;
    }
    if (first == text.length()) {
      return text;
    }
    StringBuilder printable = new StringBuilder();
    for (char c : text.toCharArray()) {
      if (isPrintable(c)) {
        printable.append(c);
      } else {
        printable.append("\\u%04x".formatted((int) c));
      }
    }
    return printable.toString();
  }

  private static boolean isPrintable(char c) {
    return c > ' ' && c < 0x7f;
  }
}
