package org.nodepool.api;

import io.vertx.core.Handler;
import io.vertx.core.MultiMap;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.http.HttpVersion;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.LongFunction;
import org.nodepool.api.http.Codings;
import org.nodepool.api.http.EntityTags;
import org.nodepool.api.http.Preferences;
import org.nodepool.model.Ids;
import org.nodepool.model.Resource;
import org.nodepool.view.Kind;
import org.nodepool.view.ListQuery;
import org.nodepool.view.OneQuery;
import org.nodepool.view.Page;
import org.nodepool.view.PoolReads;
import org.nodepool.view.Query;
import org.nodepool.view.Representation;

/**
 * Answers most polls, those of whole lists and objects, with as little work as there can be: a
 * router, a context and a chain of futures cost more than sending the answer does. The answers are
 * those of the slow path, byte for byte; a request with anything unusual is left to that. Lives on
 * one event loop.
 */
final class FastPath implements Handler<HttpServerRequest> {
  private static final CharSequence JSON = HttpHeaders.createOptimized("application/json");
  private static final CharSequence PREFER = HttpHeaders.createOptimized("Prefer");

  private final PoolReads reads;
  private final Connections connections;
  private final Proxies proxies;
  private final Hosts hosts;
  private final Metrics metrics;
  private final Handler<HttpServerRequest> slowPath;

  /** The last one that could be read, and is ours; null before the first. */
  private String lastHost;

  /** By the path of a list. */
  private final Map<String, Poll> lists = new HashMap<>();

  /** By the path before an id. */
  private final Map<String, LongFunction<Poll>> objects = new HashMap<>();

  /**
   * A query, and where its answers are counted.
   *
   * @param route as the table of routes has it
   */
  private record Poll(Query<?> query, String route, Counts atOnce, Counts held) {
    Poll of(Query<?> other) {
      return new Poll(other, route, atOnce, held);
    }
  }

  /** Answers with a body, and those without. */
  private record Counts(Metrics.Requests whole, Metrics.Requests known) {}

  /**
   * @param slowPath for all other requests
   */
  FastPath(
      PoolReads reads,
      Connections connections,
      Proxies proxies,
      Hosts hosts,
      Metrics metrics,
      Handler<HttpServerRequest> slowPath) {
    this.metrics = metrics;
    this.reads = reads;
    this.connections = connections;
    this.proxies = proxies;
    this.hosts = hosts;
    this.slowPath = slowPath;
    add("/v1/nodes", Kind.NODE);
    add("/v1/images", Kind.SNAPSHOT_IMAGE);
    add("/v1/dib_images", Kind.DIB_IMAGE);
    add("/v1/jobs", Kind.JOB);
  }

  private <T extends Resource> void add(String path, Kind<T> kind) {
    lists.put(path, poll(ListQuery.all(kind), path));
    Poll one = poll(null, path + "/:id");
    objects.put(path + "/", id -> one.of(new OneQuery<>(kind, id)));
  }

  private Poll poll(Query<?> query, String route) {
    return new Poll(query, route, counts(route, false), counts(route, true));
  }

  private Counts counts(String route, boolean isHeld) {
    return new Counts(
        metrics.requests("GET", route, 200, isHeld), metrics.requests("GET", route, 304, isHeld));
  }

  @Override
  public void handle(HttpServerRequest request) {
    Poll poll = isUsual(request) ? poll(request.uri()) : null;
    if (poll == null || !connections.admit(request)) {
      slowPath.handle(request);
      return;
    }
    Asked asked = new Asked(request, poll);
    if (asked.isHeld()) {
      asked.hold();
    } else {
      reads.answer(poll.query(), asked.began, asked);
    }
  }

  /** Whether nothing but the path and the headers of a poll decides what is answered. */
  private boolean isUsual(HttpServerRequest request) {
    if (request.method() != HttpMethod.GET || request.version() != HttpVersion.HTTP_1_1) {
      return false;
    }
    MultiMap headers = request.headers();
    return hasHost(request, headers)
        && takesJson(headers)
        && hasNoBody(headers)
        && staysOpen(headers)
        && !headers.contains(HttpHeaders.EXPECT);
  }

  private static boolean takesJson(MultiMap headers) {
    String accept = headers.get(HttpHeaders.ACCEPT);
    return accept == null
        || ((accept.equals("*/*") || accept.equals("application/json"))
            && headers.getAll(HttpHeaders.ACCEPT).size() == 1);
  }

  private static boolean staysOpen(MultiMap headers) {
    String connection = headers.get(HttpHeaders.CONNECTION);
    return connection == null || connection.equalsIgnoreCase("keep-alive");
  }

  /** Some clients say of each poll that there is none. */
  private static boolean hasNoBody(MultiMap headers) {
    String length = headers.get(HttpHeaders.CONTENT_LENGTH);
    return (length == null || length.equals("0"))
        && !headers.contains(HttpHeaders.TRANSFER_ENCODING);
  }

  /** Whether it has a Host that can be read, and is ours; polls nearly all have the same one. */
  private boolean hasHost(HttpServerRequest request, MultiMap headers) {
    String host = headers.get(HttpHeaders.HOST);
    if (host == null || !host.equals(lastHost)) {
      if (host == null || request.authority() == null || !hosts.isOurs(request.authority())) {
        return false;
      }
      lastHost = host;
    }
    return true;
  }

  /** Null when the path is none of these. */
  private Poll poll(String uri) {
    Poll list = lists.get(uri);
    if (list != null) {
      return list;
    }
    int end = uri.lastIndexOf('/') + 1;
    LongFunction<Poll> object = objects.get(uri.substring(0, end));
    return object == null ? null : Ids.parse(uri.substring(end)).map(object::apply).orElse(null);
  }

  /** A request, and all of it that decides the answer: read when it has come, still at hand. */
  private final class Asked implements PoolReads.Receiver {
    final HttpServerRequest request;
    final Poll poll;
    final long began = System.nanoTime();
    final String id;
    final boolean takesGzip;

    /** The first line of If-None-Match; null for none. */
    final String known;

    /** How long the client would wait for another answer than it has; empty: it does not say. */
    final OptionalInt waitSeconds;

    Asked(HttpServerRequest request, Poll poll) {
      MultiMap headers = request.headers();
      this.request = request;
      this.poll = poll;
      this.id = AccessLog.id(request);
      this.takesGzip = Codings.acceptGzip(headers.getAll(HttpHeaders.ACCEPT_ENCODING));
      this.known = headers.get(HttpHeaders.IF_NONE_MATCH);
      this.waitSeconds =
          known != null && headers.contains(PREFER)
              ? Preferences.waitSeconds(headers.getAll(PREFER), Polls.LONGEST_WAIT_SECONDS)
              : OptionalInt.empty();
    }

    /** Whether it is answered when there is another answer than the client has. */
    boolean isHeld() {
      return waitSeconds.orElse(0) > 0;
    }

    void hold() {
      PoolReads.LongPoll longPoll =
          reads.begin(poll.query(), this::isKnown, Duration.ofSeconds(waitSeconds.getAsInt()));
      request
          .response()
          .closeHandler(
              v -> {
                longPoll.end();
                AccessLog.abortedPoll(request, proxies, id, began);
              });
      longPoll.answer().onSuccess(this::answered).onFailure(this::failed);
    }

    @Override
    public void answered(Page page) {
      if (isWanted()) {
        try {
          answer(page.representation());
        } catch (Throwable e) { // nothing else would end it
          fail(e);
        }
      }
    }

    @Override
    public void failed(Throwable cause) {
      if (isWanted()) {
        fail(cause);
      }
    }

    /** Whether there is still a client. */
    private boolean isWanted() {
      if (!request.response().closed()) {
        return true;
      }
      AccessLog.abortedPoll(request, proxies, id, began);
      return false;
    }

    private void answer(Representation page) {
      HttpServerResponse response = request.response();
      String etag = page.etag(takesGzip);
      // added, not put: to look for what was there before costs more than all of them
      response
          .headers()
          .add(AccessLog.HEADER, id)
          .add(ResponseHead.VARY, Offer.VARIES)
          .add(ResponseHead.ETAG, etag)
          .add(ResponseHead.CACHE_CONTROL, ResponseHead.NO_CACHE);
      ResponseHead.begin(response.headers());
      if (waitSeconds.isPresent()) {
        response.headers().add(Preferences.APPLIED, Preferences.applied(waitSeconds.getAsInt()));
      }
      boolean isKnown = isKnown(etag);
      if (isKnown) {
        response.setStatusCode(304).end();
      } else {
        send(response, takesGzip ? page.forGzip() : page);
      }
      Counts counts = isHeld() ? poll.held() : poll.atOnce();
      (isKnown ? counts.known() : counts.whole()).answered(System.nanoTime() - began);
      AccessLog.poll(request, proxies, id, began);
    }

    private boolean isKnown(Representation page) {
      return isKnown(page.etag(takesGzip));
    }

    private boolean isKnown(String etag) {
      return known != null
          && (known.equals(etag)
              || EntityTags.of(request.headers().getAll(HttpHeaders.IF_NONE_MATCH)).matches(etag));
    }

    private void fail(Throwable cause) {
      HttpServerResponse response = request.response();
      if (response.headWritten()) {
        request.connection().close(); // all that still tells that this was not the end
        return;
      }
      response
          .headers()
          .clear() // of what was to be sent
          .add(AccessLog.HEADER, id)
          .add(HttpHeaders.VARY, Offer.VARIES);
      response.headersEndHandler(v -> ResponseHead.complete(response.headers()));
      Failures.send(request, id, cause);
      AccessLog.refused(request, proxies, id, began);
      metrics
          .requests("GET", poll.route(), response.getStatusCode(), isHeld())
          .answered(System.nanoTime() - began);
    }
  }

  private static void send(HttpServerResponse response, Representation page) {
    MultiMap answered =
        response
            .headers()
            .add(ResponseHead.CONTENT_TYPE, JSON)
            .add(ResponseHead.CONTENT_LENGTH, page.contentLength());
    if (page.coding() != null) {
      answered.add(ResponseHead.CONTENT_ENCODING, page.coding());
    }
    response.end(page.body());
  }
}
