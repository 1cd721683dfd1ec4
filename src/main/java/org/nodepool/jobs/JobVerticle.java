package org.nodepool.jobs;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.VerticleBase;
import io.vertx.core.WorkerExecutor;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.nodepool.config.ApiConfig;
import org.nodepool.config.PoolConfig;
import org.nodepool.model.Job;
import org.nodepool.model.Job.Kind;
import org.nodepool.model.Problem;
import org.nodepool.provider.Providers;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.NodeTable;
import org.nodepool.store.SnapshotImageTable;
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

  /** Of the ten seconds that a stop may take in all. */
  private static final long STOP_LIMIT_MS = 5_000;

  private static final int DELETE_WORKERS = 2;

  /**
   * Jobs that share workers: a lane that is busy never keeps another waiting.
   *
   * @param limit how long an attempt may take, by the setting {@code limitKey}; null for no limit
   */
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

  /** Lanes for which a job may have come after their claim, under way, has looked. */
  private final Set<String> knockedMeanwhile = new HashSet<>();

  private final Promise<Void> idle = Promise.promise();
  private Map<Kind, Work> works;
  private List<Lane> lanes;
  private JobEnds ends;

  /** How often a claim was begun or a job ended: what was read before is not compared with it. */
  private long moves;

  private boolean isStopping;

  /** Between start and stop; read on other threads. */
  private volatile boolean isAtWork;

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
                null,
                null));
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
    ends = new JobEnds(vertx, db, jobs, works);
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
              claimForAll();
              isAtWork = true;
              return null;
            });
  }

  /** Whether it looks for jobs. */
  public boolean isAtWork() {
    return isAtWork;
  }

  /** Ends what runs; that is recorded, or left to the next start if there is no time. */
  @Override
  public Future<?> stop() {
    isStopping = true;
    isAtWork = false;
    ends.stop();
    running.values().forEach(run -> run.stop(STOPPED));
    completeIfIdle();
    return idle.future().timeout(STOP_LIMIT_MS, TimeUnit.MILLISECONDS).otherwiseEmpty();
  }

  private void completeIfIdle() {
    if (isStopping && running.isEmpty() && claiming.isEmpty()) {
      idle.tryComplete();
    }
  }

  /** Ends what an earlier process of this installation ran. */
  private Future<Void> recover() {
    return left()
        .compose(
            left -> {
              Future<Void> done = Future.succeededFuture();
              for (Job job : left) {
                done = done.compose(v -> ends.interrupted(job));
              }
              return done;
            });
  }

  /** The jobs that say they run here; however long the database is away. */
  private Future<List<Job>> left() {
    return jobs.running(identity.worker())
        .recover(
            e ->
                e instanceof Problem.Unavailable && !isStopping
                    ? vertx.timer(ATTEND_PERIOD_MS, TimeUnit.MILLISECONDS).compose(v -> left())
                    : Future.failedFuture(e));
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

  /** Looks what has become of the jobs that run, and then for jobs to begin. */
  private void attend() {
    long movesBefore = moves;
    boolean isQuiet = claiming.isEmpty();
    jobs.running(identity.worker())
        .onComplete(
            rows -> {
              if (rows.failed()) {
                notLooked(rows.cause());
              } else {
                boolean isComplete = isQuiet && moves == movesBefore;
                rows.result().forEach(job -> attendTo(job, isComplete));
              }
              claimForAll();
            });
  }

  /** While the database is away it says so itself. */
  private static void notLooked(Throwable cause) {
    if (cause instanceof Problem.Unavailable) {
      log.debug("no look at the jobs", cause);
    } else {
      log.error("no look at the jobs", cause);
    }
  }

  /**
   * Stops a job that is to be cancelled, and puts back one whose claim was written though its
   * answer was lost: it says that we run it, and we do not.
   *
   * @param isComplete whether what runs here has not changed since the row was read
   */
  private void attendTo(Job job, boolean isComplete) {
    JobRun run = running.get(job.id());
    if (run != null && job.cancelRequested()) {
      run.stop("It was cancelled.");
    } else if (run == null && isComplete && !isStopping) {
      ends.putBack(job, "it was claimed, and the answer was lost")
          .onFailure(e -> log.error("{}: is not put back", job.named(), e));
    }
  }

  private void claimForAll() {
    lanes.forEach(this::claimFor);
  }

  /** Claims one after the other, as long as the lane has a free worker and there is work. */
  private void claimFor(Lane lane) {
    if (isStopping || busy.getOrDefault(lane.name(), 0) >= lane.workers()) {
      return;
    }
    if (!claiming.add(lane.name())) {
      knockedMeanwhile.add(lane.name());
      return;
    }
    moves++;
    jobs.claim(lane.kinds(), identity.host(), identity.worker())
        .compose(
            claimed ->
                claimed.isPresent() && isStopping
                    ? ends.putBack(claimed.get(), "the service stops").map(Optional.<Job>empty())
                    : Future.succeededFuture(claimed))
        .onComplete(
            claimed -> {
              claiming.remove(lane.name());
              boolean lookAgain = knockedMeanwhile.remove(lane.name());
              if (claimed.failed()) {
                notLooked(claimed.cause());
              } else if (claimed.result().isPresent()) {
                begin(lane, claimed.result().get());
                claimFor(lane);
              } else if (lookAgain) {
                claimFor(lane);
              }
              completeIfIdle();
            });
  }

  private void begin(Lane lane, Job job) {
    log.info("{}: attempt {} begins", job.named(), job.attempts());
    JobRun run = new JobRun(job, logs.open(job));
    running.put(job.id(), run);
    busy.merge(lane.name(), 1, Integer::sum);
    if (isStopping) {
      run.stop(STOPPED);
    }
    Runnable endLimit = limit(lane, run);
    run.log().note("attempt %d begins".formatted(job.attempts()));
    Future.succeededFuture(run)
        .compose(works.get(job.kind())::run)
        .transform(
            work ->
                work.succeeded()
                    ? ends.succeeded(run, work.result())
                    : ends.failed(run, work.cause()))
        .onComplete(
            ended -> {
              if (ended.failed()) {
                log.warn("{}: its end is left to the next start", job.named(), ended.cause());
              }
              endLimit.run();
              run.log().close();
              running.remove(job.id());
              moves++;
              busy.merge(lane.name(), -1, Integer::sum);
              completeIfIdle();
              // others may have waited for this one
              claimForAll();
            });
  }

  /** Starts the clock of an attempt; what it gives stops that. */
  private Runnable limit(Lane lane, JobRun run) {
    if (lane.limit() == null) {
      return () -> {};
    }
    String reason = "It timed out after %s (%s).".formatted(lane.limit(), lane.limitKey());
    long timer = vertx.setTimer(lane.limit().toMillis(), fired -> run.stop(reason));
    return () -> vertx.cancelTimer(timer);
  }

  private void storeProgress() {
    for (JobRun run : new ArrayList<>(running.values())) {
      Optional<JobRun.Progress> progress = run.takeProgress();
      progress.ifPresent(
          p ->
              jobs.progress(run.job(), p.fraction(), p.phase())
                  .onFailure(e -> log.debug("{}: its progress", run.job().named(), e)));
    }
  }
}
