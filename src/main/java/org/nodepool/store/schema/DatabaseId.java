package org.nodepool.store.schema;

import io.vertx.core.Future;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.Tuple;
import java.util.Optional;
import java.util.UUID;
import org.nodepool.model.Problem;
import org.nodepool.store.Database;
import org.nodepool.store.SchemaRefused;

/**
 * The id of a database: a uuid, made once with our schema and gone with it. All that is made at
 * providers carries it, so that services with a database each tell apart what they have at one
 * provider. A copy of a database has the id of the original until it is given another.
 */
public final class DatabaseId {
  /** Its row in {@code api_schema}, of which the name is the id. */
  static final int ROW = -2;

  private static final String REPLACE =
      "REPLACE INTO api_schema (version, name, applied) VALUES (?, ?, ?)";

  private DatabaseId() {}

  /**
   * The id as it is now, to be read whenever something is made: tables that are restored bring
   * another. Fails with {@link Problem.Unavailable} also while there is none, which lasts until the
   * next look at the schema, some seconds.
   */
  public static Future<String> of(Database db) {
    return db.read(c -> c.preparedQuery(Schema.NAME_OF).execute(Tuple.of(ROW)))
        .map(
            rows -> {
              for (Row row : rows) {
                return row.getString("name");
              }
              throw new Problem.Unavailable("The database has no id yet. Nothing was changed.");
            });
  }

  /**
   * Gives the database another id, and completes with it; empty when nothing of ours is there, so
   * that the first start makes one. Fails with {@link SchemaRefused} while a service uses the
   * database, and else as {@link Schema#apply} does.
   */
  public static Future<Optional<String>> renew(Database db) {
    return Schema.whileUnused(
        db,
        (connection, existing) -> {
          if (!existing.has("api_schema")) {
            return Future.succeededFuture(Optional.empty());
          }
          String id = UUID.randomUUID().toString();
          return connection
              .preparedQuery(REPLACE)
              .execute(Tuple.of(ROW, id, db.now()))
              .map(Optional.of(id));
        });
  }
}
