package org.nodepool;

import io.vertx.core.Future;
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
import java.util.function.Function;
import org.nodepool.changes.Triggers;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;
import org.nodepool.store.embedded.EmbeddedMariaDb;
import org.nodepool.store.schema.DatabaseId;
import org.nodepool.store.schema.Schema;

/** What is done to a database with no service running: each refuses while one uses it. */
final class SchemaCommand {
  private static final long LIMIT_SECONDS = 120;
  private static final String NOTHING = "nothing of ours is in %s";

  private SchemaCommand() {}

  /**
   * Takes everything of ours out of it again; the tables of the pool stay. Blocks.
   *
   * @param external empty for the embedded database in that directory
   * @return what was done, in a sentence
   * @throws IOException with a sentence for people; also when a service uses the database
   */
  static String remove(Path dataDir, Optional<Database.Address> external)
      throws IOException, InterruptedException {
    return onDatabase(
        dataDir,
        external,
        db ->
            Schema.remove(db, connection -> Triggers.ALL.remove(db, connection))
                .map(removed -> said(removed, db.address())));
  }

  /** Gives it another id, as a copy needs it; else as {@link #remove}. */
  static String newId(Path dataDir, Optional<Database.Address> external)
      throws IOException, InterruptedException {
    return onDatabase(
        dataDir,
        external,
        db ->
            DatabaseId.renew(db)
                .map(
                    given ->
                        given
                            .map(id -> "the id of %s is now %s".formatted(db.address(), id))
                            .orElse(NOTHING.formatted(db.address()))));
  }

  private static String onDatabase(
      Path dataDir, Optional<Database.Address> external, Function<Database, Future<String>> act)
      throws IOException, InterruptedException {
    if (external.isPresent()) {
      return onDatabase(external.get(), act);
    }
    if (!EmbeddedMariaDb.existsIn(dataDir)) {
      return NOTHING.formatted(dataDir);
    }
    EmbeddedMariaDb server = EmbeddedMariaDb.start(dataDir);
    try {
      return onDatabase(server.address(), act);
    } finally {
      server.stop();
    }
  }

  private static String onDatabase(Database.Address address, Function<Database, Future<String>> act)
      throws IOException, InterruptedException {
    Vertx vertx = Vertx.vertx();
    Database db = new Database(vertx, address, Clock.systemUTC(), new ChangeLog());
    try {
      return act.apply(db)
          .toCompletionStage()
          .toCompletableFuture()
          .get(LIMIT_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new IOException(db.explain(e.getCause()), e.getCause());
    } catch (TimeoutException e) {
      throw new IOException(db.explain(e), e);
    } finally {
      vertx.close();
    }
  }

  private static String said(Schema.Removed removed, Database.Address address) {
    if (removed.isEmpty()) {
      return NOTHING.formatted(address);
    }
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
