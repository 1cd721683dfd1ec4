package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.sqlclient.SqlConnection;
import io.vertx.sqlclient.Tuple;
import java.util.ArrayList;
import java.util.List;
import org.nodepool.model.Event;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Resource;

/**
 * One transaction under way. The changes that tables record in it become events when it is
 * committed, and nothing when it is not.
 */
public final class Tx {
  private enum Stage {
    OPEN,
    COMMITTING,
    ABANDONED
  }

  private final long now;
  private final Failpoint what;
  private final List<Event> events = new ArrayList<>();
  private SqlConnection connection;
  private Stage stage = Stage.OPEN;

  Tx(long now, Failpoint what) {
    this.now = now;
    this.what = what;
  }

  Failpoint what() {
    return what;
  }

  /** When it began, in Unix seconds; every time written in it. */
  public long now() {
    return now;
  }

  /** What its statements run on. */
  public SqlConnection connection() {
    return connection;
  }

  void use(SqlConnection opened) {
    connection = opened;
  }

  /**
   * This moment, or a second after the newest version there is: a version tells two builds of one
   * image apart.
   *
   * @param newest a query of the column {@code version}
   */
  Future<Long> nextVersion(String newest, Tuple values) {
    return connection
        .preparedQuery(newest)
        .execute(values)
        .map(
            rows -> {
              Long version = rows.iterator().next().getLong("version");
              return version == null ? now : Math.max(now, version + 1);
            });
  }

  /** Whether it may still be committed. Thread-safe. */
  public synchronized boolean isOpen() {
    return stage == Stage.OPEN;
  }

  void record(Event event) {
    events.add(event);
  }

  /** Runs an UPDATE that matches one row or none; that it did is an event. */
  Future<Boolean> change(String sql, Tuple values, String oldState, Resource changed) {
    return connection
        .preparedQuery(sql)
        .execute(values)
        .map(
            updated -> {
              if (updated.rowCount() == 0) {
                return false;
              }
              record(Event.changed(oldState, changed, now));
              return true;
            });
  }

  /** Runs a DELETE by id; that it is gone is an event. */
  Future<Void> remove(String sql, Resource row) {
    return connection
        .preparedQuery(sql)
        .execute(Tuple.of(row.id()))
        .map(
            deleted -> {
              record(Event.removed(row, now));
              return null;
            });
  }

  List<Event> events() {
    return events;
  }

  /** False when whoever asked has already been told that nothing was changed. */
  synchronized boolean mayCommit() {
    if (stage == Stage.OPEN) {
      stage = Stage.COMMITTING;
    }
    return stage == Stage.COMMITTING;
  }

  /** Makes sure that it is not committed any more; false when that is too late. */
  synchronized boolean abandon() {
    if (stage == Stage.OPEN) {
      stage = Stage.ABANDONED;
    }
    return stage == Stage.ABANDONED;
  }
}
