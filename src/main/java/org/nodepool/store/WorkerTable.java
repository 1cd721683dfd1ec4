package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.Tuple;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.StreamSupport;
import org.nodepool.model.Worker;

/** The table {@code api_worker}: who runs jobs, and when each was last seen. */
public final class WorkerTable {
  // A worker says so every few seconds.
  private static final String SELECT =
      """
      SELECT worker, host, builds_dir, log_dir, seen > UNIX_TIMESTAMP() - 30 AS is_alive, trouble
        FROM api_worker
      """;
  private static final String LIST = SELECT + " ORDER BY host, worker";
  private static final String GET = SELECT + " WHERE worker = ?";
  private static final String SEEN =
      """
      INSERT INTO api_worker (worker, host, builds_dir, log_dir, seen, trouble)
      VALUES (?, ?, ?, ?, UNIX_TIMESTAMP(), ?)
      ON DUPLICATE KEY UPDATE host = VALUES(host), builds_dir = VALUES(builds_dir),
             log_dir = VALUES(log_dir), seen = VALUES(seen), trouble = VALUES(trouble)
      """;
  private static final String LEFT = "UPDATE api_worker SET seen = 0 WHERE worker = ?";

  private static final String GONE =
      """
      SELECT w.worker FROM api_worker w
       WHERE w.seen < UNIX_TIMESTAMP() - ?
         AND NOT EXISTS (SELECT 1 FROM api_job_attempt a WHERE a.worker = w.worker)
         AND NOT EXISTS (SELECT 1 FROM api_job j WHERE j.worker = w.worker)
      """;
  private static final String FORGET =
      "DELETE FROM api_worker WHERE worker = ? AND seen < UNIX_TIMESTAMP() - ?";

  private final Database db;

  public WorkerTable(Database db) {
    this.db = db;
  }

  /** Every worker that there ever was, by host and name. */
  public Future<List<Worker>> list() {
    return select(LIST, Tuple.tuple());
  }

  /** The worker of that name; empty when there never was one. */
  public Future<Optional<Worker>> find(String name) {
    return select(GET, Tuple.of(name)).map(rows -> rows.stream().findFirst());
  }

  /** Notes that this worker is there now; {@code isAlive} does not count. */
  public Future<Void> seen(Worker worker) {
    return db.note(
        c ->
            c.preparedQuery(SEEN)
                .execute(
                    Tuple.of(
                        worker.name(),
                        worker.host(),
                        worker.buildsDir(),
                        worker.logDir(),
                        worker.trouble()))
                .mapEmpty());
  }

  /** Notes that it has stopped in good order. */
  public Future<Void> left(String name) {
    return db.note(c -> c.preparedQuery(LEFT).execute(Tuple.of(name)).mapEmpty());
  }

  /**
   * Forgets the workers that no job and no attempt names, when they have stopped, or were not seen
   * for that long; one that is back later says so.
   */
  public Future<Void> forgetGone(Tx tx, Duration keep) {
    long seconds = keep.toSeconds();
    return tx.connection()
        .preparedQuery(GONE)
        .mapping(row -> Tuple.of(row.getString("worker"), seconds))
        .execute(Tuple.of(seconds))
        .compose(
            gone -> {
              List<Tuple> batch = StreamSupport.stream(gone.spliterator(), false).toList();
              return batch.isEmpty()
                  ? Future.succeededFuture()
                  : tx.connection().preparedQuery(FORGET).executeBatch(batch).mapEmpty();
            });
  }

  private Future<List<Worker>> select(String sql, Tuple values) {
    return db.read(c -> Statements.list(c, sql, values, WorkerTable::worker));
  }

  private static Worker worker(Row row) {
    return new Worker(
        row.getString("worker"),
        row.getString("host"),
        row.getString("builds_dir"),
        row.getString("log_dir"),
        row.getInteger("is_alive") != 0,
        row.getString("trouble"));
  }
}
