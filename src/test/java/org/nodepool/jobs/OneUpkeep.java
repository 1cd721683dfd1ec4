package org.nodepool.jobs;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Vertx;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.nodepool.TestService;
import org.nodepool.config.ApiConfig;
import org.nodepool.config.CloudsFile;
import org.nodepool.config.PoolFile;
import org.nodepool.model.Event;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.NodeTable;
import org.nodepool.store.ProviderCallTable;
import org.nodepool.store.Schema;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.WorkerTable;

/** The upkeep of one more worker on the test service's database, done when the test says so. */
final class OneUpkeep implements AutoCloseable {
  final Upkeep upkeep;

  /** What it has told. */
  final List<Event> events = new CopyOnWriteArrayList<>();

  private final Database db;

  /**
   * @param settings the lines of its api.yaml
   */
  OneUpkeep(TestService service, String settings) throws Exception {
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
    var tables =
        new JobVerticle.Tables(
            new NodeTable(db),
            new SnapshotImageTable(db, false),
            new DibImageTable(db, false),
            new JobTable(db, attempts),
            attempts,
            workers,
            new ProviderCallTable(db));
    JobLogs logs = new JobLogs(config.jobs().logDir(), "here", workers);
    upkeep = new Upkeep(vertx, db, tables, logs, pool::current, config);
  }

  @Override
  public void close() {
    db.close().await();
  }
}
