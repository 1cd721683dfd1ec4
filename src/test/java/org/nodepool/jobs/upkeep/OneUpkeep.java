package org.nodepool.jobs.upkeep;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Vertx;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.nodepool.TestProviders;
import org.nodepool.TestService;
import org.nodepool.config.ApiConfig;
import org.nodepool.config.CloudsFile;
import org.nodepool.config.PoolFile;
import org.nodepool.jobs.Deletions;
import org.nodepool.jobs.JobLogs;
import org.nodepool.jobs.Knock;
import org.nodepool.jobs.NewJobs;
import org.nodepool.jobs.ServerHosts;
import org.nodepool.model.Event;
import org.nodepool.provider.Providers;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobHistory;
import org.nodepool.store.JobTable;
import org.nodepool.store.NodeTable;
import org.nodepool.store.ProviderLookTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.WorkerTable;
import org.nodepool.store.schema.Schema;

/** The upkeep of one more worker on the test service's database, done when the test says so. */
public final class OneUpkeep implements AutoCloseable {
  final Upkeep upkeep;

  /** What it has told. */
  final List<Event> events = new CopyOnWriteArrayList<>();

  private final Database db;

  /**
   * @param settings the lines of its api.yaml
   */
  public OneUpkeep(TestService service, String settings) throws Exception {
    Vertx vertx = service.vertx(); // so that the service's worker hears its knocks
    ChangeLog changes = new ChangeLog();
    changes.subscribe(events::add);
    db = new Database(vertx, service.address(), Clock.systemUTC(), changes);
    assertThat(Schema.apply(db).await()).isEmpty();
    Path file = Files.createTempFile(service.dir(), "upkeep", ".yaml");
    Files.writeString(file, settings);
    ApiConfig config = ApiConfig.read(file, Map.of());
    Files.delete(file);
    PoolFile pool =
        PoolFile.open(service.dir().resolve("nodepool.yaml"), new CloudsFile(List.of()), true);
    AttemptTable attempts = new AttemptTable(db);
    WorkerTable workers = new WorkerTable(db);
    NodeTable nodes = new NodeTable(db);
    SnapshotImageTable images = new SnapshotImageTable(db, false);
    DibImageTable dibImages = new DibImageTable(db, false);
    JobTable jobs = new JobTable(db, attempts);
    Knock knock = new Knock(vertx.eventBus());
    Providers providers = TestProviders.of(vertx, pool::current);
    NewJobs newJobs = new NewJobs(jobs, dibImages, new ServerHosts(workers, providers), providers);
    Deletions deletions =
        new Deletions(db, nodes, images, dibImages, jobs, attempts, newJobs, pool::current, knock);
    JobLogs logs = new JobLogs(config.jobs().logDir(), "here", workers);
    upkeep =
        new Upkeep(
            db,
            config.cleanup().enabled(),
            new Keeping(
                db,
                dibImages,
                images,
                jobs,
                deletions,
                pool::current,
                knock,
                config.cleanup().imageAge()),
            new Pruning(
                db,
                new JobHistory(db, attempts, config.jobs().keepMost()),
                workers,
                logs,
                vertx.createSharedWorkerExecutor("upkeep of a test", 1),
                config.jobs().keep()),
            new Looking(
                db,
                new ProviderLookTable(db),
                pool::current,
                providers,
                "here",
                config.jobs().lookInterval()));
  }

  /** Forgets what is past. */
  public void prune() {
    upkeep.prune().await();
  }

  @Override
  public void close() {
    db.close().await();
  }
}
