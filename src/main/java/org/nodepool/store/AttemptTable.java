package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.Tuple;
import java.util.List;
import org.nodepool.model.Attempt;
import org.nodepool.model.Job;

/**
 * The table {@code api_job_attempt}: what became of each attempt at a job, and whether something of
 * it may be left outside the database.
 */
public final class AttemptTable {
  private static final String SELECT =
      """
      SELECT a.job_id, a.attempt, a.host, a.worker, a.started, a.finished, a.error, a.is_swept
        FROM api_job_attempt a
      """;
  private static final String OF_JOB = SELECT + " WHERE a.job_id = ? ORDER BY a.attempt";
  private static final String BEGIN =
      """
      INSERT INTO api_job_attempt (job_id, attempt, host, worker, started)
      VALUES (?, ?, ?, ?, ?)
      """;
  private static final String END =
      """
      UPDATE api_job_attempt SET finished = ?, error = ?, is_swept = ?
       WHERE job_id = ? AND attempt = ? AND finished IS NULL
      """;
  // Of a worker's own, what is not under way: a job that runs is ended by whoever runs it.
  private static final String UNSWEPT =
      SELECT
          + """
           JOIN api_job j ON j.id = a.job_id
          WHERE a.worker = ? AND a.is_swept = 0
            AND NOT (j.state = 'running' AND j.attempts = a.attempt)
            AND (a.finished IS NULL OR a.finished <= UNIX_TIMESTAMP() - ?)
          ORDER BY a.job_id, a.attempt
          """;
  private static final String UNSWEPT_OF =
      SELECT + " WHERE a.worker = ? AND a.is_swept = 0 ORDER BY a.job_id, a.attempt";
  private static final String SWEPT =
      "UPDATE api_job_attempt SET is_swept = 1 WHERE job_id = ? AND attempt = ?";
  private static final String COUNT_UNSWEPT =
      """
      SELECT COUNT(*) AS unswept FROM api_job_attempt
       WHERE job_id = ? AND attempt <> ? AND is_swept = 0
      """;

  private static final String DELETE_ALL = "DELETE FROM api_job_attempt WHERE job_id IN (%s)";

  private final Database db;

  public AttemptTable(Database db) {
    this.db = db;
  }

  /** The attempts at that job, the first one first. */
  public Future<List<Attempt>> of(long jobId) {
    return db.read(c -> select(c, OF_JOB, Tuple.of(jobId)));
  }

  /**
   * Attempts of that worker that ended at least so many seconds ago and may have left something, by
   * job and number.
   */
  public Future<List<Attempt>> unswept(String worker, int seconds) {
    return db.read(c -> select(c, UNSWEPT, Tuple.of(worker, seconds)));
  }

  /**
   * All attempts of that worker that are under way or may have left something, by job and number.
   */
  public Future<List<Attempt>> unsweptOf(String worker) {
    return db.read(c -> select(c, UNSWEPT_OF, Tuple.of(worker)));
  }

  /** Notes that the job, as it was claimed, is attempted. */
  Future<Void> begin(Tx tx, Job claimed) {
    return tx.connection()
        .preparedQuery(BEGIN)
        .execute(
            Tuple.of(claimed.id(), claimed.attempts(), claimed.host(), claimed.worker(), tx.now()))
        .mapEmpty();
  }

  /**
   * Notes how the job's latest attempt ended, once.
   *
   * @param error null when it succeeded
   * @param isSwept whether nothing of it is left outside the database
   */
  public Future<Void> end(Tx tx, Job job, String error, boolean isSwept) {
    return tx.connection()
        .preparedQuery(END)
        .execute(Tuple.of(tx.now(), error, isSwept, job.id(), job.attempts()))
        .mapEmpty();
  }

  /** Notes that nothing of that attempt is left. */
  public Future<Void> noteSwept(Tx tx, long jobId, int number) {
    return tx.connection().preparedQuery(SWEPT).execute(Tuple.of(jobId, number)).mapEmpty();
  }

  /**
   * Whether nothing is left of any attempt at that job, but for that one. Two transactions that ask
   * and then note agree only if they lock a row in common before.
   */
  public Future<Boolean> areOthersSwept(Tx tx, long jobId, int number) {
    return tx.connection()
        .preparedQuery(COUNT_UNSWEPT)
        .execute(Tuple.of(jobId, number))
        .map(rows -> rows.iterator().next().getLong("unswept") == 0);
  }

  /** Forgets the attempts at these jobs, whose ids there must be one of at least. */
  Future<Void> removeAll(Tx tx, Tuple jobIds) {
    return tx.connection()
        .preparedQuery(DELETE_ALL.formatted(Statements.places(jobIds.size())))
        .execute(jobIds)
        .mapEmpty();
  }

  private static Future<List<Attempt>> select(SqlClient client, String sql, Tuple values) {
    return Statements.list(client, sql, values, AttemptTable::attempt);
  }

  private static Attempt attempt(Row row) {
    return new Attempt(
        row.getLong("job_id"),
        row.getInteger("attempt"),
        row.getString("host"),
        row.getString("worker"),
        row.getLong("started"),
        row.getLong("finished"),
        row.getString("error"),
        row.getInteger("is_swept") != 0);
  }
}
