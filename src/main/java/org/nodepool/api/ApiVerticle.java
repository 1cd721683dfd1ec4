package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.VerticleBase;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import java.util.function.Supplier;
import org.nodepool.jobs.Deletions;
import org.nodepool.jobs.JobLogs;
import org.nodepool.jobs.Jobs;
import org.nodepool.store.JobTable;
import org.nodepool.store.NodeTable;
import org.nodepool.view.PoolReads;

/** The HTTP server. */
public final class ApiVerticle extends VerticleBase {
  /**
   * What the server is told by the configuration.
   *
   * @param port 0 for any free one
   * @param protectReads whether reading needs a login too
   */
  public record Settings(
      String host, int port, String user, StoredPassword password, boolean protectReads) {
    @Override
    public String toString() {
      return "http://" + host + ":" + port;
    }
  }

  private final Settings settings;
  private final PoolReads reads;
  private final NodeTable nodes;
  private final JobTable jobTable;
  private final Jobs jobs;
  private final Deletions deletions;
  private final JobLogs logs;
  private final Supplier<Future<Void>> beforeWrites;
  private HttpServer server;

  /**
   * @param beforeWrites what is to be done before each write; its failure is the write's
   */
  public ApiVerticle(
      Settings settings,
      PoolReads reads,
      NodeTable nodes,
      JobTable jobTable,
      Jobs jobs,
      Deletions deletions,
      JobLogs logs,
      Supplier<Future<Void>> beforeWrites) {
    this.settings = settings;
    this.reads = reads;
    this.nodes = nodes;
    this.jobTable = jobTable;
    this.jobs = jobs;
    this.deletions = deletions;
    this.logs = logs;
    this.beforeWrites = beforeWrites;
  }

  @Override
  public Future<?> start() {
    Routes routes =
        new Routes(
            new NodeHandlers(reads, nodes, deletions),
            new ImageHandlers(reads, jobs, deletions),
            new DibImageHandlers(reads, jobs, deletions),
            new JobHandlers(reads, jobTable, logs),
            new EventHandlers(vertx),
            new OpenApiHandlers());
    LoginThrottle throttle = new LoginThrottle(System::nanoTime);
    Login login = new Login(vertx, settings.user(), settings.password(), throttle);
    return vertx
        .createHttpServer(
            new HttpServerOptions()
                .setHost(settings.host())
                .setPort(settings.port())
                .setHttp2ClearTextEnabled(false))
        .requestHandler(routes.router(vertx, login, beforeWrites, settings.protectReads()))
        .invalidRequestHandler(Failures::invalidRequest)
        .listen()
        .map(
            listening -> {
              server = listening;
              return null;
            });
  }

  /** Where it listens, once it is deployed. */
  public int port() {
    return server.actualPort();
  }
}
