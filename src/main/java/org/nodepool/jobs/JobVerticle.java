package org.nodepool.jobs;

import static org.nodepool.model.Job.JobState.CANCELLED;
import static org.nodepool.model.Job.JobState.FAILED;
import static org.nodepool.model.Job.JobState.SUCCEEDED;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.VerticleBase;
import io.vertx.core.WorkerExecutor;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import org.nodepool.config.ApiConfig;
import org.nodepool.config.PoolConfig;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.Job.Kind;
import org.nodepool.model.Problem;
import org.nodepool.provider.NotSupportedYet;
import org.nodepool.provider.ProviderFailure;
import org.nodepool.provider.Providers;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.NodeTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The worker verticle: claims queued jobs, runs them, records how they ended. Everything here runs
 * on its one context, so its fields need no locks; what blocks, blocks a thread of an executor.
 *
 * <p>A knock makes it look at once; it looks by itself every few seconds, so that a lost knock
 * costs no more than that.
 */
public final class JobVerticle extends VerticleBase {
  private static final Logger log = LoggerFactory.getLogger(JobVerticle.class);

  private static final String STOPPED = "The service was stopped while it ran.";
  private static final long ATTEND_PERIOD_MS = 3_000;
  private static final long PROGRESS_PERIOD_MS = 1_000;
  private static final long RETRY_MS = 1_000;

  /** Of the ten seconds that a stop may take in all. */
  private static final long STOP_LIMIT_MS = 5_000;

  /** How often to ask again what this version cannot do: the next one may begin at any time. */
  private static final Duration ASK_AGAIN = Duration.ofHours(1);

  private static final int DELETE_WORKERS = 2;
  private static final Duration DELETE_LIMIT = Duration.ofHours(1);

  /** Jobs that share workers: a lane that is busy never keeps another waiting. */
  private record Lane(String name, Set<Kind> kinds, int workers, Duration limit, String limitKey) {}

  /** The tables that jobs work on. */
  public record Tables(
      NodeTable nodes, SnapshotImageTable images, DibImageTable dibImages, JobTable jobs) {}

  /** Who works: the machine's name, and the installation's id, which outlives the process. */
  public record Identity(String host, String worker) {}

  private final Database db;
  private final Tables tables;
  private final JobLogs logs;
  private final Supplier<PoolConfig> config;
  private final ApiConfig settings;
  private final DiskImageBuilder builder;
  private final Identity identity;
  private final JobTable jobs;

  private final Map<Long, JobRun> running = new HashMap<>();
  private final Map<String, Integer> busy = new HashMap<>();
  private final Set<String> claiming = new HashSet<>();
  private final Promise<Void> idle = Promise.promise();
  private Map<Kind, Work> works;
  private List<Lane> lanes;
  private boolean isStopping;

  /**
   * @param environment of the process; builds get a part of it
   */
  public JobVerticle(
      Database db,
      Tables tables,
      JobLogs logs,
      Supplier<PoolConfig> config,
      ApiConfig settings,
      Identity identity,
      Map<String, String> environment) {
    this.db = db;
    this.tables = tables;
    this.logs = logs;
    this.config = config;
    this.settings = settings;
    this.identity = identity;
    this.jobs = tables.jobs();
    this.builder = new DiskImageBuilder(settings.stateDir(), identity.host(), environment);
  }

  /** One executor a purpose: the bus would deal jobs to busy workers too. */
  private void furnish() {
    ApiConfig.Jobs limits = settings.jobs();
    lanes =
        List.of(
            new Lane(
                "build",
                Set.of(Kind.BUILD),
                limits.buildWorkers(),
                limits.buildTimeout(),
                "jobs.build_timeout"),
            new Lane(
                "upload",
                Set.of(Kind.UPLOAD, Kind.UPDATE),
                limits.uploadWorkers(),
                limits.uploadTimeout(),
                "jobs.upload_timeout"),
            new Lane(
                "delete",
                Set.of(Kind.DELETE_NODE, Kind.DELETE_IMAGE, Kind.DELETE_DIB_IMAGE),
                DELETE_WORKERS,
                DELETE_LIMIT,
                "the limit of deletions"));
    WorkerExecutor builds = executor("build", limits.buildWorkers(), limits.buildTimeout());
    WorkerExecutor files =
        executor("files", limits.uploadWorkers() + DELETE_WORKERS, limits.uploadTimeout());
    Providers providers = new Providers(files);
    UploadWork upload =
        new UploadWork(
            db, tables.images(), tables.dibImages(), jobs, config, providers, identity.host());
    works =
        Map.of(
            Kind.BUILD, new BuildWork(tables.dibImages(), config, builder, builds),
            Kind.UPLOAD, upload,
            Kind.UPDATE, upload,
            Kind.DELETE_NODE, new DeleteNodeWork(tables.nodes(), config, providers),
            Kind.DELETE_IMAGE, new DeleteImageWork(tables.images(), config, providers),
            Kind.DELETE_DIB_IMAGE,
                new DeleteDibImageWork(tables.dibImages(), jobs, logs, config, files));
  }

  private WorkerExecutor executor(String name, int threads, Duration longest) {
    // Vert.x warns of threads that are blocked for longer
    long warnAfter = longest.plusMinutes(10).toMinutes();
    return vertx.createSharedWorkerExecutor(
        "nodepool-" + name, threads, warnAfter, TimeUnit.MINUTES);
  }

  /** Ends what an earlier process of this installation left, and then begins to work. */
  @Override
  public Future<?> start() {
    furnish();
    return recover()
        .compose(v -> sweepBuilds())
        .map(
            v -> {
              vertx.eventBus().<Boolean>consumer(Jobs.KNOCK, knock -> attend());
              vertx.setPeriodic(ATTEND_PERIOD_MS, timer -> attend());
              vertx.setPeriodic(PROGRESS_PERIOD_MS, timer -> storeProgress());
              look();
              return null;
            });
  }

  /** Ends what runs; it is recorded as failed, or by the next start if there is no time left. */
  @Override
  public Future<?> stop() {
    isStopping = true;
    running.values().forEach(run -> run.stop(STOPPED));
    if (running.isEmpty()) {
      return Future.succeededFuture();
    }
    return idle.future().timeout(STOP_LIMIT_MS, TimeUnit.MILLISECONDS).otherwiseEmpty();
  }

  private Future<Void> recover() {
    return jobs.running(identity.worker())
        .compose(
            left -> {
              Future<Void> done = Future.succeededFuture();
              for (Job job : left) {
                done = done.compose(v -> recover(job));
              }
              return done;
            });
  }

  private Future<Void> sweepBuilds() {
    return vertx
        .executeBlocking(
            () -> {
              builder.sweepAll();
              return null;
            })
        .onFailure(e -> log.error("leftovers of builds stay", e))
        .<Void>mapEmpty()
        .otherwiseEmpty();
  }

  /** A deletion is begun again: it can be done twice. Anything else has failed. */
  private Future<Void> recover(Job job) {
    if (isDeletion(job)) {
      log.info("job {} {}: resumed", job.id(), job.work());
      return db.transaction(tx -> jobs.requeue(tx, job, null, null)).mapEmpty();
    }
    log.info("job {} {}: the service ended while it ran", job.id(), job.work());
    return sweepAndEnd(job, "The service ended while it ran.");
  }

  private static boolean isDeletion(Job job) {
    return job.work() == Kind.DELETE_NODE
        || job.work() == Kind.DELETE_IMAGE
        || job.work() == Kind.DELETE_DIB_IMAGE;
  }

  /** Looks for jobs to begin, and for what has become of those that run. */
  private void attend() {
    look();
    jobs.running(identity.worker())
        .onSuccess(rows -> rows.forEach(this::attend))
        .onFailure(JobVerticle::notLooked);
  }

  /** While the database is away it says so itself. */
  private static void notLooked(Throwable cause) {
    if (cause instanceof Problem.Unavailable) {
      log.debug("no look at the jobs", cause);
    } else {
      log.error("no look at the jobs", cause);
    }
  }

  private void attend(Job job) {
    JobRun run = running.get(job.id());
    if (run != null && job.cancelRequested()) {
      run.stop("It was cancelled.");
    } else if (run == null && claiming.isEmpty() && !isStopping) {
      db.transaction(tx -> jobs.requeue(tx, job, null, null))
          .onSuccess(
              lost -> {
                if (lost) {
                  log.warn("job {}: was claimed, but the answer was lost; put back", job.id());
                }
              })
          .onFailure(e -> log.debug("not put back", e));
    }
  }

  private void look() {
    lanes.forEach(this::look);
  }

  /** Claims one after the other, as long as the lane has a free worker and there is work. */
  private void look(Lane lane) {
    if (isStopping
        || busy.getOrDefault(lane.name(), 0) >= lane.workers()
        || !claiming.add(lane.name())) {
      return;
    }
    jobs.claim(lane.kinds(), identity.host(), identity.worker())
        .onComplete(
            claimed -> {
              claiming.remove(lane.name());
              if (claimed.failed()) {
                notLooked(claimed.cause());
              } else if (claimed.result().isPresent()) {
                begin(lane, claimed.result().get());
                look(lane);
              }
            });
  }

  private void begin(Lane lane, Job job) {
    log.info("job {} {} {}: begun", job.id(), job.work(), job.subject());
    JobRun run = new JobRun(job, logs.open(job));
    running.put(job.id(), run);
    busy.merge(lane.name(), 1, Integer::sum);
    if (isStopping) {
      run.stop(STOPPED);
    }
    long timer =
        vertx.setTimer(
            lane.limit().toMillis(),
            t -> run.stop("It timed out after %s (%s).".formatted(lane.limit(), lane.limitKey())));
    run.log().note("attempt %d begins".formatted(job.attempts()));
    Future.succeededFuture(run)
        .compose(works.get(job.work())::run)
        .compose(result -> succeeded(run, result))
        .recover(e -> e instanceof NotSupportedYet ? waits(run, e) : failed(run, e))
        .onComplete(
            ended -> {
              if (ended.failed()) {
                log.error("job {}: its end is not recorded", job.id(), ended.cause());
              }
              vertx.cancelTimer(timer);
              run.log().close();
              running.remove(job.id());
              busy.merge(lane.name(), -1, Integer::sum);
              if (isStopping && running.isEmpty()) {
                idle.tryComplete();
              }
              // others may have waited for this one
              look();
            });
  }

  private Future<Void> succeeded(JobRun run, Work.Result result) {
    Job job = run.job();
    return record(job, (tx, now) -> result.record(tx).compose(v -> end(tx, now, SUCCEEDED, null)))
        .compose(
            v -> {
              log.info("job {} {} {}: succeeded", job.id(), job.work(), job.subject());
              run.log().note("succeeded");
              return works
                  .get(job.work())
                  .settled(job)
                  .onFailure(e -> log.error("job {}: leftovers stay", job.id(), e))
                  .otherwiseEmpty();
            });
  }

  private Future<Void> waits(JobRun run, Throwable reason) {
    Job job = run.job();
    run.log().note(reason.getMessage());
    return record(
        job,
        (tx, now) ->
            jobs.requeue(tx, now, reason.getMessage(), tx.now() + ASK_AGAIN.toSeconds())
                .mapEmpty());
  }

  private Future<Void> failed(JobRun run, Throwable cause) {
    Job job = run.job();
    String error = run.stopReason().orElseGet(() -> sentence(job, cause));
    log.info("job {} {} {}: failed: {}", job.id(), job.work(), job.subject(), error);
    run.log().note("failed: " + error);
    return sweepAndEnd(job, error);
  }

  /**
   * What cannot be removed now is tried again at the next start; the job has ended all the same.
   */
  private Future<Void> sweepAndEnd(Job job, String error) {
    return works
        .get(job.work())
        .sweep(job)
        .onFailure(e -> log.error("job {}: leftovers stay", job.id(), e))
        .otherwiseEmpty()
        .compose(v -> record(job, (tx, now) -> endInVain(tx, now, error)));
  }

  private Future<Void> end(Tx tx, Job job, JobState end, String error) {
    return jobs.finish(tx, job, end, error)
        .compose(ours -> ours ? Future.succeededFuture() : Future.failedFuture(new NotOurs()));
  }

  /** What failed after its cancel was asked for has been cancelled, whatever it failed of. */
  private Future<Void> endInVain(Tx tx, Job job, String error) {
    return works
        .get(job.work())
        .abandon(tx, job)
        .compose(
            v ->
                job.cancelRequested()
                    ? end(tx, job, CANCELLED, null)
                    : end(tx, job, FAILED, error));
  }

  /** Somebody else has ended the job, or an earlier try of ours did and its answer was lost. */
  private static final class NotOurs extends RuntimeException {
    NotOurs() {
      super("the job has ended already", null, false, false);
    }
  }

  /**
   * Writes how a job ends, however long the database is away; only a stop of the service gives up.
   * The rows are written before the job, as everywhere, so that two transactions do not wait for
   * each other; therefore whether the job is still ours is looked at first.
   */
  private Future<Void> record(Job job, BiFunction<Tx, Job, Future<Void>> end) {
    return db.transaction(
            tx ->
                jobs.current(tx, job)
                    .map(row -> row.orElseThrow(NotOurs::new))
                    .compose(current -> end.apply(tx, current)))
        .recover(
            e -> {
              if (e instanceof NotOurs) {
                log.info("job {}: its end was recorded already", job.id());
                return Future.succeededFuture();
              }
              boolean mayComeBack =
                  e instanceof Problem.Unavailable || e instanceof Problem.OutcomeUnknown;
              return mayComeBack && !isStopping
                  ? vertx.timer(RETRY_MS, TimeUnit.MILLISECONDS).compose(t -> record(job, end))
                  : Future.failedFuture(e);
            });
  }

  private static String sentence(Job job, Throwable cause) {
    if (cause instanceof JobFailure
        || cause instanceof ProviderFailure
        || cause instanceof Problem) {
      return cause.getMessage();
    }
    log.error("job {}: failed unexpectedly", job.id(), cause);
    return cause instanceof IOException
        ? "%s: %s".formatted(cause.getClass().getSimpleName(), cause.getMessage())
        : "An internal error (%s); the service's log has the details."
            .formatted(cause.getClass().getSimpleName());
  }

  private void storeProgress() {
    for (JobRun run : new ArrayList<>(running.values())) {
      Optional<JobRun.Progress> progress = run.takeProgress();
      progress.ifPresent(
          p ->
              jobs.progress(run.job(), p.fraction(), p.phase())
                  .onFailure(e -> log.debug("progress of job {}", run.job().id(), e)));
    }
  }
}
