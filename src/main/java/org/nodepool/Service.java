package org.nodepool;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.WorkerExecutor;
import io.vertx.core.file.FileSystemOptions;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.nodepool.api.ApiVerticle;
import org.nodepool.api.Hosts;
import org.nodepool.api.Metrics;
import org.nodepool.api.MostConnections;
import org.nodepool.api.Proxies;
import org.nodepool.api.Readiness;
import org.nodepool.api.StoredPassword;
import org.nodepool.changes.ChangeKeeper;
import org.nodepool.changes.TriggerWatch;
import org.nodepool.changes.Turns;
import org.nodepool.config.ApiConfig;
import org.nodepool.config.ApiConfig.Role;
import org.nodepool.config.PoolConfig;
import org.nodepool.config.PoolFile;
import org.nodepool.events.EventPublisher;
import org.nodepool.jobs.Builds;
import org.nodepool.jobs.Consoles;
import org.nodepool.jobs.Deletions;
import org.nodepool.jobs.JobLogs;
import org.nodepool.jobs.JobWaits;
import org.nodepool.jobs.Jobs;
import org.nodepool.jobs.Knock;
import org.nodepool.jobs.NewJobs;
import org.nodepool.jobs.ServerHosts;
import org.nodepool.jobs.Uploads;
import org.nodepool.jobs.run.ThisWorker;
import org.nodepool.model.Problem;
import org.nodepool.model.Worker;
import org.nodepool.provider.Driver;
import org.nodepool.provider.Providers;
import org.nodepool.provider.directory.DirectoryDriver;
import org.nodepool.provider.openstack.OpenStackDriver;
import org.nodepool.provider.qemu.QemuDriver;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;
import org.nodepool.store.WorkerTable;
import org.nodepool.store.embedded.EmbeddedMariaDb;
import org.nodepool.store.schema.Schema;
import org.nodepool.store.schema.SchemaWatch;
import org.nodepool.view.JobView;
import org.nodepool.view.Picture;
import org.nodepool.view.PollStats;
import org.nodepool.view.PoolProvider;
import org.nodepool.view.PoolReads;
import org.nodepool.view.PoolView;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The running service: makes every object by hand, in the order in which they need each other. */
final class Service {
  /** One for each way in which a provider may be configured. */
  static final List<Driver<?>> DRIVERS =
      List.of(new OpenStackDriver(), new DirectoryDriver(), new QemuDriver());

  private static final Logger log = LoggerFactory.getLogger(Service.class);

  /** The event loops that answer: one would leave all but one processor to others. */
  private static final int LOOPS = Math.max(2, Runtime.getRuntime().availableProcessors());

  private static final long START_LIMIT_SECONDS = 120;

  /** A changed nodepool.yaml is in force within ten seconds, and reading it may take three. */
  private static final long REFRESH_PERIOD_MS = 5_000;

  /**
   * A stop may take ten seconds in all: five of these are the worker's; the database has the rest.
   */
  private static final long STOP_LIMIT_SECONDS = 7;

  /** A database server that hangs would not let go of its connections. */
  private static final long CLOSE_LIMIT_SECONDS = 1;

  private final Installation installation;
  private final Optional<EmbeddedMariaDb> server;
  private final Vertx vertx;
  private final Database db;
  private final TriggerWatch triggers;
  private final SchemaWatch schema;
  private final Path passwordFile;

  /** Null when this process does not have the role. */
  private WorkerRole worker;

  /** The verticles' deployments, one an event loop. */
  private final List<Future<String>> api = new ArrayList<>();

  private Future<String> keeper = Future.failedFuture("it answers no requests");

  private Providers providers;
  private JobWaits waits;
  private int port;

  /** From then on nothing new is begun; read on event loops. */
  private volatile boolean isStopping;

  private Service(
      Installation installation,
      Optional<EmbeddedMariaDb> server,
      Vertx vertx,
      Database db,
      Path passwordFile) {
    this.installation = installation;
    this.server = server;
    this.vertx = vertx;
    this.db = db;
    this.triggers = new TriggerWatch(db);
    this.schema = new SchemaWatch(vertx, db, triggers::looked);
    this.passwordFile = passwordFile;
  }

  /**
   * Starts all parts of this process's roles; returns when requests are answered. When one fails,
   * those that were started are stopped again.
   *
   * @param external an operator's own database, which may be away: it is used when it answers;
   *     empty for the embedded one
   * @throws IOException with a sentence for people
   */
  static Service start(
      ApiConfig config,
      PoolFile pool,
      Optional<Database.Address> external,
      Map<String, String> environment)
      throws IOException, InterruptedException {
    Installation installation = Installation.open(config.stateDir());
    Service service = null;
    Optional<EmbeddedMariaDb> server = Optional.empty();
    try {
      boolean makesPassword = config.roles().contains(Role.API) && config.apiPassword() == null;
      StoredPassword password =
          makesPassword
              ? stored(installation.adminPasswordFile(), installation.adminPassword())
              : given(config);
      if (external.isEmpty()) {
        server = Optional.of(EmbeddedMariaDb.start(config.database().dataDir()));
      }
      Database.Address address = server.map(EmbeddedMariaDb::address).or(() -> external).get();
      Vertx vertx = newVertx();
      ChangeLog changes = new ChangeLog();
      Database db = new Database(vertx, address, Clock.systemUTC(), changes);
      Path passwordFile = makesPassword ? installation.adminPasswordFile() : null;
      service = new Service(installation, server, vertx, db, passwordFile);
      service.deploy(config, pool, changes, password, environment);
      return service;
    } catch (IOException | InterruptedException | RuntimeException e) {
      if (service != null) {
        service.stop();
      } else {
        server.ifPresent(EmbeddedMariaDb::stop);
        installation.close();
      }
      throw e;
    }
  }

  /**
   * Mistakes that stop the start although each setting is right in itself: a hash that cannot be
   * checked, PEM files that cannot be used. Each as {@code <dotted key>: <what>}. Blocks.
   */
  static List<String> mistakes(ApiConfig config) {
    List<String> mistakes = new ArrayList<>();
    try {
      given(config);
    } catch (IOException e) {
      mistakes.add(e.getMessage());
    }
    try {
      proxies(config.server());
    } catch (IllegalArgumentException e) {
      mistakes.add("server.trusted_proxies: " + e.getMessage());
    }
    ApiVerticle.Tls tls = tls(config.server().tls());
    if (tls != null) {
      tls.mistake().ifPresent(mistakes::add);
    }
    return mistakes;
  }

  /** Null when the configuration has none. */
  private static StoredPassword given(ApiConfig config) throws IOException {
    return config.apiPassword() == null ? null : stored("api_password", config.apiPassword());
  }

  private static StoredPassword stored(Object where, String text) throws IOException {
    try {
      return StoredPassword.of(text);
    } catch (IllegalArgumentException e) {
      throw new IOException("%s: %s".formatted(where, e.getMessage()), e);
    }
  }

  private static Vertx newVertx() {
    Vertx vertx =
        Vertx.vertx(
            new VertxOptions()
                .setFileSystemOptions(
                    new FileSystemOptions()
                        .setClassPathResolvingEnabled(false)
                        .setFileCachingEnabled(false)));
    return vertx.exceptionHandler(OutOfMemory::uncaught);
  }

  private void deploy(
      ApiConfig config,
      PoolFile pool,
      ChangeLog changes,
      StoredPassword password,
      Map<String, String> environment)
      throws IOException, InterruptedException {
    var thisWorker = new ThisWorker(Installation.hostName(), installation.id());
    Store store = Store.of(db, config.database().removeFailedRows(), config.jobs().keepMost());
    JobLogs logs = new JobLogs(config.jobs().logDir(), thisWorker.host(), store.workers());
    Knock knock = new Knock(vertx.eventBus());
    providers =
        new Providers(
            vertx,
            thisWorker.host(),
            pool::current,
            DRIVERS,
            name -> WorkerRole.executorOf(name, vertx, config.jobs()));
    var accepting = accepting(store, pool::current, providers, thisWorker.host(), knock);
    waits = new JobWaits(vertx, store.jobs(), changes);
    EventPublisher.start(changes, vertx.eventBus());
    if (config.roles().contains(Role.WORKER)) {
      worker =
          new WorkerRole(
              vertx,
              store,
              pool::current,
              config,
              thisWorker,
              logs,
              accepting.deletions(),
              providers,
              knock,
              environment);
    }
    Picture<PoolView> rows = Picture.ofPool(db, triggers::noteLogging);
    Picture<JobView> jobs = Picture.ofJobs(db, store.history(), triggers::noteLogging);
    PoolReads.Sources reads =
        new PoolReads.Sources(
            db,
            rows,
            jobs,
            store.attempts(),
            store.workers(),
            store.calls(),
            store.looks(),
            () -> shown(pool.current()),
            Clock.systemUTC(),
            new PollStats());
    Supplier<Future<Void>> refresh = refreshing(pool);
    Readiness readiness = () -> readiness(pool, store.workers());
    if (server.isPresent()) {
      // what our own server refuses now, it refuses for ever
      await(Schema.apply(db));
    }
    Future<Void> inService = triggers.tried();
    schema.start();
    Future<Void> working = worker == null ? inService : inService.compose(v -> worker.start());
    if (server.isPresent()) {
      // before the API: nobody can knock before someone listens
      await(working);
    } else {
      working.onFailure(e -> log.error("no job will be run", e));
    }
    if (config.roles().contains(Role.API)) {
      await(Future.all(vertx.deployVerticle(rows), vertx.deployVerticle(jobs)));
      await(rows.begin());
      Map<String, ChangeKeeper.Reader> readers =
          Map.of("picture of " + installation.id(), rows, "jobs of " + installation.id(), jobs);
      keeper =
          vertx.deployVerticle(new ChangeKeeper(db, new Turns(db, installation.id()), readers));
      var settings =
          new ApiVerticle.Settings(
              config.server().host(),
              config.server().port(),
              tls(config.server().tls()),
              config.apiUser(),
              password,
              config.auth().protectReads(),
              hosts(config.server()),
              proxies(config.server()),
              config.server().allowedOrigins());
      Integer mostConnections = config.server().maxConnections();
      var shared =
          new ApiVerticle.Shared(
              mostConnections == null ? MostConnections.here().usual() : mostConnections,
              new Metrics(reads));
      listen(
          settings,
          () ->
              new ApiVerticle(
                  settings,
                  shared,
                  reads,
                  store.nodes(),
                  accepting,
                  logs,
                  waits,
                  () -> beforeWrites(refresh),
                  readiness));
      await(rows.begin()); // once more: connections were made meanwhile
      jobs.begin(); // whoever polls the pool does not wait for very many jobs
    }
  }

  private static ApiVerticle.Accepting accepting(
      Store store, Supplier<PoolConfig> pool, Providers providers, String host, Knock knock) {
    ServerHosts hosts = new ServerHosts(store.workers(), providers);
    NewJobs newJobs = new NewJobs(store.jobs(), store.dibImages(), hosts, providers);
    Builds builds = new Builds(store.db(), store.dibImages(), store.jobs(), newJobs, pool, knock);
    Uploads uploads =
        new Uploads(
            store.db(), store.images(), store.dibImages(), newJobs, builds, providers, pool, knock);
    Deletions deletions =
        new Deletions(
            store.db(),
            store.nodes(),
            store.images(),
            store.dibImages(),
            store.jobs(),
            store.attempts(),
            newJobs,
            pool,
            knock);
    Jobs jobs =
        new Jobs(
            store.db(),
            store.images(),
            store.dibImages(),
            store.jobs(),
            builds,
            uploads,
            deletions,
            knock);
    return new ApiVerticle.Accepting(
        builds,
        uploads,
        deletions,
        jobs,
        new Consoles(store.nodes(), pool, providers, hosts, host));
  }

  private static List<PoolProvider> shown(PoolConfig pool) {
    return pool.providers().values().stream()
        .map(
            provider ->
                new PoolProvider(
                    provider.name(),
                    provider.driver().driver(),
                    provider.driver().region(),
                    List.copyOf(provider.images().keySet())))
        .toList();
  }

  private void listen(ApiVerticle.Settings settings, Supplier<ApiVerticle> verticle)
      throws IOException, InterruptedException {
    for (int loop = 0; loop < LOOPS; loop++) {
      ApiVerticle listening = verticle.get();
      Future<String> deployed = vertx.deployVerticle(listening);
      api.add(deployed);
      try {
        await(deployed);
      } catch (IOException e) {
        throw new IOException("it cannot listen at %s: %s".formatted(settings, e.getMessage()), e);
      }
      port = listening.port();
    }
  }

  private Future<Void> beforeWrites(Supplier<Future<Void>> refresh) {
    return isStopping
        ? Future.failedFuture(
            new Problem.Unavailable("The service is being stopped. Nothing was changed."))
        : refresh.get();
  }

  /** Follows changes of that file: from now on by itself, and whenever the supplier is called. */
  private Supplier<Future<Void>> refreshing(PoolFile pool) {
    // a thread of its own: a file that is being written keeps it waiting for seconds
    WorkerExecutor reader = vertx.createSharedWorkerExecutor("nodepool-config", 1);
    Supplier<Future<Void>> refresh =
        () -> {
          long asked = System.nanoTime(); // a wait in the queue counts, too
          return reader.executeBlocking(() -> refreshed(pool, asked));
        };
    vertx.setPeriodic(
        REFRESH_PERIOD_MS,
        timer -> {
          if (isStopping) { // the reader may have ended
            vertx.cancelTimer(timer);
          } else {
            refresh.get();
          }
        });
    return refresh;
  }

  private Void refreshed(PoolFile pool, long asked) {
    pool.refresh(asked);
    providers.refresh();
    return null;
  }

  /** The reasons why it cannot work, and the warnings of what is wrong besides. */
  private Future<Readiness.Report> readiness(PoolFile pool, WorkerTable workers) {
    List<String> warnings = new ArrayList<>(triggers.warnings());
    Stream.ofNullable(pool.warning()).forEach(warnings::add);
    return schema
        .check()
        .compose(
            trouble ->
                someoneWorks(trouble, workers)
                    .map(
                        someoneWorks -> {
                          List<String> reasons = new ArrayList<>(trouble.stream().toList());
                          if (!someoneWorks) {
                            reasons.add("No worker runs jobs.");
                          }
                          return new Readiness.Report(reasons, warnings);
                        }));
  }

  private Future<Boolean> someoneWorks(Optional<String> trouble, WorkerTable workers) {
    if (worker != null) {
      return Future.succeededFuture(worker.isAtWork());
    }
    return trouble.isPresent()
        ? Future.succeededFuture(true) // nobody can tell, and one reason is enough
        : workers.list().map(all -> all.stream().anyMatch(Worker::isAlive));
  }

  private static ApiVerticle.Tls tls(ApiConfig.Tls files) {
    return files == null ? null : new ApiVerticle.Tls(files.cert(), files.key());
  }

  private static Proxies proxies(ApiConfig.Server server) {
    return Proxies.of(
        server.trustedProxies(),
        server.forwarded() ? Proxies.Family.FORWARDED : Proxies.Family.X_FORWARDED);
  }

  /** A browser elsewhere that reaches the service may be told any name. */
  private static Hosts hosts(ApiConfig.Server server) throws IOException {
    boolean isHere = InetAddress.getByName(server.host()).isLoopbackAddress();
    return isHere && server.tls() == null ? Hosts.ofThisMachineAnd(server.hosts()) : Hosts.ANY;
  }

  private static void await(Future<?> started) throws IOException, InterruptedException {
    try {
      started.toCompletionStage().toCompletableFuture().get(START_LIMIT_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new IOException(e.getCause().getMessage(), e.getCause());
    } catch (TimeoutException e) {
      throw new IOException("it did not start within %d s".formatted(START_LIMIT_SECONDS), e);
    }
  }

  /** For consumers of its event bus in this JVM. */
  Vertx vertx() {
    return vertx;
  }

  /** Where it listens; 0 when it answers no requests. */
  int port() {
    return port;
  }

  /** The file of the password that the service made; null when it made none. */
  Path passwordFile() {
    return passwordFile;
  }

  /** Says whether its database serves, and why not. */
  SchemaWatch schema() {
    return schema;
  }

  /** Says whether what others write is logged. */
  TriggerWatch triggers() {
    return triggers;
  }

  /**
   * Stops everything, the database last; until jobs have ended it goes on answering reads. Blocks,
   * some seconds at most.
   */
  void stop() {
    isStopping = true;
    schema.stop();
    triggers.stop();
    try {
      // the verticles first: jobs record how they end, and Vert.x closes the database's pool at
      // once. This thread begins each step: the context of a verticle that is gone runs nothing
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(STOP_LIMIT_SECONDS);
      await(worker == null ? Future.succeededFuture() : worker.stop(), deadline);
      await(providers == null ? Future.succeededFuture() : providers.close(), deadline);
      if (waits != null) {
        waits.close();
      }
      // all at once: one on which a stream is open takes its whole second
      await(Future.join(api.stream().map(this::undeploy).toList()), deadline);
      await(undeploy(keeper).timeout(CLOSE_LIMIT_SECONDS, TimeUnit.SECONDS), deadline);
      await(schema.leave().timeout(CLOSE_LIMIT_SECONDS, TimeUnit.SECONDS), deadline);
      await(db.close().timeout(CLOSE_LIMIT_SECONDS, TimeUnit.SECONDS), deadline);
      await(vertx.close(), deadline);
    } catch (TimeoutException e) {
      log.warn("the verticles did not stop in time", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    server.ifPresent(EmbeddedMariaDb::stop);
    try {
      installation.close();
    } catch (IOException e) {
      log.warn("the state directory is not released", e);
    }
  }

  /** Waits for it to end, however it does. */
  private static void await(Future<?> step, long deadline)
      throws InterruptedException, TimeoutException {
    try {
      step.otherwiseEmpty()
          .toCompletionStage()
          .toCompletableFuture()
          .get(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      throw new IllegalStateException(e); // it does not fail
    }
  }

  private Future<Void> undeploy(Future<String> deployed) {
    return deployed.succeeded() ? vertx.undeploy(deployed.result()) : Future.succeededFuture();
  }
}
