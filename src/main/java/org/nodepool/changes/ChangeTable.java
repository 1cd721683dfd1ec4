package org.nodepool.changes;

import static java.util.stream.Collectors.joining;
import static java.util.stream.Collectors.mapping;
import static java.util.stream.Collectors.toUnmodifiableList;
import static java.util.stream.Collectors.toUnmodifiableMap;

import io.vertx.core.Future;
import io.vertx.sqlclient.Query;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.SqlConnection;
import io.vertx.sqlclient.SqlResult;
import io.vertx.sqlclient.Tuple;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.nodepool.async.InTurn;
import org.nodepool.changes.SeenChanges.Gap;
import org.nodepool.store.Columns;
import org.nodepool.store.Database;
import org.nodepool.store.Tx;

/**
 * The table {@code api_change}: triggers append a row to it for every row of the pool and every job
 * that anybody inserts, changes or deletes ({@link Triggers}). {@link PoolLog} reads it.
 */
public final class ChangeTable {
  /** More changes than that are not applied one by one: it is quicker to read all rows. */
  private static final int MOST_CHANGES = 5_000;

  /** So many are kept behind the newest: for readers that fall behind, and for people. */
  private static final int KEPT = 10_000;

  private static final int PRUNED_AT_ONCE = 500;

  /** One whose writer is still at it is waited for, a second long. */
  private static final long GAPS_LIMIT_MS = 5_000;

  private static final String GREATEST =
      "SELECT COALESCE((SELECT MAX(id) FROM api_change), 0) AS greatest";
  private static final String APPEARED =
      ", (SELECT COUNT(*) FROM api_change WHERE %s) AS appeared,"
          + " COALESCE((SELECT MIN(id) FROM api_change), 0) AS least";

  private static final String SINCE =
      """
      SELECT id, (SELECT MIN(id) FROM api_change) AS least, of_table, old_id, new_id, new_state, %s
        FROM api_change
       WHERE %%s
       ORDER BY id
       LIMIT %d
      """;
  private static final String IDS = "SELECT id FROM api_change WHERE %s ORDER BY id LIMIT %s";
  private static final String BOUNDS =
      "SELECT COALESCE(MIN(id), 0) AS least, COALESCE(MAX(id), 0) AS greatest FROM api_change";
  private static final String OTHERS =
      "SELECT id FROM api_change WHERE id > ? AND MOD(id, ?) <> ? LIMIT 1";
  private static final String ID_STEP =
      "SELECT @@auto_increment_increment AS step, @@auto_increment_offset AS first_id";
  private static final String LOCK_WAIT = "SELECT @@global.innodb_lock_wait_timeout AS lock_wait";
  private static final String LOCK_GAP =
      "SELECT id FROM api_change WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1 LOCK IN SHARE MODE";
  private static final String PRUNE = "DELETE FROM api_change WHERE id BETWEEN ? AND ?";

  /**
   * One committed change.
   *
   * @param oldId the row's key before, which an update can change; null for an insert
   * @param newId the row's key now; null for a deletion
   * @param row as it was then, a {@link org.nodepool.model.Node} without its subnodes; null for a
   *     deletion, and for a row that this version does not know
   */
  public record Change(long id, Columns<?> table, Long oldId, Long newId, Object row) {}

  private final Database db;
  private final Map<String, Columns<?>> tables;
  private final String since;

  ChangeTable(Database db) {
    this(db, Columns.LOGGED);
  }

  /**
   * @param tables that are logged
   */
  ChangeTable(Database db, List<Columns<?>> tables) {
    this.db = db;
    this.tables = tables.stream().collect(toUnmodifiableMap(Columns::table, of -> of));
    this.since =
        SINCE.formatted(String.join(", ", Columns.inLog(tables).keySet()), MOST_CHANGES + 1);
  }

  /** Whether nothing has been committed but what was seen; one statement. */
  Future<Boolean> isAll(SqlConnection connection, SeenChanges seen) {
    List<Gap> gaps = seen.gaps();
    Query<RowSet<Row>> query =
        gaps.isEmpty()
            ? connection.preparedQuery(GREATEST)
            : connection.query(GREATEST + APPEARED.formatted(isIn(gaps)));
    return query
        .execute()
        .map(
            rows -> {
              Row row = rows.iterator().next();
              boolean isGreatest = row.getLong("greatest") == seen.greatest();
              return isGreatest && (gaps.isEmpty() || hasNoneAppeared(row, seen));
            });
  }

  /** A gap that was filled, and then pruned before it was seen, is missed too. */
  private static boolean hasNoneAppeared(Row row, SeenChanges seen) {
    return row.getLong("appeared") == 0 && row.getLong("least") <= seen.leastToBeMissed();
  }

  /** What was committed since, in the order in which each row was changed; one statement. */
  Future<Since> since(SqlConnection connection, SeenChanges seen, SeenChanges.Ids possible) {
    List<Gap> gaps = seen.gaps();
    Future<RowSet<Row>> rows =
        gaps.isEmpty()
            ? connection.preparedQuery(changesWhere("id > ?")).execute(Tuple.of(seen.greatest()))
            : connection
                .query(changesWhere("id > " + seen.greatest() + " OR " + isIn(gaps)))
                .execute();
    return rows.map(read -> since(read, seen, possible));
  }

  private String changesWhere(String condition) {
    return since.formatted(condition);
  }

  /**
   * What was committed since something was seen.
   *
   * @param isWhole whether the changes are all there were; else the rows must be read
   */
  record Since(boolean isWhole, List<Change> changes, SeenChanges seen) {}

  private Since since(RowSet<Row> rows, SeenChanges seen, SeenChanges.Ids possible) {
    Since lost = new Since(false, List.of(), seen);
    if (rows.size() == 0) {
      return new Since(true, List.of(), seen);
    }
    // what was pruned in the meantime was not seen
    boolean isPruned = rows.iterator().next().getLong("least") > seen.leastToBeMissed();
    if (isPruned || rows.size() > MOST_CHANGES) {
      return lost;
    }
    List<Change> changes = new ArrayList<>(rows.size());
    List<Long> ids = new ArrayList<>(rows.size());
    for (Row row : rows) {
      long id = row.getLong("id");
      if (!possible.has(id)) {
        return lost;
      }
      Columns<?> of = tables.get(row.getString("of_table"));
      if (of != null) { // else it is a table of a later version
        changes.add(change(id, of, row));
      }
      ids.add(id);
    }
    return new Since(true, changes, seen.with(ids, possible));
  }

  private static Change change(long id, Columns<?> table, Row row) {
    Long newId = row.getLong("new_id");
    Object now = newId == null ? null : table.logged(row).orElse(null);
    return new Change(id, table, row.getLong("old_id"), newId, now);
  }

  /** The least and the greatest id there is; 0 when there is none. */
  Future<Gap> bounds(SqlConnection connection) {
    return connection
        .query(BOUNDS)
        .execute()
        .map(
            rows -> {
              Row row = rows.iterator().next();
              return new Gap(row.getLong("least"), row.getLong("greatest"));
            });
  }

  /**
   * The ids that have been committed in these ranges, ascending.
   *
   * @param ranges one at least
   * @param limit how many at most
   */
  Future<List<Long>> ids(SqlConnection connection, List<Gap> ranges, int limit) {
    return connection
        .query(IDS.formatted(isIn(ranges), limit))
        .collecting(mapping((Row row) -> row.getLong("id"), toUnmodifiableList()))
        .execute()
        .map(SqlResult::value);
  }

  /** Whether there is one that is none of these among the ids that may be new. */
  Future<Boolean> hasOthers(SqlConnection connection, SeenChanges seen, SeenChanges.Ids ids) {
    return ids.step() == 1
        ? Future.succeededFuture(false)
        : connection
            .preparedQuery(OTHERS)
            .execute(
                Tuple.of(seen.least() - 1, ids.step(), Math.floorMod(ids.offset(), ids.step())))
            .map(rows -> rows.size() > 0);
  }

  /**
   * Holds for the ids in these gaps, one at least. The numbers stand in the statement: there are
   * too many of such statements, and they are too long, to be kept prepared.
   */
  private static String isIn(List<Gap> gaps) {
    String ids =
        gaps.stream()
            .filter(Gap::isShort)
            .flatMapToLong(gap -> LongStream.rangeClosed(gap.from(), gap.to()))
            .mapToObj(Long::toString)
            .collect(joining(", "));
    Stream<String> list = ids.isEmpty() ? Stream.empty() : Stream.of("id IN (" + ids + ")");
    Stream<String> ranges =
        gaps.stream()
            .filter(gap -> !gap.isShort())
            .map(gap -> "id BETWEEN " + gap.from() + " AND " + gap.to());
    return Stream.concat(list, ranges).collect(joining(" OR "));
  }

  /** How the server gives out ids. */
  Future<SeenChanges.Ids> possible(SqlConnection connection) {
    return connection
        .query(ID_STEP)
        .execute()
        .map(
            rows -> {
              Row row = rows.iterator().next();
              return new SeenChanges.Ids(row.getLong("step"), row.getLong("first_id"));
            });
  }

  /** For how long the server lets a writer wait for a lock, in seconds. */
  Future<Long> lockWait() {
    return db.read(c -> c.query(LOCK_WAIT).execute())
        .map(rows -> rows.iterator().next().getLong("lock_wait"));
  }

  /**
   * Of these gaps, or of as many as can be looked at in some seconds, whether there is no row in it
   * at this moment, committed or not. That is no proof yet: a writer that waits for a lock before
   * it can insert has its id already.
   */
  Future<Map<Gap, Boolean>> empty(List<Gap> gaps) {
    long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(GAPS_LIMIT_MS);
    return db.look(
        connection -> {
          Map<Gap, Boolean> looked = new LinkedHashMap<>();
          return InTurn.whileTrue(
                  gaps,
                  (Gap gap) ->
                      System.nanoTime() - until > 0
                          ? Future.succeededFuture(false)
                          : isEmpty(connection, gap)
                              .map(
                                  isEmpty -> {
                                    looked.put(gap, isEmpty);
                                    return true;
                                  }))
              .map(looked);
        });
  }

  /** A row that is not committed is locked by who inserted it. */
  private static Future<Boolean> isEmpty(SqlConnection connection, Gap gap) {
    return connection
        .preparedQuery(LOCK_GAP)
        .execute(Tuple.of(gap.from(), gap.to()))
        .map(rows -> rows.size() == 0)
        .recover(
            e ->
                Database.isError(e, Database.LOCK_WAIT_TIMEOUT)
                    ? Future.succeededFuture(false)
                    : Future.failedFuture(e));
  }

  /**
   * Removes some old rows, never one of the newest; gives how many ids it went over.
   *
   * @param needed the least id that a reader may still need
   */
  Future<Long> prune(Tx tx, long needed) {
    return bounds(tx.connection())
        .compose(
            there -> {
              long limit = Math.min(there.to() - KEPT, needed - 1);
              if (there.from() > limit) {
                return Future.succeededFuture(0L);
              }
              long to = Math.min(limit, there.from() + PRUNED_AT_ONCE - 1);
              return tx.connection()
                  .preparedQuery(PRUNE)
                  .execute(Tuple.of(there.from(), to))
                  .map(to - there.from() + 1);
            });
  }
}
