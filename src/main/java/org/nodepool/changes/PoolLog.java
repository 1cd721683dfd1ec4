package org.nodepool.changes;

import io.vertx.core.Future;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.SqlConnection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import org.nodepool.async.InTurn;
import org.nodepool.changes.ChangeTable.Change;
import org.nodepool.store.Columns;
import org.nodepool.store.Database;

/**
 * Reads the rows of some tables as they are at one moment, and then what was changed since, whoever
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
   * The rows at one moment.
   *
   * @param tables for each source, its rows in no order; nodes without their subnodes
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

  /**
   * The rows of a table that are read.
   *
   * @param rows gives all of them, in no order
   */
  public record Source<T>(Columns<T> table, Function<SqlClient, Future<List<T>>> rows) {
    public static <T> Source<T> whole(Columns<T> table) {
      return new Source<>(table, table::all);
    }

    private Future<?> read(SqlConnection connection, Map<Columns<?>, List<?>> all) {
      return rows.apply(connection).map(read -> all.put(table, read));
    }
  }

  private final Database db;
  private final List<Source<?>> sources;
  private final Triggers triggers;
  private final OwnConnection own;
  private final ChangeTable table;
  private SeenChanges.Ids given = SeenChanges.Ids.ALL;

  /** Whether somebody gives out ids in a way of his own: then every number may be one. */
  private final AtomicBoolean isMixed;

  /** Reads these tables whole, which are all that are logged. */
  static PoolLog ofAll(Database db, List<Columns<?>> tables) {
    return new PoolLog(
        db,
        tables.stream().<Source<?>>map(Source::whole).toList(),
        tables,
        true,
        new AtomicBoolean());
  }

  /** Reads no rows: it can only tell whether anything is new. */
  public static PoolLog prober(Database db) {
    return new PoolLog(db, List.of());
  }

  /** Reads the same rows for another one, which must then read what was changed since. */
  public PoolLog beside(List<Source<?>> others) {
    return new PoolLog(db, others, Columns.LOGGED, false, isMixed);
  }

  /**
   * @param sources of the tables that are read
   */
  public PoolLog(Database db, List<Source<?>> sources) {
    this(db, sources, Columns.LOGGED, true, new AtomicBoolean());
  }

  /**
   * @param logged all tables that are logged; changes of those that are not read are left out
   */
  private PoolLog(
      Database db,
      List<Source<?>> sources,
      List<Columns<?>> logged,
      boolean isCounted,
      AtomicBoolean isMixed) {
    this.isMixed = isMixed;
    this.db = db;
    this.sources = sources;
    this.triggers = new Triggers(logged);
    this.own = new OwnConnection(db, isCounted);
    this.table = new ChangeTable(db, sources.stream().<Columns<?>>map(Source::table).toList());
  }

  /** Connects, so that no later one of its connections makes others read all rows again. */
  public Future<Void> open() {
    return own.read(Database.ANSWER_LIMIT_MS, connection -> Future.succeededFuture());
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
   * All rows of the sources.
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
          return InTurn.each(sources, (Source<?> source) -> source.read(connection, rows))
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
                        isMixed.compareAndSet(false, hasOthers);
                        return new LogScan(connection, table, possible()).seen(base);
                      });
            });
  }

  private SeenChanges.Ids possible() {
    return isMixed.get() ? SeenChanges.Ids.ALL : given;
  }
}
