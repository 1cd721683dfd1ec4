package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.Tuple;
import java.util.List;
import org.nodepool.model.CodePoints;
import org.nodepool.model.ProviderCall;

/** The table {@code api_provider_call}: the newest call of any worker to each provider. */
public final class ProviderCallTable {
  private static final String LIST =
      "SELECT provider, time, error FROM api_provider_call ORDER BY provider";
  // Evaluated from left to right: error first, while time is still the old one.
  private static final String NOTE =
      """
      INSERT INTO api_provider_call (provider, time, error) VALUES (?, ?, ?)
      ON DUPLICATE KEY UPDATE error = IF(VALUES(time) >= time, VALUES(error), error),
             time = GREATEST(VALUES(time), time)
      """;

  /** A sentence is shorter; what a cloud says need not be one. */
  private static final int LONGEST_ERROR = 1_000;

  private final Database db;

  public ProviderCallTable(Database db) {
    this.db = db;
  }

  /** By the providers' names, also of those that are not configured any more. */
  public Future<List<ProviderCall>> list() {
    return db.read(c -> Statements.list(c, LIST, Tuple.tuple(), ProviderCallTable::call));
  }

  /** Notes each of them, unless a newer one is noted; {@code calls} is not empty. */
  public Future<Void> note(List<ProviderCall> calls) {
    List<Tuple> rows =
        calls.stream()
            .map(call -> Tuple.of(call.provider(), call.time(), cut(call.error())))
            .toList();
    return db.note(c -> c.preparedQuery(NOTE).executeBatch(rows).mapEmpty());
  }

  private static String cut(String error) {
    return error == null ? null : CodePoints.cut(error, LONGEST_ERROR);
  }

  private static ProviderCall call(Row row) {
    return new ProviderCall(row.getString("provider"), row.getLong("time"), row.getString("error"));
  }
}
