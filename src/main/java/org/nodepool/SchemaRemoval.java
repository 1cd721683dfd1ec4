package org.nodepool;

import io.vertx.core.Vertx;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.nodepool.changes.Triggers;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;
import org.nodepool.store.embedded.EmbeddedMariaDb;
import org.nodepool.store.schema.Schema;

/** Takes everything of ours out of a database again; the tables of the pool stay. */
final class SchemaRemoval {
  private static final long LIMIT_SECONDS = 120;
  private static final String NOTHING = "nothing of ours is in %s";

  private SchemaRemoval() {}

  /**
   * Removes our tables; blocks. Refused while a service uses the database.
   *
   * @param external empty for the embedded database in that directory
   * @return what was done, in a sentence
   * @throws IOException with a sentence for people; also when a service uses the database
   */
  static String run(Path dataDir, Optional<Database.Address> external)
      throws IOException, InterruptedException {
    if (external.isPresent()) {
      return remove(external.get());
    }
    if (!EmbeddedMariaDb.existsIn(dataDir)) {
      return NOTHING.formatted(dataDir);
    }
    EmbeddedMariaDb server = EmbeddedMariaDb.start(dataDir);
    try {
      return remove(server.address());
    } finally {
      server.stop();
    }
  }

  private static String remove(Database.Address address) throws IOException, InterruptedException {
    Vertx vertx = Vertx.vertx();
    Database db = new Database(vertx, address, Clock.systemUTC(), new ChangeLog());
    try {
      Schema.Removed removed =
          Schema.remove(db, connection -> Triggers.ALL.remove(db, connection))
              .toCompletionStage()
              .toCompletableFuture()
              .get(LIMIT_SECONDS, TimeUnit.SECONDS);
      return removed.isEmpty() ? NOTHING.formatted(address) : said(removed, address);
    } catch (ExecutionException e) {
      throw new IOException(db.explain(e.getCause()), e.getCause());
    } catch (TimeoutException e) {
      throw new IOException(db.explain(e), e);
    } finally {
      vertx.close();
    }
  }

  private static String said(Schema.Removed removed, Database.Address address) {
    StringBuilder said =
        new StringBuilder(
            "removed %s from %s; the tables of the pool are left as they are"
                .formatted(what(removed), address));
    if (removed.unfinishedJobs() > 0) {
      said.append(
          "\n%d jobs had not ended: nobody goes on with their rows"
              .formatted(removed.unfinishedJobs()));
    }
    if (removed.failedRows() > 0) {
      said.append(
          "\n%d images are in state failed (7), which Nodepool's own commands do not know: delete"
                  .formatted(removed.failedRows())
              + " their rows before these are used");
    }
    return said.toString();
  }

  private static String what(Schema.Removed removed) {
    List<String> what = new ArrayList<>(removed.tables());
    if (removed.triggers() > 0) {
      what.add("%d triggers".formatted(removed.triggers()));
    }
    return String.join(", ", what);
  }
}
