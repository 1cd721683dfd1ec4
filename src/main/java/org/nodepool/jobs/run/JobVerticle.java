package org.nodepool.jobs.run;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.VerticleBase;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.nodepool.config.ApiConfig;
import org.nodepool.jobs.JobLogs;
import org.nodepool.jobs.Knock;
import org.nodepool.model.JobKind;
import org.nodepool.model.JobKind.Lane;
import org.nodepool.model.Problem;
import org.nodepool.model.ProviderCall;
import org.nodepool.model.Worker;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.Database;
import org.nodepool.store.JobTable;
import org.nodepool.store.ProviderCallTable;
import org.nodepool.store.WorkerTable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The worker verticle: {@link Claims} takes queued jobs, {@link RunningJobs} makes the attempts,
 * {@link JobEnds} writes how they ended; {@link Round} and {@link Tidying} look after what others,
 * or earlier processes, left. Everything runs on its one context, so that fields need no locks;
 * what blocks, blocks a thread of an executor.
 *
 * <p>A knock makes it look at once; it looks by itself every few seconds, so that a lost knock
 * costs no more than that.
 */
public final class JobVerticle extends VerticleBase {
  private static final Logger log = LoggerFactory.getLogger(JobVerticle.class);

  /** How many deletions run at a time. */
  public static final int DELETE_WORKERS = 2;

  static final String STOPPED = "The service was stopped while it ran.";

  /** A knock that is lost costs five seconds at most; the jitter parts many workers. */
  private static final long LOOK_PERIOD_MS = 2_500;

  private static final long LOOK_JITTER_MS = 1_500;
  private static final long LEFTOVERS_PERIOD_MS = 10_000;
  private static final long DISK_LIMIT_SECONDS = 2;

  /** Of the ten seconds that a stop may take in all. */
  private static final long STOP_LIMIT_MS = 5_000;

  /** The tables that are written here. */
  public record Tables(
      JobTable jobs, AttemptTable attempts, WorkerTable workers, ProviderCallTable calls) {}

  private final Database db;
  private final Tables tables;
  private final JobLogs logs;
  private final Map<JobKind, Work> works;
  private final Supplier<List<ProviderCall>> providerCalls;
  private final Supplier<Path> imagesDir;
  private final ApiConfig.Jobs settings;
  private final ThisWorker worker;
  private final Path buildsDir;
  private final Promise<Void> quiet = Promise.promise();
  private final Holdings holdings = new Holdings(this::completeIfQuiet);

  private Leases leases;
  private RunningJobs running;
  private Claims claims;
  private Repeating look;

  /** Why no build begins; null when one can. */
  private String diskTrouble;

  /** Read on other threads. */
  private volatile Stage stage = Stage.STARTING;

  private enum Stage {
    STARTING,
    AT_WORK,
    STOPPING
  }

  /**
   * @param works one for each kind of job
   * @param providerCalls the newest calls of this process to providers
   * @param imagesDir where images are to be written now; gives null when nowhere
   * @param buildsDir for the builds' own directories
   */
  public JobVerticle(
      Database db,
      Tables tables,
      JobLogs logs,
      Map<JobKind, Work> works,
      Supplier<List<ProviderCall>> providerCalls,
      Supplier<Path> imagesDir,
      ApiConfig.Jobs settings,
      ThisWorker worker,
      Path buildsDir) {
    this.db = db;
    this.tables = tables;
    this.logs = logs;
    this.works = works;
    this.providerCalls = providerCalls;
    this.imagesDir = imagesDir;
    this.settings = settings;
    this.worker = worker;
    this.buildsDir = buildsDir;
  }

  /** Ends what an earlier process of this installation left, and then begins to work. */
  @Override
  public Future<?> start() {
    JobTable jobs = tables.jobs();
    AttemptTable attempts = tables.attempts();
    FencedWrites writes = new FencedWrites(vertx, db, jobs, this::isStopping);
    Leftovers leftovers = new Leftovers(vertx, db, attempts, works, this::isStopping);
    JobEnds ends =
        new JobEnds(
            db, jobs, attempts, works, writes, leftovers, buildsDir, settings.maxAttempts());
    leases = new Leases(vertx, jobs, holdings);
    running =
        new RunningJobs(
            vertx, jobs, logs, works, leases, ends, this::isStopping, () -> claims.look());
    claims =
        new Claims(
            jobs,
            worker,
            Stream.of(Lane.values()).map(lane -> LaneRules.of(lane, settings)).toList(),
            running,
            ends,
            holdings,
            () -> diskTrouble == null,
            this::isStopping);
    Recovery recovery =
        new Recovery(
            jobs,
            attempts,
            tables.workers(),
            leases,
            ends,
            leftovers,
            worker,
            buildsDir,
            this::isStopping);
    Round round =
        new Round(
            tables.workers(),
            jobs,
            tables.calls(),
            running,
            leases,
            recovery,
            holdings,
            this::self,
            providerCalls,
            this::isStopping,
            () -> claims.look());
    Tidying tidying =
        new Tidying(
            jobs,
            attempts,
            works.values(),
            leases,
            leftovers,
            worker.name(),
            buildsDir,
            this::isStopping);
    look = new Repeating(() -> look(round));
    return recover(recovery)
        .map(
            v -> {
              begin(tidying);
              return null;
            });
  }

  /** However long the database is away. */
  private Future<Void> recover(Recovery recovery) {
    return tables
        .workers()
        .seen(self())
        .compose(v -> recovery.ownJobs())
        .recover(
            e ->
                e instanceof Problem && !isStopping()
                    ? vertx
                        .timer(LOOK_PERIOD_MS, TimeUnit.MILLISECONDS)
                        .compose(v -> recover(recovery))
                    : Future.failedFuture(e));
  }

  private void begin(Tidying tidying) {
    if (isStopping()) {
      return;
    }
    vertx.eventBus().<Boolean>consumer(Knock.ADDRESS, knock -> knocked());
    vertx.setPeriodic(LEFTOVERS_PERIOD_MS, timer -> tidying.look());
    stage = Stage.AT_WORK;
    tidying.look();
    look.ask();
    lookLater();
  }

  private void lookLater() {
    long pause = LOOK_PERIOD_MS + ThreadLocalRandom.current().nextLong(LOOK_JITTER_MS);
    vertx.setTimer(
        pause,
        timer -> {
          look.ask();
          lookLater();
        });
  }

  /** A new job is begun at once; what else has changed is looked at after that. */
  private void knocked() {
    claims.look();
    look.ask();
  }

  private Future<?> look(Round round) {
    if (isStopping()) {
      return Future.succeededFuture();
    }
    return round
        .run()
        .eventually(this::checkDisk)
        .onFailure(JobVerticle::notLooked)
        .onComplete(v -> claims.look());
  }

  private Future<Void> checkDisk() {
    DiskFloor floor = new DiskFloor(settings.diskFloorBytes());
    return vertx
        .executeBlocking(() -> floor.trouble(imagesDir.get(), buildsDir), false)
        .timeout(DISK_LIMIT_SECONDS, TimeUnit.SECONDS)
        .otherwise(e -> Optional.of("The disk does not answer."))
        .map(
            trouble -> {
              diskTrouble = trouble.orElse(null);
              return null;
            });
  }

  private Worker self() {
    return new Worker(
        worker.name(),
        worker.host(),
        buildsDir.toString(),
        settings.logDir().toString(),
        true,
        diskTrouble);
  }

  /** Whether it looks for jobs. Thread-safe. */
  public boolean isAtWork() {
    return stage == Stage.AT_WORK;
  }

  private boolean isStopping() {
    return stage == Stage.STOPPING;
  }

  /** Ends what runs; that is recorded, or left to the next start if there is no time. */
  @Override
  public Future<?> stop() {
    stage = Stage.STOPPING;
    running.stopAll();
    completeIfQuiet();
    return quiet
        .future()
        .timeout(STOP_LIMIT_MS, TimeUnit.MILLISECONDS)
        .otherwiseEmpty()
        .compose(v -> tables.workers().left(worker.name()))
        .onFailure(e -> log.debug("that this worker stops is not noted", e))
        .otherwiseEmpty();
  }

  private void completeIfQuiet() {
    if (isStopping() && holdings.isQuiet() && leases.isEmpty()) {
      quiet.tryComplete();
    }
  }

  /** While the database is away it says so itself. */
  static void notLooked(Throwable cause) {
    if (cause instanceof Problem) {
      log.debug("no look at the jobs", cause);
    } else {
      log.error("no look at the jobs", cause);
    }
  }
}
