package org.nodepool.api;

import io.vertx.core.Context;
import io.vertx.core.Handler;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.net.HostAndPort;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.nodepool.model.Problem;

/**
 * The connections of one event loop. None keeps what others need: beyond the limit the newest are
 * refused, and idle, slow and stalled ones are closed. Lives on that event loop; its work for a
 * request is next to nothing.
 */
final class Connections {
  /**
   * When a connection is closed.
   *
   * @param idle after it has had no request under way for that long, nor bytes of an answer
   * @param request when a request, or the first one, has not come as a whole for that long
   * @param stalled when bytes of an answer wait, and the client has taken none for that long
   */
  record Patience(Duration idle, Duration request, Duration stalled) {
    static final Patience USUAL =
        new Patience(Duration.ofMinutes(2), Duration.ofSeconds(30), Duration.ofSeconds(30));
  }

  /** What the connections of all event loops share. Thread-safe. */
  static final class Total {
    private final AtomicInteger open = new AtomicInteger();
    private final int most;
    private final RequestMemory memory;

    /**
     * @param most the newest beyond that are refused
     * @param heap of the process, in bytes
     */
    Total(int most, long heap) {
      this.most = most;
      this.memory = new RequestMemory(heap, most);
    }

    int open() {
      return open.get();
    }
  }

  private static final long LOOK_MS = 1_000;
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(LOOK_MS);

  private final Context context;
  private final HttpServerOptions options;
  private final Patience patience;
  private final Total total;
  private final Proxies proxies;
  private final Hosts hosts;
  private final Metrics metrics;
  private final Map<HttpConnection, ClientConnection> connections = new HashMap<>();

  /** The time of the next look is the time that requests are noted with: exact enough, and free. */
  private long nextLook = System.nanoTime();

  /** To be made on the event loop. */
  Connections(
      Vertx vertx,
      HttpServerOptions options,
      Total total,
      Proxies proxies,
      Hosts hosts,
      Metrics metrics,
      Patience patience) {
    this.context = vertx.getOrCreateContext();
    this.options = options;
    this.total = total;
    this.proxies = proxies;
    this.hosts = hosts;
    this.metrics = metrics;
    this.patience = patience;
    vertx.setPeriodic(LOOK_MS, timer -> look());
  }

  /**
   * For a server that has these connections. HTTP/1.1 alone: in HTTP/2 of this version of Vert.x,
   * answers to HEAD and to bodies that are too large break the stream.
   */
  static HttpServerOptions options() {
    return new HttpServerOptions()
        .setHttp2ClearTextEnabled(false)
        .setUseAlpn(false)
        // each would look at every request and answer
        .setPerFrameWebSocketCompressionSupported(false)
        .setPerMessageWebSocketCompressionSupported(false)
        .setMaxInitialLineLength(RequestDecoder.MOST_LINE_BYTES)
        .setMaxHeaderSize(RequestDecoder.MOST_HEAD_BYTES);
  }

  /** A connection was made. */
  void opened(HttpConnection made) {
    boolean isBeyond = total.open.incrementAndGet() > total.most;
    ClientConnection connection = new ClientConnection(made, options, total.memory, isBeyond);
    connections.put(made, connection);
    made.exceptionHandler(Connections::thrown);
    made.closeHandler(
        v -> {
          connections.remove(made);
          connection.closed();
          total.open.decrementAndGet();
        });
  }

  /** Clients break connections all the time; an error is the process's. */
  static void thrown(Throwable fault) {
    if (fault instanceof Error error) {
      throw error;
    }
  }

  /** The connection of a request that {@link #check} has passed on; null when it was closed. */
  ClientConnection of(HttpServerRequest request) {
    return connections.get(request.connection());
  }

  /** Whether that request may be answered; if not, {@link #check} says why. */
  boolean admit(HttpServerRequest request) {
    ClientConnection connection = of(request);
    if (connection == null || !connection.canBegin()) {
      return false;
    }
    connection.begin(request, nextLook);
    return true;
  }

  /**
   * To be passed by every request that {@link #admit} did not let in. It stands in front of the
   * router, which has answers of its own to some of them.
   *
   * @param next for those that may be answered
   */
  void check(HttpServerRequest request, Handler<HttpServerRequest> next) {
    ClientConnection connection = of(request);
    if (connection == null || connection.isEnding()) {
      return; // nobody would read the answer
    }
    connection.begin(request, nextLook);
    request
        .response()
        .headersEndHandler(
            v -> {
              connection.answering();
              ResponseHead.complete(request.response().headers());
            });
    RuntimeException refusal = refusal(request, connection);
    if (refusal == null) {
      connection.whenLookedAt(context, v -> next.handle(request));
    } else {
      refuse(request, connection, refusal);
    }
  }

  /** Why the request is not looked at any further; null when it is. */
  private RuntimeException refusal(HttpServerRequest request, ClientConnection connection) {
    if (connection.failure() != null) {
      return connection.failure();
    }
    if (connection.isBeyond()) {
      connection.end();
      return new Problem.Unavailable(
          "There are too many connections (server.max_connections). Nothing was changed.");
    }
    return isForUs(request)
        ? null
        : new Refusal(
            ProblemType.MISDIRECTED,
            "The service is not known by that Host; server.hosts has the names that it has besides"
                + " those of its machine.");
  }

  /** What no browser sends is for us: a Host that cannot be read, or none. */
  private boolean isForUs(HttpServerRequest request) {
    HostAndPort asked = request.authority();
    return asked == null
        || asked.host().isEmpty()
        || hosts.isOurs(asked)
        || proxies.client(request).isTrusted();
  }

  private void refuse(
      HttpServerRequest request, ClientConnection connection, RuntimeException refusal) {
    long began = System.nanoTime();
    if (connection.isNoRequest()) {
      Failures.send(request, AccessLog.invalid(request), refusal);
    } else {
      String id = AccessLog.id(request);
      request.response().putHeader(AccessLog.HEADER, id);
      Failures.send(request, id, refusal);
      AccessLog.refused(request, proxies, id, began);
    }
    metrics.unrouted(request.response().getStatusCode()).answered(System.nanoTime() - began);
    if (connection.isBeyond()) {
      connection.close();
    }
  }

  private void look() {
    long now = System.nanoTime();
    nextLook = now + LOOK_NANOS;
    for (ClientConnection connection : List.copyOf(connections.values())) {
      if (connection.isToBeCut(now, patience)) {
        connection.cut();
      }
    }
  }
}
