package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.VerticleBase;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.ext.web.Router;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.nodepool.jobs.Builds;
import org.nodepool.jobs.Consoles;
import org.nodepool.jobs.Deletions;
import org.nodepool.jobs.JobLogs;
import org.nodepool.jobs.JobWaits;
import org.nodepool.jobs.Jobs;
import org.nodepool.jobs.Uploads;
import org.nodepool.store.NodeTable;
import org.nodepool.view.PoolReads;

/** The HTTP server of one event loop; those of several loops share a port. */
public final class ApiVerticle extends VerticleBase {
  /**
   * Where HTTPS has its certificate, first in a chain of them or alone, and its key, both in PEM
   * form.
   */
  public record Tls(Path cert, Path key) {
    /** Why the server could not start with them, beginning with the setting's name. Blocks. */
    public Optional<String> mistake() {
      Vertx vertx = Vertx.vertx();
      try {
        TlsFiles.read(vertx, this);
        return Optional.empty();
      } catch (IOException e) {
        return Optional.of(e.getMessage());
      } finally {
        vertx.close();
      }
    }
  }

  /**
   * The settings of the server.
   *
   * @param port 0 for any free one
   * @param tls null for plain HTTP
   * @param protectReads whether reading needs a login too
   * @param hosts what the service is asked for by
   * @param proxies those that are trusted to say whom they speak for
   * @param allowedOrigins the origins, besides its own, of pages that may call the service: {@code
   *     https://ci.example.org}
   */
  public record Settings(
      String host,
      int port,
      Tls tls,
      String user,
      StoredPassword password,
      boolean protectReads,
      Hosts hosts,
      Proxies proxies,
      List<String> allowedOrigins) {
    @Override
    public String toString() {
      return (tls == null ? "http://" : "https://") + host + ":" + port;
    }
  }

  /** Shared by all event loops that answer. Thread-safe. */
  public static final class Shared {
    private final Connections.Total connections;
    private final Connections.Patience patience;
    private final Metrics metrics;
    private final UnsharedAnswers unsharedAnswers =
        new UnsharedAnswers(Runtime.getRuntime().maxMemory() / 8);
    private final Login.Memory logins = new Login.Memory(System::nanoTime);

    /**
     * @param maxConnections the newest beyond that are refused
     */
    public Shared(int maxConnections, Metrics metrics) {
      this(maxConnections, metrics, Connections.Patience.USUAL);
    }

    Shared(int maxConnections, Metrics metrics, Connections.Patience patience) {
      this.metrics = metrics;
      this.connections = new Connections.Total(maxConnections, Runtime.getRuntime().maxMemory());
      this.patience = patience;
      metrics.watch(connections);
    }
  }

  /** To Vert.x: a free one, the same for all loops. */
  private static final int ANY_SHARED_PORT = -1;

  /** A stream of events would never end by itself. */
  private static final long STOP_LIMIT_SECONDS = 1;

  /** What accepts work, and what asks providers at once. */
  public record Accepting(
      Builds builds, Uploads uploads, Deletions deletions, Jobs jobs, Consoles consoles) {}

  private final Settings settings;
  private final Shared shared;
  private final PoolReads.Sources sources;
  private final NodeTable nodes;
  private final Accepting accepting;
  private final JobLogs logs;
  private final JobWaits waits;
  private final Supplier<Future<Void>> beforeWrites;
  private final Readiness readiness;
  private PoolReads reads;
  private HttpServer server;

  /**
   * @param beforeWrites reads the pool's configuration before each write; its failure is the
   *     write's, which is 503 when it takes more than five seconds
   */
  public ApiVerticle(
      Settings settings,
      Shared shared,
      PoolReads.Sources sources,
      NodeTable nodes,
      Accepting accepting,
      JobLogs logs,
      JobWaits waits,
      Supplier<Future<Void>> beforeWrites,
      Readiness readiness) {
    this.settings = settings;
    this.shared = shared;
    this.sources = sources;
    this.nodes = nodes;
    this.accepting = accepting;
    this.logs = logs;
    this.waits = waits;
    this.beforeWrites = beforeWrites;
    this.readiness = readiness;
  }

  @Override
  public Future<?> start() {
    reads = new PoolReads(vertx, sources);
    shared.metrics.watch(vertx);
    Polls polls = new Polls(reads, shared.unsharedAnswers);
    Routes routes =
        new Routes(
            polls,
            new NodeHandlers(nodes, accepting.deletions(), accepting.consoles()),
            new ImageHandlers(accepting.uploads(), accepting.deletions()),
            new DibImageHandlers(accepting.builds(), accepting.uploads(), accepting.deletions()),
            new JobHandlers(reads, polls, accepting.jobs(), logs, waits),
            new ProviderHandlers(reads),
            new EventHandlers(vertx),
            new OpenApiHandlers(),
            new SelfHandlers(readiness),
            ctx -> shared.metrics.get(ctx, reads));
    return reads
        .open()
        .compose(v -> vertx.executeBlocking(this::options))
        .compose(options -> listen(options, routes))
        .map(
            listening -> {
              server = listening;
              if (settings.tls() != null) {
                TlsFollower.follow(vertx, server, settings.tls());
              }
              return null;
            });
  }

  private Future<HttpServer> listen(HttpServerOptions options, Routes routes) {
    Connections connections =
        new Connections(
            vertx,
            options,
            shared.connections,
            settings.proxies(),
            settings.hosts(),
            shared.metrics,
            shared.patience);
    var guards =
        new Routes.Guards(
            shared.metrics,
            settings.proxies(),
            new Login(vertx, settings.user(), settings.password(), shared.logins),
            new CrossOrigin(settings.allowedOrigins()),
            new Body(connections),
            beforeWrites,
            settings.protectReads());
    return vertx
        .createHttpServer(options)
        .connectionHandler(connections::opened)
        .requestHandler(requests(routes.router(vertx, guards), connections))
        .listen();
  }

  /** A request that needs a login, or is for pages of other origins, has no fast path. */
  private Handler<HttpServerRequest> requests(Router router, Connections connections) {
    boolean isPlain = !settings.protectReads() && settings.allowedOrigins().isEmpty();
    Handler<HttpServerRequest> slowPath = request -> connections.check(request, router);
    return isPlain
        ? new FastPath(
            reads, connections, settings.proxies(), settings.hosts(), shared.metrics, slowPath)
        : slowPath;
  }

  /** Lets the answers that are under way go out. */
  @Override
  public Future<?> stop() {
    reads.close();
    return server == null
        ? Future.succeededFuture()
        : server.shutdown(STOP_LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  private HttpServerOptions options() throws IOException {
    HttpServerOptions options =
        Connections.options()
            .setHost(settings.host())
            .setPort(settings.port() == 0 ? ANY_SHARED_PORT : settings.port());
    if (settings.tls() != null) {
      options
          .setSsl(true)
          .setEnabledSecureTransportProtocols(TlsFollower.PROTOCOLS)
          .setKeyCertOptions(TlsFiles.read(vertx, settings.tls()));
    }
    return options;
  }

  /** Where it listens, once it is deployed. */
  public int port() {
    return server.actualPort();
  }
}
