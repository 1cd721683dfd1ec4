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

  /** The number of connections of all event loops together. Thread-safe. */
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

  /** What goes on on a connection. Times are {@link System#nanoTime}. */
  private static final class Activity {
    /** Whether further requests on it are not answered any more. */
    boolean isRefused;

    /** Beyond the limit: its first request is told so, if it comes soon. */
    boolean isBeyond;

    /** The last one; null before the first. */
    HttpServerRequest request;

    long since;

    /** Whether it was idle when it was last looked at, and since when. */
    boolean isIdle = true;

    /** The buffer that the socket was taking, and how many bytes it had taken; null for none. */
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
  private final Map<HttpConnection, Activity> activities = new HashMap<>();

  /** The time of the next look is the time that requests are noted with: exact enough, and free. */
  private long nextLook = System.nanoTime();

  Connections(Vertx vertx, Total total, Metrics metrics, Patience patience) {
    this.total = total;
    this.metrics = metrics;
    this.patience = patience;
    vertx.setPeriodic(LOOK_MS, timer -> look());
  }

  /** A connection was made. */
  void opened(HttpConnection connection) {
    Activity activity = new Activity();
    activity.since = System.nanoTime();
    activity.isBeyond = total.open.incrementAndGet() > total.most;
    activities.put(connection, activity);
    connection.closeHandler(
        v -> {
          activities.remove(connection);
          total.open.decrementAndGet();
        });
  }

  /** Whether that request may be answered; if not, {@link #check} says why. */
  boolean admit(HttpServerRequest request) {
    Activity activity = activities.get(request.connection());
    if (activity == null || activity.isRefused || activity.isBeyond) {
      return false;
    }
    activity.begin(request, nextLook);
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
    Activity activity = activities.get(connection);
    if (activity == null) {
      next.handle(request); // it is being closed
      return;
    }
    activity.begin(request, nextLook);
    if (activity.isRefused) {
      connection.close();
    } else if (activity.isBeyond) {
      refuse(
          request,
          activity,
          new Problem.Unavailable(
              "There are too many connections (server.max_connections). Nothing was changed."));
    } else if (isReadable(request)) {
      next.handle(request);
    } else {
      refuse(
          request,
          activity,
          new Refusal(
              ProblemType.MALFORMED_BODY, "The Transfer-Encoding must be chunked, or none."));
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

  /** Answers, and takes nothing else that comes on the connection for a request. */
  private void refuse(HttpServerRequest request, Activity activity, Throwable failure) {
    long began = System.nanoTime();
    activity.isRefused = true;
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
    for (Map.Entry<HttpConnection, Activity> entry : List.copyOf(activities.entrySet())) {
      Channel channel = ((ConnectionBase) entry.getKey()).channel();
      if (isOver(channel, entry.getValue(), now)) {
        // past the handler of Vert.x, which would first wait until all is sent
        channel.pipeline().firstContext().close();
      }
    }
  }

  private boolean isOver(Channel channel, Activity activity, long now) {
    if (isStalled(channel.unsafe().outboundBuffer(), activity, now)) {
      return true;
    }
    HttpServerRequest request = activity.request;
    if (request == null && activity.isBeyond) {
      return now - activity.since > TimeUnit.MILLISECONDS.toNanos(LOOK_MS);
    }
    if (request == null || (!request.isEnded() && !request.response().ended())) {
      return now - activity.since > patience.request().toNanos();
    }
    // an answer has ended as soon as all of it may go out
    if (!request.response().ended() || activity.unsent != null) {
      return false;
    }
    if (!activity.isIdle) {
      activity.isIdle = true;
      activity.since = now;
    }
    return now - activity.since > patience.idle().toNanos();
  }

  /**
   * Decided by the bytes taken, not by how many wait: a part of a file counts as none, and a buffer
   * waits as a whole until its last byte is gone.
   *
   * @param out null when it is closed
   */
  private boolean isStalled(ChannelOutboundBuffer out, Activity activity, long now) {
    Object unsent = out == null ? null : out.current();
    long taken = unsent == null ? 0 : out.currentProgress();
    if (unsent == null || unsent != activity.unsent || taken != activity.taken) {
      activity.unsent = unsent;
      activity.taken = taken;
      activity.takenSince = now;
      return false;
    }
    return now - activity.takenSince > patience.stalled().toNanos();
  }
}
