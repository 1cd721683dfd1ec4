package org.nodepool.changes;

import io.vertx.core.Future;
import io.vertx.sqlclient.SqlConnection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.nodepool.async.InTurn;
import org.nodepool.changes.ChangeTable.Change;
import org.nodepool.store.Columns;
import org.nodepool.store.Database;

/**
 * Reads the pool and its jobs as they are at one moment, and then what was changed since, whoever
 * changed it. It has a connection for itself. To be used on one context alone; a read that asks
 * whether there is anything new may begin while another one is under way, and waits for it. Every
 * future fails with {@link org.nodepool.model.Problem.Unavailable} when the database is away.
 */
public final class PoolLog {
  /** Many rows take their time; who waits for them is told earlier that they are not there. */
  private static final long ALL_LIMIT_MS = 20_000;

  private static final String SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
  private static final String BEGIN = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

  /**
   * All rows at one moment.
   *
   * @param tables for each that is logged, its rows in no order; nodes without their subnodes
   * @param seen what of the change log is in them; null when changes are not logged, so that
   *     everything has to be read each time
   */
  public record Rows(Map<Columns<?>, List<?>> tables, SeenChanges seen) {
    /** The rows of that table, in no order. */
    @SuppressWarnings("unchecked") // the table read them
    public <T> List<T> of(Columns<T> table) {
      return (List<T>) tables.get(table);
    }
  }

  /**
   * What was changed since.
   *
   * @param changes in the order in which each row was changed
   * @param seen including them
   */
  public record Changes(List<Change> changes, SeenChanges seen) {
    /** By key the rows of that table that were changed, as they are now; null for one gone. */
    @SuppressWarnings("unchecked") // the table read it
    public <T> Map<Long, T> of(Columns<T> table) {
      Map<Long, T> rows = new HashMap<>();
      for (Change change : changes) {
        if (change.table() == table) {
          if (change.oldId() != null) {
            rows.put(change.oldId(), null);
          }
          if (change.newId() != null) {
            rows.put(change.newId(), (T) change.row());
          }
        }
      }
      return rows;
    }
  }

  private final Database db;
  private final List<Columns<?>> tables;
  private final Triggers triggers;
  private final OwnConnection own;
  private final ChangeTable table;
  private SeenChanges.Ids given = SeenChanges.Ids.ALL;

  /** Whether somebody gives out ids in a way of his own: then every number may be one. */
  private boolean isMixed;

  public PoolLog(Database db) {
    this(db, Columns.LOGGED);
  }

  /**
   * @param tables that are logged
   */
  PoolLog(Database db, List<Columns<?>> tables) {
    this.db = db;
    this.tables = tables;
    this.triggers = new Triggers(tables);
    this.own = new OwnConnection(db);
    this.table = new ChangeTable(db, tables);
  }

  /**
   * Whether nothing was committed since but what was seen; false also when that cannot be told, as
   * after a connection was made anew. The cheapest read there is.
   */
  public Future<Boolean> isAll(SeenChanges seen) {
    return own.read(
        Database.ANSWER_LIMIT_MS,
        connection ->
            isSameLog(seen) ? table.isAll(connection, seen) : Future.succeededFuture(false));
  }

  /** To be asked when there is a connection: it may be to a server that others do not know yet. */
  private boolean isSameLog(SeenChanges seen) {
    return seen.connections() == db.ownConnections();
  }

  /** What was changed since; null when that cannot be told, and {@link #all} must be read. */
  public Future<Changes> since(SeenChanges seen) {
    return own.read(
        Database.ANSWER_LIMIT_MS,
        connection -> isSameLog(seen) ? since(connection, seen) : Future.succeededFuture(null));
  }

  private Future<Changes> since(SqlConnection connection, SeenChanges seen) {
    return table
        .since(connection, seen, possible())
        .compose(
            since ->
                since.isWhole() && since.seen().equals(seen)
                    ? nothing(connection, seen)
                    : Future.succeededFuture(
                        since.isWhole() ? new Changes(since.changes(), since.seen()) : null));
  }

  /**
   * Nothing new is there; but if what was seen is not there any more, it is another log, and a gap
   * that was filled may have been pruned.
   */
  private Future<Changes> nothing(SqlConnection connection, SeenChanges seen) {
    return table
        .bounds(connection)
        .map(
            bounds ->
                bounds.to() < seen.greatest() || bounds.from() > seen.leastToBeMissed()
                    ? null
                    : new Changes(List.of(), seen));
  }

  /**
   * Everything.
   *
   * @param seen whose gaps are still to be watched; null when nothing was seen before
   */
  public Future<Rows> all(SeenChanges seen) {
    return own.read(
        ALL_LIMIT_MS,
        connection -> {
          SeenChanges before =
              seen == null || !isSameLog(seen)
                  ? SeenChanges.NONE.readAt(db.ownConnections(), 0)
                  : seen;
          // before the snapshot: what is logged only later is in it
          return triggers
              .areInPlace(connection)
              .compose(
                  isLogged ->
                      connection
                          .query(SNAPSHOT)
                          .execute()
                          .compose(v -> connection.query(BEGIN).execute())
                          .compose(v -> all(connection, before, isLogged))
                          .eventually(() -> connection.query("COMMIT").execute()));
        });
  }

  private Future<Rows> all(SqlConnection connection, SeenChanges before, boolean isLogged) {
    Future<SeenChanges> seen = isLogged ? seen(connection, before) : Future.succeededFuture(null);
    return seen.compose(
        now -> {
          Map<Columns<?>, List<?>> rows = new HashMap<>();
          return InTurn.each(
                  tables, (Columns<?> of) -> of.all(connection).map(all -> rows.put(of, all)))
              .map(new Rows(rows, now));
        });
  }

  /** A smaller greatest id than before is another log. */
  private Future<SeenChanges> seen(SqlConnection connection, SeenChanges before) {
    return table
        .possible(connection)
        .compose(
            found -> {
              given = found;
              return table.bounds(connection);
            })
        .compose(
            bounds -> {
              SeenChanges same = bounds.to() < before.greatest() ? before.forgotten() : before;
              SeenChanges base = same.readAt(before.connections(), bounds.from());
              return table
                  .hasOthers(connection, base, given)
                  .compose(
                      hasOthers -> {
                        isMixed = isMixed || hasOthers;
                        return new LogScan(connection, table, possible()).seen(base);
                      });
            });
  }

  private SeenChanges.Ids possible() {
    return isMixed ? SeenChanges.Ids.ALL : given;
  }
}
