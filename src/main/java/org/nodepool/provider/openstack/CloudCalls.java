package org.nodepool.provider.openstack;

import io.vertx.core.AsyncResult;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.json.JsonObject;
import io.vertx.core.net.PemTrustOptions;
import io.vertx.core.streams.ReadStream;
import io.vertx.ext.web.client.HttpRequest;
import io.vertx.ext.web.client.HttpResponse;
import io.vertx.ext.web.client.WebClient;
import io.vertx.ext.web.client.WebClientOptions;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.nodepool.async.Backoff;
import org.nodepool.config.CloudAccess;
import org.nodepool.config.DriverConfig.OpenStack;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.provider.CallNotes;
import org.nodepool.provider.Driver;

/**
 * HTTP calls to one cloud, at the pace that is configured for it. To be used on one context alone.
 *
 * <p>Every future fails with {@link ProviderAway} when there is no answer, or one that says that it
 * may be another a little later (429, 5xx). All other answers are results.
 */
final class CloudCalls {
  /** A call that fails so is made again at once a few times, before the job has to wait. */
  private static final int TRIES = 4;

  /** A cloud that asks for more is left alone: the job waits, not the worker. */
  private static final Backoff BACKOFF = new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(10));

  private final Vertx vertx;
  private final String provider;
  private final OpenStack config;
  private final CallNotes notes;
  private final WebClient client;
  private final Duration timeout;
  private final Duration rate;

  /** When the next call may begin, by {@link System#nanoTime}; null before the first. */
  private Long nextTurn;

  /** A request that has a body of its own, if any, each time that it is sent. */
  interface Sending {
    Future<HttpResponse<Buffer>> send(HttpRequest<Buffer> request);
  }

  CloudCalls(String provider, OpenStack config, Driver.Tools tools) {
    this.vertx = tools.vertx();
    this.provider = provider;
    this.config = config;
    this.notes = tools.notes();
    this.timeout = config.apiTimeout();
    this.rate = config.rate();
    this.client = WebClient.create(vertx, options(config));
  }

  /** Ends the calls that are under way but for {@link #put}, which its context ends. */
  void close() {
    client.close();
  }

  /** A connection serves one call: none can be found closed by the server when it is used again. */
  private static WebClientOptions options(OpenStack config) {
    CloudAccess access = config.access();
    Duration timeout = config.apiTimeout();
    WebClientOptions options =
        new WebClientOptions()
            .setUserAgent("nodepool")
            .setFollowRedirects(false)
            .setKeepAlive(false)
            .setConnectTimeout((int) Math.min(timeout.toMillis(), Integer.MAX_VALUE))
            .setTrustAll(!access.verify())
            .setVerifyHost(access.verify());
    if (access.verify() && access.caCert() != null) {
      options.setTrustOptions(new PemTrustOptions().addCertPath(access.caCert().toString()));
    }
    return options;
  }

  /** How long a call may take. */
  Duration timeout() {
    return timeout;
  }

  /**
   * Reads; a fault that passes at once is not seen.
   *
   * @param token null for what needs no login
   */
  Future<CloudAnswer> get(String url, String token) {
    return again(() -> once(HttpMethod.GET, url, token, HttpRequest::send));
  }

  /** As {@link #get}. */
  Future<CloudAnswer> delete(String url, String token) {
    return again(() -> once(HttpMethod.DELETE, url, token, HttpRequest::send));
  }

  /** Sends it once: whether it has been done is not known when there is no answer. */
  Future<CloudAnswer> post(String url, String token, JsonObject body) {
    return once(HttpMethod.POST, url, token, request -> request.sendJsonObject(body));
  }

  /**
   * Sends it once; there is no limit to how long that takes.
   *
   * <p>A server that refuses data before it has read them, and that was told to close the
   * connection after its answer, does so with data unread: a reset, in which the answer is lost. So
   * this connection is kept alive for the server, and closed here.
   */
  Future<CloudAnswer> put(String url, String token, long sizeBytes, ReadStream<Buffer> body) {
    WebClient sender = WebClient.create(vertx, options(config).setKeepAlive(true));
    return turn()
        .compose(
            v ->
                request(sender, HttpMethod.PUT, url, token)
                    .putHeader("Content-Type", "application/octet-stream")
                    .putHeader("Content-Length", Long.toString(sizeBytes))
                    .sendStream(body))
        .onComplete(v -> sender.close())
        .transform(answer -> judged(HttpMethod.PUT, url, answer));
  }

  /** Tries a few times, with growing pauses or those that the cloud asks for. */
  <T> Future<T> again(Supplier<Future<T>> call) {
    return again(call, 1);
  }

  private <T> Future<T> again(Supplier<Future<T>> call, int number) {
    return call.get()
        .recover(
            e -> {
              Duration wanted =
                  e instanceof ProviderAway away && away.pause() != null
                      ? away.pause()
                      : BACKOFF.after(number);
              boolean isLast = number == TRIES || wanted.compareTo(BACKOFF.longest()) > 0;
              return !(e instanceof ProviderAway) || isLast
                  ? Future.failedFuture(e)
                  : pause(wanted).compose(v -> again(call, number + 1));
            });
  }

  Future<Void> pause(Duration length) {
    return vertx.timer(Math.max(1, length.toMillis()), TimeUnit.MILLISECONDS).mapEmpty();
  }

  private Future<CloudAnswer> once(HttpMethod method, String url, String token, Sending sending) {
    return turn()
        .compose(v -> sending.send(request(client, method, url, token).timeout(timeout.toMillis())))
        // besides: an answer that trickles in
        .timeout(timeout.toMillis() * 2, TimeUnit.MILLISECONDS)
        .transform(answer -> judged(method, url, answer));
  }

  private static HttpRequest<Buffer> request(
      WebClient client, HttpMethod method, String url, String token) {
    HttpRequest<Buffer> request =
        client.requestAbs(method, url).putHeader("Accept", "application/json");
    return token == null ? request : request.putHeader("X-Auth-Token", token);
  }

  /** Completes when a call may begin; those that wait are served in their order. */
  private Future<Void> turn() {
    long now = System.nanoTime();
    long begin = nextTurn == null ? now : Math.max(now, nextTurn);
    nextTurn = begin + rate.toNanos();
    return begin == now ? Future.succeededFuture() : pause(Duration.ofNanos(begin - now));
  }

  private Future<CloudAnswer> judged(
      HttpMethod method, String url, AsyncResult<HttpResponse<Buffer>> response) {
    if (response.failed()) {
      return unanswered(method, url, response.cause());
    }
    CloudAnswer answer = new CloudAnswer(response.result());
    if (answer.status() < 400 || answer.status() == 404) {
      notes.succeeded(provider);
      return Future.succeededFuture(answer);
    }
    String why =
        "%s %s is answered %d: %s".formatted(method, url, answer.status(), answer.reason());
    if (answer.mayPass()) {
      return away(why, null, answer.pause());
    }
    notes.failed(provider, why);
    return Future.succeededFuture(answer);
  }

  private Future<CloudAnswer> unanswered(HttpMethod method, String url, Throwable cause) {
    for (Throwable t = cause; t != null; t = t.getCause()) {
      if (t instanceof ProviderFailure) {
        return Future.failedFuture(t); // it is we who ended it
      }
    }
    String message = String.valueOf(cause.getMessage()).replaceAll("\\p{Cntrl}", " ");
    return away("%s %s is not answered: %s".formatted(method, url, message), cause, null);
  }

  private <T> Future<T> away(String why, Throwable cause, Duration pause) {
    notes.failed(provider, why);
    return Future.failedFuture(
        new ProviderAway("Provider %s: %s".formatted(provider, why), cause, pause));
  }
}
