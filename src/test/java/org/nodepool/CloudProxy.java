package org.nodepool;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.RequestOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Predicate;

/**
 * Stands between the service and a service of a cloud, and is what networks and overloaded servers
 * are. Faults are for the requests that they are made for, and for as many as that is said of.
 */
final class CloudProxy implements AutoCloseable {
  /** A request that has come, by {@link System#nanoTime}. */
  record Seen(String method, String path, long time) {}

  /** What is done instead of passing a request on. */
  private record Fault(
      Predicate<HttpServerRequest> of, int[] left, Kind kind, long bytes, Answer answer) {}

  private record Answer(int status, Map<String, String> headers, String body) {}

  private enum Kind {
    /** Answered, without a word to the server. */
    ANSWER,
    /** After so many bytes of the body both connections are closed. */
    CUT,
    /** After so many bytes of the body nothing more is passed on. */
    STALL,
    /** The server's answer is not passed on; the connection is closed. */
    LOSE_ANSWER,
    /** The request is passed on, its answer never. */
    HIDE_ANSWER
  }

  private final Vertx vertx = Vertx.vertx();
  private final HttpServer server;
  private final int target;
  private final List<Seen> seen = new CopyOnWriteArrayList<>();
  private final List<Fault> faults = new CopyOnWriteArrayList<>();
  private final List<Runnable> stalled = new ArrayList<>();

  CloudProxy(int target) {
    this.target = target;
    this.server =
        vertx.createHttpServer().requestHandler(this::serve).listen(0, "127.0.0.1").await();
  }

  int port() {
    return server.actualPort();
  }

  /** All requests, in their order. */
  List<Seen> seen() {
    return List.copyOf(seen);
  }

  /** How many of that method there were whose path has this in it. */
  long count(String method, String part) {
    return seen.stream().filter(s -> s.method().equals(method) && s.path().contains(part)).count();
  }

  /** Answers the next ones itself. */
  void answer(
      int times, String method, String part, int status, Map<String, String> headers, String body) {
    add(times, method, part, Kind.ANSWER, 0, new Answer(status, headers, body));
  }

  void cut(String method, String part, long afterBytes) {
    add(1, method, part, Kind.CUT, afterBytes, null);
  }

  void stall(String method, String part, long afterBytes) {
    add(1, method, part, Kind.STALL, afterBytes, null);
  }

  void loseAnswer(String method, String part) {
    add(1, method, part, Kind.LOSE_ANSWER, 0, null);
  }

  void hideAnswer(String method, String part) {
    add(1, method, part, Kind.HIDE_ANSWER, 0, null);
  }

  private void add(int times, String method, String part, Kind kind, long bytes, Answer answer) {
    faults.add(
        new Fault(
            request -> request.method().name().equals(method) && request.uri().contains(part),
            new int[] {times},
            kind,
            bytes,
            answer));
  }

  /** Whether all faults have been used up. */
  boolean isSpent() {
    return faults.stream().allMatch(fault -> fault.left[0] == 0);
  }

  /** What is stalled goes on, and nothing more goes wrong. */
  void mend() {
    faults.clear();
    resume();
  }

  private synchronized void resume() {
    stalled.forEach(Runnable::run);
    stalled.clear();
  }

  private synchronized void stalled(Runnable resumption) {
    stalled.add(resumption);
  }

  /** Whether a request is stalled. */
  synchronized boolean isStalled() {
    return !stalled.isEmpty();
  }

  /** Nothing goes wrong, and nothing has been seen. */
  void reset() {
    mend();
    seen.clear();
  }

  private void serve(HttpServerRequest request) {
    seen.add(new Seen(request.method().name(), request.uri(), System.nanoTime()));
    Fault fault =
        faults.stream().filter(f -> f.left[0] > 0 && f.of.test(request)).findFirst().orElse(null);
    if (fault != null) {
      fault.left[0]--;
    }
    if (fault != null && fault.kind == Kind.ANSWER) {
      fault.answer.headers.forEach(request.response()::putHeader);
      request
          .response()
          .putHeader("Connection", "close")
          .setStatusCode(fault.answer.status)
          .end(fault.answer.body);
      return;
    }
    request.pause();
    // told to close it, the server would do so with data unread, and its answer were lost
    HttpClient client = vertx.createHttpClient();
    request.response().endHandler(v -> client.close());
    request.connection().closeHandler(v -> client.close());
    client
        .request(
            new RequestOptions()
                .setHost("127.0.0.1")
                .setPort(target)
                .setMethod(HttpMethod.valueOf(request.method().name()))
                .setURI(request.uri()))
        .onFailure(e -> request.connection().close())
        .onSuccess(out -> pass(request, out, fault));
  }

  private void pass(HttpServerRequest request, HttpClientRequest out, Fault fault) {
    request
        .headers()
        .forEach(
            (name, value) -> {
              if (!name.equalsIgnoreCase("Host") && !name.equalsIgnoreCase("Connection")) {
                out.putHeader(name, value);
              }
            });
    if (request.headers().get("Content-Length") == null && request.method() == HttpMethod.PUT) {
      out.setChunked(true);
    }
    out.response()
        .onSuccess(response -> answer(request, response, fault))
        .onFailure(e -> request.connection().close());
    long[] passed = {0};
    request.handler(
        data -> {
          if (request.response().ended()) {
            return; // refused, and read to its end all the same
          }
          if (fault != null && passed[0] + data.length() > fault.bytes) {
            if (fault.kind == Kind.CUT) {
              out.connection().close();
              request.connection().close();
              return;
            }
            if (fault.kind == Kind.STALL && faults.contains(fault)) {
              request.pause();
              stalled(
                  () ->
                      vertx.runOnContext(
                          v -> {
                            write(request, out, data);
                            request.resume();
                          }));
              if (!faults.contains(fault)) {
                resume(); // mended in the meantime
              }
              return;
            }
          }
          passed[0] += data.length();
          write(request, out, data);
        });
    request.endHandler(
        v -> {
          if (!request.response().ended()) {
            out.end();
          }
        });
    request.resume();
  }

  private static void write(HttpServerRequest request, HttpClientRequest out, Buffer data) {
    out.write(data);
    if (out.writeQueueFull()) {
      request.pause();
      out.drainHandler(v -> request.resume());
    }
  }

  private void answer(HttpServerRequest request, HttpClientResponse response, Fault fault) {
    if (fault != null && fault.kind == Kind.LOSE_ANSWER) {
      request.connection().close();
      return;
    }
    if (fault != null && fault.kind == Kind.HIDE_ANSWER) {
      return;
    }
    Future<Buffer> body = response.body();
    request.response().setStatusCode(response.statusCode());
    response
        .headers()
        .forEach(
            (name, value) -> {
              if (!name.equalsIgnoreCase("Transfer-Encoding")
                  && !name.equalsIgnoreCase("Content-Length")
                  && !name.equalsIgnoreCase("Connection")) {
                request.response().putHeader(name, value);
              }
            });
    body.onSuccess(request.response()::end).onFailure(e -> request.connection().close());
  }

  @Override
  public void close() {
    vertx.close().await();
  }
}
