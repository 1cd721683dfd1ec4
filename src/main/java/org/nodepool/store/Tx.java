package org.nodepool.store;

import io.vertx.sqlclient.SqlConnection;
import java.util.ArrayList;
import java.util.List;
import org.nodepool.model.Event;

/**
 * One transaction under way. What the tables record in it becomes events when it is committed, and
 * nothing when it is not.
 */
public final class Tx {
  private enum Stage {
    OPEN,
    COMMITTING,
    ABANDONED
  }

  private final long now;
  private final List<Event> events = new ArrayList<>();
  private SqlConnection connection;
  private Stage stage = Stage.OPEN;

  Tx(long now) {
    this.now = now;
  }

  /** When it began, in Unix seconds; every time written in it. */
  public long now() {
    return now;
  }

  SqlConnection connection() {
    return connection;
  }

  void use(SqlConnection opened) {
    connection = opened;
  }

  void record(Event event) {
    events.add(event);
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
