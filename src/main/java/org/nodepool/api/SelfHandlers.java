package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.web.RoutingContext;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.nodepool.api.Readiness.Report;
import org.nodepool.view.Json;
import org.nodepool.view.Representation;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The service about itself: {@code /healthz}, {@code /readyz}, {@code /v1}. Lives on one event
 * loop.
 */
final class SelfHandlers {
  private static final Logger log = LoggerFactory.getLogger(SelfHandlers.class);

  /** API.md: an answer within 2 seconds; the database says itself, before, that it is away. */
  private static final long CHECK_LIMIT_MS = 1_900;

  private static final Representation ALIVE =
      new Representation(Buffer.buffer("{\"status\":\"ok\"}"), Json.CONTENT_TYPE);

  private final String version;
  private final Readiness readiness;

  /** The check that those share who ask while it is under way; null when none is. */
  private Future<Report> underWay;

  SelfHandlers(Readiness readiness) {
    this.version = buildVersion();
    this.readiness = readiness;
  }

  /** Written by the build. */
  private static String buildVersion() {
    Properties build = new Properties();
    try (InputStream in = SelfHandlers.class.getResourceAsStream("/build.properties")) {
      build.load(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return build.getProperty("version");
  }

  /** The process lives and answers; it looks at nothing else. */
  Future<Answer> healthz(RoutingContext ctx) {
    Input.noQuery(ctx);
    return Future.succeededFuture(Answer.of(ctx, ALIVE));
  }

  Future<Answer> readyz(RoutingContext ctx) {
    Input.noQuery(ctx);
    return report()
        .map(
            report -> {
              boolean isReady = report.reasons().isEmpty();
              JsonObject document =
                  new JsonObject()
                      .put("ready", isReady)
                      .put("reasons", new JsonArray(report.reasons()))
                      .put("warnings", new JsonArray(report.warnings()));
              Representation shown = new Representation(document.toBuffer(), Json.CONTENT_TYPE);
              return isReady
                  ? Answer.of(ctx, shown)
                  : response -> {
                    response.putHeader(HttpHeaders.RETRY_AFTER, "1");
                    Answer.untagged(ctx, 503, shown).send(response);
                  };
            });
  }

  private Future<Report> report() {
    if (underWay != null) {
      return underWay;
    }
    Future<Report> check =
        Future.succeededFuture()
            .compose(v -> readiness.check())
            .timeout(CHECK_LIMIT_MS, TimeUnit.MILLISECONDS)
            .otherwise(SelfHandlers::notChecked);
    underWay = check;
    check.onComplete(done -> underWay = null);
    return check;
  }

  private static Report notChecked(Throwable e) {
    if (e instanceof TimeoutException) {
      return new Report(List.of("The checks did not end in time."), List.of());
    }
    log.error("whether the service is ready cannot be checked", e);
    return new Report(List.of("The checks failed; the service's log has the details."), List.of());
  }

  /** What this is, and where to go on: every path that needs no name. */
  Future<Answer> version(RoutingContext ctx, Supplier<List<String>> paths) {
    Input.noQuery(ctx);
    String prefix = Proxies.client(ctx).prefix();
    JsonObject links = new JsonObject();
    for (String path : paths.get()) {
      links.put(path.replaceFirst("^/(v1/)?", "").replaceFirst("\\.json$", ""), prefix + path);
    }
    JsonObject document =
        new JsonObject()
            .put("name", "nodepool")
            .put("version", version)
            .put("api", "v1")
            .put("links", links);
    return Future.succeededFuture(
        Answer.of(ctx, new Representation(document.toBuffer(), Json.CONTENT_TYPE)));
  }
}
