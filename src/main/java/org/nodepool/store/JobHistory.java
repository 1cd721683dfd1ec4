package org.nodepool.store;

import static java.util.stream.Collectors.joining;
import static java.util.stream.Collectors.mapping;
import static java.util.stream.Collectors.toUnmodifiableSet;

import io.vertx.core.Future;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.SqlResult;
import io.vertx.sqlclient.Tuple;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.nodepool.model.Event;
import org.nodepool.model.Job;
import org.nodepool.model.JobKind;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;

/**
 * The jobs of {@code api_job} that have ended: which are shown, and which go. Shown are the newest,
 * as many as may be kept, and of the others those that somebody needs; what is not shown goes.
 * Thread-safe.
 */
public final class JobHistory {
  /** A successful job tells nothing once its node is gone, and there are very many. */
  private static final Duration NODE_JOBS_KEPT = Duration.ofDays(1);

  private static final String SELECT = Columns.JOB.select("j");

  private static final String HORIZON =
      """
      SELECT finished, id FROM api_job WHERE finished IS NOT NULL
       ORDER BY finished DESC, id DESC LIMIT 1 OFFSET ?
      """;
  private static final String UNFINISHED = SELECT + "WHERE j.finished IS NULL";
  private static final String IS_BEFORE = "(j.finished < ? OR (j.finished = ? AND j.id < ?))";
  private static final String IS_SINCE = "(j.finished > ? OR (j.finished = ? AND j.id >= ?))";
  private static final String NEWEST = SELECT + "WHERE " + IS_SINCE + " AND " + IS_BEFORE;
  private static final String NEXT =
      "SELECT j.finished, j.id FROM api_job j WHERE "
          + IS_SINCE
          + " ORDER BY j.finished, j.id LIMIT 1 OFFSET ?";

  // However old: the last job of a row that is there, and the one that made it; the last build of
  // an image that succeeded, and the last that failed; the build of what an unfinished job is
  // about; what may have left something outside the database.
  private static final String KEPT =
      Stream.concat(
              Stream.of(What.values()).flatMap(JobHistory::ofRowsThere),
              Stream.of(
                  lastBuilds("succeeded"),
                  lastBuilds("failed"),
                  """
                  SELECT b.id FROM api_job u JOIN api_job b ON b.dib_image_id = u.dib_image_id
                   WHERE u.finished IS NULL
                  """,
                  "SELECT job_id AS id FROM api_job_attempt WHERE is_swept = 0\n"))
          .collect(joining(" UNION "));

  private static final String KEPT_BEFORE =
      SELECT + "JOIN (" + KEPT + ") k ON k.id = j.id WHERE " + IS_BEFORE;

  private static final String PRUNABLE =
      "SELECT j.id, j.uuid FROM api_job j LEFT JOIN ("
          + KEPT
          + ") k ON k.id = j.id WHERE k.id IS NULL AND j.kind IN "
          + JobTable.in(JobKind.kindsThat(kind -> true))
          + " AND j.finished <= ? AND ("
          + IS_BEFORE
          + """
           OR (j.state = 'succeeded' AND j.subject_what = '%s' AND j.finished < ?))
           ORDER BY j.finished, j.id
           LIMIT ?
          """
              .formatted(What.NODE.collection());

  /** So many are read at once: who polls meanwhile does not wait for more. */
  private static final int PART = 1_000;

  private static final String OF_IDS = SELECT + "WHERE j.id IN (%s) ORDER BY j.id FOR UPDATE";
  private static final String DELETE_ALL = "DELETE FROM api_job WHERE id IN (%s)";
  private static final String UUIDS = "SELECT uuid FROM api_job WHERE uuid IN (%s)";

  /**
   * The end of the oldest of the newest jobs; those that ended before are the others.
   *
   * @param finished Unix seconds
   */
  private record Horizon(long finished, long id) {
    boolean isBefore(long otherFinished, long otherId) {
      return finished < otherFinished || (finished == otherFinished && id < otherId);
    }
  }

  private static final Horizon END = new Horizon(Long.MAX_VALUE, Long.MAX_VALUE);
  private static final Future<List<Job>> NONE = Future.succeededFuture(List.of());

  private final Database db;
  private final AttemptTable attempts;
  private final int most;

  /**
   * @param most how many are the newest ones, 1 or more
   */
  public JobHistory(Database db, AttemptTable attempts, int most) {
    this.db = db;
    this.attempts = attempts;
    this.most = most;
  }

  /** A job that may go. */
  public record Prunable(long id, String uuid) {}

  /** How many are the newest ones. */
  public int most() {
    return most;
  }

  /**
   * All jobs that are shown, those that have not ended among them, in no order.
   *
   * @param pausesMs all pauses together, between parts of the newest ones, for others who need the
   *     processor; 0: none
   */
  public Future<List<Job>> shown(SqlClient client, long pausesMs) {
    return horizon(client)
        .compose(
            horizon -> {
              Horizon from = horizon.orElse(new Horizon(0, 0));
              long pauseMs = pausesMs * PART / Math.max(PART, most);
              List<Job> all = new ArrayList<>();
              return Columns.JOB
                  .known(client, UNFINISHED, Tuple.tuple())
                  .compose(
                      unfinished -> {
                        all.addAll(unfinished);
                        return newest(client, from, pauseMs, all);
                      })
                  .compose(v -> horizon.isPresent() ? kept(client, from) : NONE)
                  .map(
                      kept -> {
                        all.addAll(kept);
                        return all;
                      });
            });
  }

  private Future<Void> newest(SqlClient client, Horizon from, long pauseMs, List<Job> all) {
    return client
        .preparedQuery(NEXT)
        .execute(Tuple.of(from.finished(), from.finished(), from.id(), PART))
        .compose(
            rows -> {
              Optional<Horizon> next = horizon(rows);
              Horizon end = next.orElse(END);
              return Columns.JOB
                  .known(
                      client,
                      NEWEST,
                      Tuple.of(from.finished(), from.finished(), from.id())
                          .addLong(end.finished())
                          .addLong(end.finished())
                          .addLong(end.id()))
                  .compose(
                      jobs -> {
                        all.addAll(jobs);
                        return next.isPresent()
                            ? paused(pauseMs).compose(v -> newest(client, next.get(), pauseMs, all))
                            : Future.succeededFuture();
                      });
            });
  }

  private Future<?> paused(long ms) {
    return ms == 0 ? Future.succeededFuture() : db.vertx().timer(ms, TimeUnit.MILLISECONDS);
  }

  private static Future<List<Job>> kept(SqlClient client, Horizon before) {
    Tuple end = Tuple.of(before.finished(), before.finished(), before.id());
    return Columns.JOB.known(client, KEPT_BEFORE, end);
  }

  /** Empty when there are no others. */
  private Future<Optional<Horizon>> horizon(SqlClient client) {
    return client.preparedQuery(HORIZON).execute(Tuple.of(most - 1)).map(JobHistory::horizon);
  }

  private static Optional<Horizon> horizon(RowSet<Row> rows) {
    return rows.size() == 0
        ? Optional.empty()
        : Optional.of(rows.iterator().next())
            .map(row -> new Horizon(row.getLong("finished"), row.getLong("id")));
  }

  /**
   * Ended jobs that are not shown, that ended so long ago, or that were a node's and succeeded a
   * day ago; not those that somebody needs. The oldest first.
   *
   * @param keep how long ago
   * @param limit how many at most
   */
  public Future<List<Prunable>> prunable(Duration keep, int limit) {
    return db.read(
        c ->
            horizon(c)
                .compose(
                    horizon -> {
                      Horizon old = new Horizon(db.now() - keep.toSeconds(), 0);
                      Horizon end =
                          horizon.filter(h -> old.isBefore(h.finished(), h.id())).orElse(old);
                      long nodes = db.now() - NODE_JOBS_KEPT.toSeconds();
                      return Statements.list(
                          c,
                          PRUNABLE,
                          Tuple.of(
                              Math.max(nodes, end.finished()),
                              end.finished(),
                              end.finished(),
                              end.id(),
                              nodes,
                              limit),
                          row -> new Prunable(row.getLong("id"), row.getString("uuid")));
                    }));
  }

  /**
   * Removes those of these jobs that are still there, with their attempts; gives their number. What
   * is prunable stays so, and is not looked at again.
   */
  public Future<Integer> removeAll(Tx tx, List<Prunable> prunable) {
    Tuple ids = Tuple.from(prunable.stream().map(Prunable::id).toList());
    String places = Statements.places(prunable.size());
    return Columns.JOB
        .known(tx.connection(), OF_IDS.formatted(places), ids)
        .compose(
            there ->
                attempts
                    .removeAll(tx, ids)
                    .compose(
                        v ->
                            tx.connection()
                                .preparedQuery(DELETE_ALL.formatted(places))
                                .execute(ids))
                    .map(
                        deleted -> {
                          there.forEach(job -> tx.record(Event.removed(job, tx.now())));
                          return there.size();
                        }));
  }

  /** Which of these are the uuids of jobs. */
  public Future<Set<String>> known(List<String> uuids) {
    if (uuids.isEmpty()) {
      return Future.succeededFuture(Set.of());
    }
    return db.read(
            c ->
                c.preparedQuery(UUIDS.formatted(Statements.places(uuids.size())))
                    .collecting(mapping((Row row) -> row.getString("uuid"), toUnmodifiableSet()))
                    .execute(Tuple.from(uuids)))
        .map(SqlResult::value);
  }

  private static String lastBuilds(String state) {
    return """
        SELECT MAX(id) AS id FROM api_job WHERE kind = 'build' AND state = '%s' GROUP BY image_name
        """
        .formatted(state);
  }

  /** SELECTs of the last job on each row of that table, and of the one that made it. */
  private static Stream<String> ofRowsThere(What what) {
    String jobs =
        " FROM %s r JOIN api_job j ON j.subject = CONCAT('%s', r.id)"
            .formatted(JobTable.table(what), new Subject(what, 0).path().replaceFirst("0$", ""));
    Set<JobKind> makers = JobKind.kindsThat(kind -> kind.makes() && kind.subject() == what);
    String last = "SELECT MAX(j.id) AS id" + jobs + " GROUP BY r.id\n";
    return makers.isEmpty()
        ? Stream.of(last)
        : Stream.of(last, "SELECT j.id" + jobs + " WHERE j.kind IN " + JobTable.in(makers) + "\n");
  }
}
