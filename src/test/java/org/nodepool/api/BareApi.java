package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.util.List;
import java.util.function.Supplier;

/**
 * The HTTP server alone, with settings of a test's own and nothing behind it: for what is answered
 * before anything is read.
 */
public final class BareApi implements AutoCloseable {
  public static final String USER = "ann";
  public static final String PASSWORD = "right";

  private final Vertx vertx = Vertx.vertx();
  private final int port;

  /** Listens, or fails as a start of the service does. */
  public BareApi(ApiVerticle.Tls tls, List<String> allowedOrigins, Readiness readiness) {
    this(tls, allowedOrigins, Future::succeededFuture, readiness);
  }

  /** One that does that before each write. */
  public BareApi(Supplier<Future<Void>> beforeWrites) {
    this(null, List.of(), beforeWrites, null);
  }

  private BareApi(
      ApiVerticle.Tls tls,
      List<String> allowedOrigins,
      Supplier<Future<Void>> beforeWrites,
      Readiness readiness) {
    ApiVerticle.Settings settings =
        new ApiVerticle.Settings(
            "127.0.0.1", 0, tls, USER, StoredPassword.of(PASSWORD), false, allowedOrigins);
    ApiVerticle api =
        new ApiVerticle(
            settings, null, null, null, null, null, null, null, beforeWrites, readiness);
    try {
      vertx.deployVerticle(api).await();
    } catch (RuntimeException e) {
      vertx.close().await();
      throw e;
    }
    port = api.port();
  }

  public int port() {
    return port;
  }

  @Override
  public void close() {
    vertx.close().await();
  }
}
