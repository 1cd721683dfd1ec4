package org.nodepool.api;

import io.netty.channel.Channel;
import io.netty.channel.ChannelOutboundBuffer;
import io.vertx.core.Handler;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.net.impl.ConnectionBase;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.nodepool.model.Problem;

/**
 * The connections of one event loop, so that none of them keeps what others need: beyond the limit
 * the newest are refused, and those are closed on which nothing goes on. Lives on that event loop;
 * what it does for a request is next to nothing.
 */
final class Connections {
  /**
   * When a connection is closed.
   *
   * @param idle after it has had no request under way for that long, nor bytes of an answer
   * @param request when a request, or the first one, has not come as a whole for that long
   * @param stalled when bytes of an answer wait for the client, who has taken none for that long
   */
  record Patience(Duration idle, Duration request, Duration stalled) {
    static final Patience USUAL =
        new Patience(Duration.ofMinutes(2), Duration.ofSeconds(30), Duration.ofSeconds(30));
  }

  /** Those of all event loops together. Thread-safe. */
  static final class Total {
    private final AtomicInteger open = new AtomicInteger();
    private final int most;

    Total(int most) {
      this.most = most;
    }

    int open() {
      return open.get();
    }
  }

  /** Times are {@link System#nanoTime}. */
  private static final class State {
    /** Whether what comes on it is not answered any more. */
    boolean isRefused;

    /** Beyond the limit: its first request is told so, if it comes soon. */
    boolean isBeyond;

    /** The last one; null before the first. */
    HttpServerRequest request;

    long since;

    /** Whether it was idle when it was last looked at, and since when. */
    boolean isIdle = true;

    /** What of an answer was being taken, and how many bytes of it had been; null for nothing. */
    Object unsent;

    long taken;
    long takenSince;

    void begin(HttpServerRequest begun, long now) {
      request = begun;
      since = now;
      isIdle = false;
    }
  }

  private static final long LOOK_MS = 1_000;

  private final Patience patience;
  private final Total total;
  private final Metrics metrics;
  private final Map<HttpConnection, State> states = new HashMap<>();

  /** When it is looked for what is over: as exact a time as a request needs, and as cheap. */
  private long nextLook = System.nanoTime();

  Connections(Vertx vertx, Total total, Metrics metrics, Patience patience) {
    this.total = total;
    this.metrics = metrics;
    this.patience = patience;
    vertx.setPeriodic(LOOK_MS, timer -> look());
  }

  /** A connection was made. */
  void opened(HttpConnection connection) {
    State state = new State();
    state.since = System.nanoTime();
    state.isBeyond = total.open.incrementAndGet() > total.most;
    states.put(connection, state);
    connection.closeHandler(
        v -> {
          states.remove(connection);
          total.open.decrementAndGet();
        });
  }

  /** Whether that request may be answered; if not, {@link #check} says why. */
  boolean admit(HttpServerRequest request) {
    State state = states.get(request.connection());
    if (state == null || state.isRefused || state.isBeyond) {
      return false;
    }
    state.begin(request, nextLook);
    return true;
  }

  /**
   * To be passed by every request that {@link #admit} did not let in. It stands in front of the
   * router, which has answers of its own to some of them.
   *
   * @param next for those that may be answered
   */
  void check(HttpServerRequest request, Handler<HttpServerRequest> next) {
    HttpConnection connection = request.connection();
    State state = states.get(connection);
    if (state == null) {
      next.handle(request); // it is being closed
      return;
    }
    state.begin(request, nextLook);
    if (state.isRefused) {
      connection.close();
    } else if (state.isBeyond) {
      refuse(
          request,
          state,
          new Problem.Unavailable(
              "There are too many connections (server.max_connections). Nothing was changed."));
    } else if (isReadable(request)) {
      next.handle(request);
    } else {
      refuse(
          request,
          state,
          new Refusal(Slug.MALFORMED_BODY, "The Transfer-Encoding must be chunked, or none."));
    }
  }

  /**
   * A body in a coding that nobody here knows would be read as the next request: a way to smuggle
   * one past a proxy (RFC 9112, 6.1). All lines of the header count as one.
   */
  private static boolean isReadable(HttpServerRequest request) {
    List<String> codings = request.headers().getAll(HttpHeaders.TRANSFER_ENCODING);
    return codings.isEmpty() || (codings.size() == 1 && codings.get(0).equalsIgnoreCase("chunked"));
  }

  /** An answer, and whatever else comes on that connection is no request. */
  private void refuse(HttpServerRequest request, State state, Throwable failure) {
    long began = System.nanoTime();
    state.isRefused = true;
    String id = AccessLog.id(request);
    HttpServerResponse response = request.response();
    response.putHeader(AccessLog.HEADER, id).putHeader(HttpHeaders.CONNECTION, "close");
    Failures.send(request, id, failure);
    AccessLog.refused(request, id, began);
    metrics.unrouted(response.getStatusCode()).answered(System.nanoTime() - began);
    request.connection().close();
  }

  private void look() {
    long now = System.nanoTime();
    nextLook = now + TimeUnit.MILLISECONDS.toNanos(LOOK_MS);
    for (Map.Entry<HttpConnection, State> entry : List.copyOf(states.entrySet())) {
      Channel channel = ((ConnectionBase) entry.getKey()).channel();
      if (isOver(channel, entry.getValue(), now)) {
        // past the handler of Vert.x, which would first wait for what is unsent
        channel.pipeline().firstContext().close();
      }
    }
  }

  private boolean isOver(Channel channel, State state, long now) {
    if (isStalled(channel.unsafe().outboundBuffer(), state, now)) {
      return true;
    }
    HttpServerRequest request = state.request;
    if (request == null && state.isBeyond) {
      return now - state.since > TimeUnit.MILLISECONDS.toNanos(LOOK_MS);
    }
    if (request == null || (!request.isEnded() && !request.response().ended())) {
      return now - state.since > patience.request().toNanos();
    }
    // an answer has ended as soon as all of it may go out
    if (!request.response().ended() || state.unsent != null) {
      return false;
    }
    if (!state.isIdle) {
      state.isIdle = true;
      state.since = now;
    }
    return now - state.since > patience.idle().toNanos();
  }

  /**
   * By what is taken, and not by how much waits: a part of a file counts as no bytes, and one
   * buffer waits as a whole until its last byte is gone.
   *
   * @param out null when it is closed
   */
  private boolean isStalled(ChannelOutboundBuffer out, State state, long now) {
    Object unsent = out == null ? null : out.current();
    long taken = unsent == null ? 0 : out.currentProgress();
    if (unsent == null || unsent != state.unsent || taken != state.taken) {
      state.unsent = unsent;
      state.taken = taken;
      state.takenSince = now;
      return false;
    }
    return now - state.takenSince > patience.stalled().toNanos();
  }
}
