package org.nodepool.view;

import io.vertx.core.Future;
import io.vertx.core.VerticleBase;
import java.util.List;
import org.nodepool.model.Worker;
import org.nodepool.store.Database;
import org.nodepool.store.PoolLog;
import org.nodepool.store.WorkerTable;

/**
 * Reads that all event loops share. Whatever their number, the database has one probe at a time to
 * answer: more of them at once would make no answer come sooner, and each costs as much as sending
 * several. It works on an event loop of its own.
 */
public final class FreshReads extends VerticleBase {
  private final Database db;
  private final Picture picture;
  private final WorkerTable workerTable;
  private final PollStats stats;
  private PoolLog log;
  private SharedRead<PoolView> view;
  private SharedRead<List<Worker>> workers;

  /**
   * @param workers who could run the jobs
   */
  public FreshReads(Database db, Picture picture, WorkerTable workers, PollStats stats) {
    this.db = db;
    this.picture = picture;
    this.workerTable = workers;
    this.stats = stats;
  }

  @Override
  public Future<?> start() {
    log = new PoolLog(db);
    view = new SharedRead<>(vertx, this::probe);
    workers = new SharedRead<>(vertx, workerTable::list);
    return Future.succeededFuture();
  }

  private Future<PoolView> probe() {
    PoolView newest = picture.current();
    if (!newest.canBeProbed()) {
      return picture.refreshed(context);
    }
    stats.probed();
    return log.isAll(newest.seen())
        .compose(isAll -> isAll ? Future.succeededFuture(newest) : picture.refreshed(context));
  }

  /** The pool as it is; there once this was deployed. */
  SharedRead<PoolView> view() {
    return view;
  }

  /** Those who could run jobs; there once this was deployed. */
  SharedRead<List<Worker>> workers() {
    return workers;
  }
}
