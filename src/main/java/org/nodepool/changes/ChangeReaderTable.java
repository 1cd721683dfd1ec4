package org.nodepool.changes;

import io.vertx.core.Future;
import io.vertx.sqlclient.Tuple;
import java.util.Optional;
import org.nodepool.store.Database;
import org.nodepool.store.Tx;

/**
 * The table {@code api_change_reader}: the readers of the log of changes, each with the id from
 * which on it may still need the log.
 */
final class ChangeReaderTable {
  private static final String SEEN =
      """
      INSERT INTO api_change_reader (reader, needs, seen) VALUES (?, ?, UNIX_TIMESTAMP())
      ON DUPLICATE KEY UPDATE needs = VALUES(needs), seen = VALUES(seen)
      """;
  private static final String LEFT = "DELETE FROM api_change_reader WHERE reader = ?";
  private static final String LEAST =
      """
      SELECT MIN(needs) AS needs FROM api_change_reader
       WHERE seen BETWEEN UNIX_TIMESTAMP() - 60 AND UNIX_TIMESTAMP()
      """;
  private static final String FORGET =
      "DELETE FROM api_change_reader WHERE seen < UNIX_TIMESTAMP() - 600";

  private final Database db;

  ChangeReaderTable(Database db) {
    this.db = db;
  }

  /** Notes that this reader is there now, and may still need the log from that id on. */
  Future<Void> note(String reader, long needs) {
    return db.note(c -> c.preparedQuery(SEEN).execute(Tuple.of(reader, needs)).mapEmpty());
  }

  /** Notes that this reader has stopped in good order. */
  Future<Void> left(String reader) {
    return db.note(c -> c.preparedQuery(LEFT).execute(Tuple.of(reader)).mapEmpty());
  }

  /**
   * The least id that a reader needs who was seen within the last minute; empty when nobody was.
   */
  Future<Optional<Long>> least(Tx tx) {
    return tx.connection()
        .query(LEAST)
        .execute()
        .map(rows -> Optional.ofNullable(rows.iterator().next().getLong("needs")));
  }

  /** Forgets readers that were not seen for ten minutes; one that is back later says so. */
  Future<Void> forgetGone(Tx tx) {
    return tx.connection().query(FORGET).execute().mapEmpty();
  }
}
