package org.nodepool;

import io.vertx.core.DeploymentOptions;
import io.vertx.core.Future;
import io.vertx.core.ThreadingModel;
import io.vertx.core.Vertx;
import io.vertx.core.WorkerExecutor;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.nodepool.config.ApiConfig;
import org.nodepool.config.PoolConfig;
import org.nodepool.jobs.Consoles;
import org.nodepool.jobs.Deletions;
import org.nodepool.jobs.JobLogs;
import org.nodepool.jobs.Knock;
import org.nodepool.jobs.build.BuildWork;
import org.nodepool.jobs.build.DeleteDibImageWork;
import org.nodepool.jobs.build.DiskImageBuilder;
import org.nodepool.jobs.image.DeleteImageWork;
import org.nodepool.jobs.image.ServerSetup;
import org.nodepool.jobs.image.UpdateWork;
import org.nodepool.jobs.node.DeleteNodeWork;
import org.nodepool.jobs.run.JobVerticle;
import org.nodepool.jobs.run.ThisWorker;
import org.nodepool.jobs.run.Work;
import org.nodepool.jobs.upkeep.Keeping;
import org.nodepool.jobs.upkeep.Looking;
import org.nodepool.jobs.upkeep.Pruning;
import org.nodepool.jobs.upkeep.Upkeep;
import org.nodepool.model.JobKind;
import org.nodepool.provider.Providers;

/** What a process with the role worker has besides: one work a kind of job, and two verticles. */
final class WorkerRole {
  /** Each provider to which nothing is uploaded may begin one more job; more than these wait. */
  private static final int IDLE_PROVIDERS = 64;

  private final Vertx vertx;
  private final Store store;
  private final Supplier<PoolConfig> pool;
  private final ApiConfig config;
  private final ThisWorker worker;
  private final JobLogs logs;
  private final Providers providers;
  private final JobVerticle jobs;
  private final Upkeep upkeep;

  private final List<WorkerExecutor> executors = new ArrayList<>();

  /** The verticles' deployments; written by an event loop. */
  private volatile Future<String> jobsDeployed = Future.failedFuture("not deployed");

  private volatile Future<String> upkeepDeployed = jobsDeployed;
  private volatile boolean isStopping;

  /**
   * @param environment of the process; builds get a part of it
   */
  WorkerRole(
      Vertx vertx,
      Store store,
      Supplier<PoolConfig> pool,
      ApiConfig config,
      ThisWorker worker,
      JobLogs logs,
      Deletions deletions,
      Providers providers,
      Knock knock,
      Map<String, String> environment) {
    this.vertx = vertx;
    this.store = store;
    this.pool = pool;
    this.config = config;
    this.worker = worker;
    this.logs = logs;
    this.providers = providers;
    Path buildsDir = config.stateDir().resolve("builds");
    DiskImageBuilder builder =
        new DiskImageBuilder(
            buildsDir, config.stateDir().resolve("dib-cache"), worker.host(), environment);
    this.jobs =
        new JobVerticle(
            store.db(),
            new JobVerticle.Tables(store.jobs(), store.attempts(), store.workers(), store.calls()),
            logs,
            works(builder, environment),
            providers::calls,
            () -> pool.get().imagesDir(),
            config.jobs(),
            worker,
            buildsDir);
    this.upkeep = upkeep(deletions, knock);
  }

  private Map<JobKind, Work> works(DiskImageBuilder builder, Map<String, String> environment) {
    ApiConfig.Jobs limits = config.jobs();
    int builds = limits.buildWorkers();
    WorkerExecutor files =
        executor("files", builds + JobVerticle.DELETE_WORKERS, limits.uploadTimeout());
    Work build =
        new BuildWork(
            store.dibImages(),
            store.jobs(),
            pool,
            builder,
            executor("build", builds, limits.buildTimeout()),
            files,
            executor("publish", builds, limits.buildTimeout()));
    Work update =
        new UpdateWork(
            store.db(),
            store.images(),
            store.dibImages(),
            store.jobs(),
            store.attempts(),
            pool,
            providers,
            worker,
            new ServerSetup(
                () -> pool.get().scriptDir(), config.stateDir().resolve("setups"), environment),
            executor("setup", limits.uploadWorkers() + IDLE_PROVIDERS, limits.uploadTimeout()),
            files);
    Map<JobKind, Work> works = new EnumMap<>(JobKind.class);
    for (JobKind kind : JobKind.values()) {
      works.put(
          kind,
          switch (kind) {
            case BUILD -> build;
            case UPLOAD, UPDATE -> update;
            case DELETE_NODE -> new DeleteNodeWork(store.db(), store.nodes(), providers);
            case DELETE_IMAGE -> new DeleteImageWork(store.images(), providers);
            case DELETE_DIB_IMAGE ->
                new DeleteDibImageWork(store.dibImages(), store.jobs(), logs, pool, files);
          });
    }
    return works;
  }

  private Upkeep upkeep(Deletions deletions, Knock knock) {
    Keeping keeping =
        new Keeping(
            store.db(),
            store.dibImages(),
            store.images(),
            store.jobs(),
            deletions,
            pool,
            knock,
            config.cleanup().imageAge());
    Pruning pruning =
        new Pruning(
            store.db(),
            store.history(),
            store.workers(),
            logs,
            made(vertx.createSharedWorkerExecutor("nodepool-upkeep", 1)),
            config.jobs().keep());
    Looking looking =
        new Looking(
            store.db(),
            store.looks(),
            pool,
            providers,
            worker.host(),
            config.jobs().lookInterval());
    return new Upkeep(store.db(), config.cleanup().enabled(), keeping, pruning, looking);
  }

  /** One executor a purpose: the bus would deal jobs to busy workers too. */
  private WorkerExecutor executor(String name, int threads, Duration longest) {
    return made(executor(vertx, name, threads, longest));
  }

  /** Threads that one provider alone can block, for ever if it hangs. */
  static WorkerExecutor executorOf(String provider, Vertx vertx, ApiConfig.Jobs limits) {
    int looks = 1;
    int threads =
        limits.uploadWorkers() + JobVerticle.DELETE_WORKERS + Consoles.MOST_AT_ONCE + looks;
    return executor(vertx, "provider-" + provider, threads, limits.uploadTimeout());
  }

  private static WorkerExecutor executor(Vertx vertx, String name, int threads, Duration longest) {
    // Vert.x warns of threads that are blocked for longer
    long warnAfter = longest.plusMinutes(10).toMinutes();
    return vertx.createSharedWorkerExecutor(
        "nodepool-" + name, threads, warnAfter, TimeUnit.MINUTES);
  }

  private synchronized WorkerExecutor made(WorkerExecutor executor) {
    executors.add(executor);
    return executor;
  }

  /** Begins; fails when an earlier process's jobs cannot be ended. */
  Future<Void> start() {
    jobsDeployed = vertx.deployVerticle(jobs, blocking());
    upkeepDeployed =
        jobsDeployed.compose(
            id ->
                isStopping
                    ? Future.failedFuture("the service is being stopped")
                    : vertx.deployVerticle(upkeep, blocking()));
    return upkeepDeployed.mapEmpty();
  }

  private static DeploymentOptions blocking() {
    return new DeploymentOptions().setThreadingModel(ThreadingModel.WORKER);
  }

  /** Ends what runs, or leaves it to the next start. */
  Future<Void> stop() {
    isStopping = true;
    return Future.join(undeploy(upkeepDeployed), undeploy(jobsDeployed))
        .eventually(() -> Future.join(closeAll()))
        .mapEmpty();
  }

  /** Interrupts what still blocks, before the database is left. */
  private synchronized List<Future<Void>> closeAll() {
    return executors.stream().map(WorkerExecutor::close).toList();
  }

  private Future<Void> undeploy(Future<String> deployed) {
    return deployed.succeeded() ? vertx.undeploy(deployed.result()) : Future.succeededFuture();
  }

  /** Whether it looks for jobs. Thread-safe. */
  boolean isAtWork() {
    return jobs.isAtWork();
  }
}
