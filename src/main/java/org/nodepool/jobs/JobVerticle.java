package org.nodepool.jobs;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.VerticleBase;
import io.vertx.core.WorkerExecutor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.nodepool.config.ApiConfig;
import org.nodepool.config.PoolConfig;
import org.nodepool.jobs.JobRun.Stop.Cause;
import org.nodepool.model.Job;
import org.nodepool.model.JobKind;
import org.nodepool.model.JobKind.Lane;
import org.nodepool.model.Problem;
import org.nodepool.model.ProviderCall;
import org.nodepool.model.Worker;
import org.nodepool.provider.Providers;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.NodeTable;
import org.nodepool.store.ProviderCallTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.WorkerTable;
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

  /** A knock that is lost costs five seconds at most; the jitter parts many workers. */
  private static final long ATTEND_PERIOD_MS = 2_500;

  private static final long ATTEND_JITTER_MS = 1_500;
  private static final long PROGRESS_PERIOD_MS = 1_000;
  private static final long DISK_LIMIT_SECONDS = 2;
  private static final long LEFTOVERS_PERIOD_MS = 10_000;

  /** Of the ten seconds that a stop may take in all. */
  private static final long STOP_LIMIT_MS = 5_000;

  private static final int DELETE_WORKERS = 2;

  /**
   * Jobs that share workers: a lane that is busy never keeps another waiting. Within a lane the
   * providers take turns; and one for which nothing is being done there may have one job begun even
   * when all workers are busy, so that a provider that hangs delays no other.
   *
   * @param workers how many jobs at one time, but for those
   * @param limit how long an attempt may take, by the setting {@code limitKey}; null for no limit
   */
  private record LaneSettings(Lane lane, int workers, Duration limit, String limitKey) {}

  /** The tables that jobs work on. */
  public record Tables(
      NodeTable nodes,
      SnapshotImageTable images,
      DibImageTable dibImages,
      JobTable jobs,
      AttemptTable attempts,
      WorkerTable workers,
      ProviderCallTable calls) {}

  /** Who works: the machine's name, and the installation's id, which outlives the process. */
  public record Identity(String host, String worker) {}

  private final Database db;
  private final Tables tables;
  private final JobLogs logs;
  private final Supplier<PoolConfig> config;
  private final ApiConfig settings;
  private final Path buildsDir;
  private final DiskImageBuilder builder;
  private final Identity identity;
  private final JobTable jobs;

  private final List<JobRun> running = new ArrayList<>();
  private final Set<Lane> claiming = new HashSet<>();

  /** Lanes for which a job may have come after their claim, under way, has looked. */
  private final Set<Lane> knockedMeanwhile = new HashSet<>();

  private final Promise<Void> idle = Promise.promise();
  private Providers providers;

  /** As they are in the database. */
  private List<ProviderCall> notedCalls = List.of();

  private Map<JobKind, Work> works;
  private List<LaneSettings> lanes;
  private JobEnds ends;
  private Leases leases;
  private Recovery recovery;

  /** Why no build begins; null when one can. */
  private String diskTrouble;

  private boolean isAttending;
  private boolean isTakingOver;
  private boolean isSweeping;
  private boolean isKnockedWhileAttending;
  private Upkeep upkeep;

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
    this.buildsDir = settings.stateDir().resolve("builds");
    this.builder =
        new DiskImageBuilder(
            buildsDir, settings.stateDir().resolve("dib-cache"), identity.host(), environment);
  }

  /** One executor a purpose: the bus would deal jobs to busy workers too. */
  private void furnish() {
    ApiConfig.Jobs limits = settings.jobs();
    lanes =
        List.of(
            new LaneSettings(
                Lane.BUILD, limits.buildWorkers(), limits.buildTimeout(), "jobs.build_timeout"),
            new LaneSettings(
                Lane.UPLOAD, limits.uploadWorkers(), limits.uploadTimeout(), "jobs.upload_timeout"),
            new LaneSettings(Lane.DELETE, DELETE_WORKERS, null, null));
    WorkerExecutor builds = executor("build", limits.buildWorkers(), limits.buildTimeout());
    WorkerExecutor files =
        executor("files", limits.buildWorkers() + DELETE_WORKERS, limits.uploadTimeout());
    providers = new Providers(vertx, this::executorOf);
    UploadWork upload =
        new UploadWork(
            db,
            tables.images(),
            tables.dibImages(),
            jobs,
            tables.attempts(),
            config,
            providers,
            identity);
    works =
        Map.of(
            JobKind.BUILD,
                new BuildWork(
                    tables.dibImages(),
                    jobs,
                    config,
                    builder,
                    builds,
                    files,
                    executor("publish", limits.buildWorkers(), limits.buildTimeout())),
            JobKind.UPLOAD, upload,
            JobKind.UPDATE, upload,
            JobKind.DELETE_NODE, new DeleteNodeWork(tables.nodes(), config, providers),
            JobKind.DELETE_IMAGE, new DeleteImageWork(tables.images(), config, providers),
            JobKind.DELETE_DIB_IMAGE,
                new DeleteDibImageWork(tables.dibImages(), jobs, logs, config, files));
    ends = new JobEnds(vertx, db, jobs, tables.attempts(), works, buildsDir, limits.maxAttempts());
    leases = new Leases(vertx, jobs);
    recovery = new Recovery(tables, leases, ends, identity, buildsDir);
  }

  /** Threads that one provider alone can block, for ever if it hangs. */
  private WorkerExecutor executorOf(String provider) {
    ApiConfig.Jobs limits = settings.jobs();
    return executor(
        "provider-" + provider, limits.uploadWorkers() + DELETE_WORKERS, limits.uploadTimeout());
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
        .map(
            v -> {
              vertx.eventBus().<Boolean>consumer(Jobs.KNOCK, knock -> knocked());
              vertx.setPeriodic(PROGRESS_PERIOD_MS, timer -> storeProgress());
              vertx.setPeriodic(LEFTOVERS_PERIOD_MS, timer -> sweepLeftovers(false));
              upkeep = new Upkeep(vertx, db, tables, logs, config, settings);
              upkeep.start();
              isAtWork = true;
              sweepLeftovers(true);
              attend();
              attendLater();
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
    recovery.stop();
    if (upkeep != null) {
      upkeep.stop();
    }
    List.copyOf(running).forEach(run -> run.stop(Cause.SERVICE_STOPS, STOPPED));
    completeIfIdle();
    return idle.future()
        .timeout(STOP_LIMIT_MS, TimeUnit.MILLISECONDS)
        .otherwiseEmpty()
        .compose(v -> tables.workers().left(identity.worker()))
        .onFailure(e -> log.debug("that this worker stops is not noted", e))
        .otherwiseEmpty();
  }

  private void completeIfIdle() {
    if (isStopping && leases.isEmpty() && claiming.isEmpty() && !isTakingOver) {
      idle.tryComplete();
    }
  }

  /** However long the database is away. */
  private Future<Void> recover() {
    return tables
        .workers()
        .seen(self())
        .compose(v -> recovery.ownJobs())
        .recover(
            e ->
                e instanceof Problem && !isStopping
                    ? vertx.timer(ATTEND_PERIOD_MS, TimeUnit.MILLISECONDS).compose(v -> recover())
                    : Future.failedFuture(e));
  }

  /**
   * Removes what attempts of this worker's left.
   *
   * @param isStart whether it is the first time; then builds that no attempt accounts for go, too
   */
  private void sweepLeftovers(boolean isStart) {
    if (isSweeping || isStopping) {
      return;
    }
    isSweeping = true;
    recovery
        .ownLeftovers(isStart)
        .compose(v -> isStart ? sweepUnknownBuilds() : Future.succeededFuture())
        .onFailure(JobVerticle::notLooked)
        .onComplete(v -> isSweeping = false);
  }

  /** A build that begins meanwhile is in the database before its directory is made. */
  private Future<Void> sweepUnknownBuilds() {
    return vertx
        .executeBlocking(builder::spaces, false)
        .compose(
            spaces ->
                recovery
                    .known()
                    .compose(
                        known ->
                            vertx.executeBlocking(
                                () -> {
                                  spaces.stream()
                                      .filter(uuid -> !known.contains(uuid))
                                      .forEach(this::sweepUnknown);
                                  return null;
                                },
                                false)));
  }

  private void sweepUnknown(String uuid) {
    try {
      builder.sweepUnknown(uuid);
    } catch (IOException | UncheckedIOException e) {
      log.error("leftovers of build {} stay", uuid, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void attendLater() {
    long pause = ATTEND_PERIOD_MS + ThreadLocalRandom.current().nextLong(ATTEND_JITTER_MS);
    vertx.setTimer(
        pause,
        timer -> {
          attend();
          attendLater();
        });
  }

  /** A new job is begun at once; what else has changed is looked at after that. */
  private void knocked() {
    claimForAll();
    attend();
  }

  /**
   * Says that this worker is there, looks what has become of the jobs that run here, ends those
   * whose worker is gone, and then looks for jobs to begin.
   */
  private void attend() {
    if (isStopping) {
      return;
    }
    if (isAttending) {
      isKnockedWhileAttending = true;
      return;
    }
    isAttending = true;
    tables
        .workers()
        .seen(self())
        .compose(v -> attendToRunning())
        .onSuccess(v -> takeOver())
        .compose(v -> checkDisk())
        .compose(v -> noteCalls())
        .onFailure(JobVerticle::notLooked)
        .onComplete(
            v -> {
              isAttending = false;
              claimForAll();
              if (isKnockedWhileAttending) {
                isKnockedWhileAttending = false;
                attend();
              }
            });
  }

  private Future<Void> noteCalls() {
    List<ProviderCall> calls = providers.calls();
    List<ProviderCall> unnoted = calls.stream().filter(call -> !notedCalls.contains(call)).toList();
    if (unnoted.isEmpty()) {
      return Future.succeededFuture();
    }
    return tables
        .calls()
        .note(unnoted)
        .map(
            v -> {
              notedCalls = calls;
              return null;
            });
  }

  /** Not waited for: what a dead worker left may take a minute to remove. */
  private void takeOver() {
    if (isTakingOver || isStopping) {
      return;
    }
    isTakingOver = true;
    moves++;
    recovery
        .abandonedJobs()
        .onFailure(JobVerticle::notLooked)
        .onComplete(
            v -> {
              isTakingOver = false;
              completeIfIdle();
              claimForAll();
            });
  }

  private Worker self() {
    return new Worker(
        identity.worker(),
        identity.host(),
        buildsDir.toString(),
        settings.jobs().logDir().toString(),
        true,
        diskTrouble);
  }

  private Future<Void> checkDisk() {
    DiskFloor floor = new DiskFloor(settings.jobs().diskFloorBytes());
    return vertx
        .executeBlocking(() -> floor.trouble(config.get().imagesDir(), buildsDir), false)
        .timeout(DISK_LIMIT_SECONDS, TimeUnit.SECONDS)
        .otherwise(e -> Optional.of("The disk does not answer."))
        .map(
            trouble -> {
              diskTrouble = trouble.orElse(null);
              return null;
            });
  }

  private Future<Void> attendToRunning() {
    long movesBefore = moves;
    boolean isQuiet = claiming.isEmpty() && !isTakingOver;
    return jobs.running(identity.worker())
        .map(
            rows -> {
              boolean isComplete = isQuiet && moves == movesBefore;
              rows.forEach(job -> attendTo(job, isComplete));
              return null;
            });
  }

  /** While the database is away it says so itself. */
  private static void notLooked(Throwable cause) {
    if (cause instanceof Problem) {
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
    if (job.cancelRequested()) {
      running.stream()
          .filter(run -> run.isOf(job))
          .forEach(run -> run.stop(Cause.CANCELLED, "It was cancelled."));
    }
    if (!leases.holds(job) && isComplete && !isStopping) {
      recovery.unheld(job).onFailure(e -> log.error("{}: is not put back", job.named(), e));
    }
  }

  private void claimForAll() {
    lanes.forEach(this::claimFor);
  }

  /** Claims one after the other, as long as the lane may begin one and there is work. */
  private void claimFor(LaneSettings lane) {
    boolean lacksDisk = lane.lane().needsDiskSpace() && diskTrouble != null;
    if (isStopping || lacksDisk) {
      return;
    }
    if (!claiming.add(lane.lane())) {
      knockedMeanwhile.add(lane.lane());
      return;
    }
    moves++;
    List<Job> doing =
        running.stream().map(JobRun::job).filter(job -> job.kind().lane() == lane.lane()).toList();
    boolean isFull = doing.size() >= lane.workers();
    jobs.claim(lane.lane(), doing, isFull, identity.host(), identity.worker())
        .compose(
            claimed ->
                claimed.isPresent() && isStopping
                    ? ends.putBack(claimed.get(), STOPPED).map(Optional.<Job>empty())
                    : Future.succeededFuture(claimed))
        .onComplete(
            claimed -> {
              claiming.remove(lane.lane());
              boolean lookAgain = knockedMeanwhile.remove(lane.lane());
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

  private void begin(LaneSettings lane, Job job) {
    log.info("{}: attempt {} begins", job.named(), job.attempts());
    JobRun run = new JobRun(job, logs.open(job), lane.limit());
    running.add(run);
    leases.hold(job, () -> run.stop(Cause.LOST, "Another worker has taken the job over."));
    if (isStopping) {
      run.stop(Cause.SERVICE_STOPS, STOPPED);
    }
    Runnable endLimit = limit(lane, run);
    run.log().note("attempt %d begins".formatted(job.attempts()));
    Future.succeededFuture(run)
        .compose(works.get(job.kind())::run)
        .onComplete(work -> run.workEnded())
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
              running.remove(run);
              leases.release(job);
              moves++;
              completeIfIdle();
              // others may have waited for this one
              claimForAll();
            });
  }

  /** Starts the clock of an attempt; what it gives stops that. */
  private Runnable limit(LaneSettings lane, JobRun run) {
    if (lane.limit() == null) {
      return () -> {};
    }
    String reason = "It timed out after %s (%s).".formatted(lane.limit(), lane.limitKey());
    long timer =
        vertx.setTimer(lane.limit().toMillis(), fired -> run.stop(Cause.TIMED_OUT, reason));
    return () -> vertx.cancelTimer(timer);
  }

  private void storeProgress() {
    for (JobRun run : List.copyOf(running)) {
      Optional<JobRun.Progress> progress = run.takeProgress();
      progress.ifPresent(
          p ->
              jobs.progress(run.job(), p.fraction(), p.phase())
                  .onFailure(e -> log.debug("{}: its progress", run.job().named(), e)));
    }
  }
}
