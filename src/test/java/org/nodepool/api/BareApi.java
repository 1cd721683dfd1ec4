package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.time.Clock;
import java.util.List;
import java.util.function.Supplier;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;
import org.nodepool.store.JobHistory;
import org.nodepool.store.WorkerTable;
import org.nodepool.view.Picture;
import org.nodepool.view.PoolReads;

/**
 * The HTTP server alone, with settings of a test's own and nothing behind it: for what is answered
 * before anything is read.
 */
public final class BareApi implements AutoCloseable {
  public static final String USER = "ann";
  public static final String PASSWORD = "right";

  private final Vertx vertx;
  private final String deployment;
  private final int port;

  /** Listens, or fails as a start of the service does. */
  public BareApi(
      Vertx vertx, ApiVerticle.Tls tls, List<String> allowedOrigins, Readiness readiness) {
    this(vertx, tls, allowedOrigins, Future::succeededFuture, readiness);
  }

  /** One that does that before each write. */
  public BareApi(Vertx vertx, Supplier<Future<Void>> beforeWrites) {
    this(vertx, null, List.of(), beforeWrites, null);
  }

  /** One that takes so many connections, and closes those on which nothing goes on so soon. */
  BareApi(Vertx vertx, int maxConnections, Connections.Patience patience) {
    this(vertx, null, List.of(), Future::succeededFuture, null, maxConnections, patience);
  }

  private BareApi(
      Vertx vertx,
      ApiVerticle.Tls tls,
      List<String> allowedOrigins,
      Supplier<Future<Void>> beforeWrites,
      Readiness readiness) {
    this(vertx, tls, allowedOrigins, beforeWrites, readiness, 1_000, Connections.Patience.USUAL);
  }

  private BareApi(
      Vertx vertx,
      ApiVerticle.Tls tls,
      List<String> allowedOrigins,
      Supplier<Future<Void>> beforeWrites,
      Readiness readiness,
      int maxConnections,
      Connections.Patience patience) {
    ApiVerticle.Settings settings =
        new ApiVerticle.Settings(
            "127.0.0.1",
            0,
            tls,
            USER,
            StoredPassword.of(PASSWORD),
            false,
            Hosts.ANY,
            Proxies.NONE,
            allowedOrigins);
    Database db =
        new Database(
            vertx,
            new Database.Address("127.0.0.1", 1, "none", "nobody", null),
            Clock.systemUTC(),
            new ChangeLog());
    PoolReads.Sources nothing =
        new PoolReads.Sources(
            db,
            Picture.ofPool(db, isLogged -> {}),
            Picture.ofJobs(db, new JobHistory(db, null, 1), isLogged -> {}),
            null,
            new WorkerTable(db),
            null,
            null,
            null,
            Clock.systemUTC(),
            null);
    ApiVerticle api =
        new ApiVerticle(
            settings,
            new ApiVerticle.Shared(maxConnections, new Metrics(nothing), patience),
            nothing,
            null,
            new ApiVerticle.Accepting(null, null, null, null, null),
            null,
            null,
            beforeWrites,
            readiness);
    this.vertx = vertx;
    deployment = vertx.deployVerticle(api).await();
    port = api.port();
  }

  public int port() {
    return port;
  }

  @Override
  public void close() {
    vertx.undeploy(deployment).await();
  }
}
