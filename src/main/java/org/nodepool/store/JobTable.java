package org.nodepool.store;

import static java.util.stream.Collectors.joining;
import static java.util.stream.Collectors.mapping;
import static java.util.stream.Collectors.toUnmodifiableSet;

import io.vertx.core.Future;
import io.vertx.mysqlclient.MySQLClient;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.SqlResult;
import io.vertx.sqlclient.Tuple;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Stream;
import org.nodepool.model.Event;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.JobKind;
import org.nodepool.model.JobKind.Lane;
import org.nodepool.model.JobKind.Wait;
import org.nodepool.model.Problem;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;

/**
 * The table {@code api_job}: the row is the job. Whoever runs a job writes it only through methods
 * that carry its worker and attempt in the WHERE, so that a worker which was thought dead changes
 * nothing.
 */
public final class JobTable {
  /** For how long a worker has a job without saying again that it lives. */
  private static final int LEASE_SECONDS = 30;

  private static final String MAKING = in(JobKind.kindsThat(JobKind::makes));

  /** Those of a later version are not counted where a number is limited. */
  private static final String KNOWN = in(JobKind.kindsThat(kind -> true));

  private static final String COLUMNS = Columns.JOB.list("j");
  private static final String SELECT = Columns.JOB.select("j");
  private static final String STILL_UNFINISHED =
      "SELECT id FROM api_job WHERE finished IS NULL AND id IN (%s)";
  private static final String GET = SELECT + "WHERE j.id = ?";
  private static final String OF_IDS = SELECT + "WHERE j.id IN (%s) ORDER BY j.id";
  private static final String LOCK = GET + " FOR UPDATE";
  private static final String ACTIVE_BUILD = SELECT + "WHERE j.active_key = ?";
  private static final String BUILD_OF =
      SELECT + "WHERE j.dib_image_id = ? AND j.kind = 'build' ORDER BY j.id";
  private static final String MADE =
      "SELECT DISTINCT subject FROM api_job WHERE kind IN " + MAKING + " AND subject IN (%s)";
  private static final String LOCK_ACTIVE_OF_SUBJECT =
      SELECT + "WHERE j.subject = ? AND j.finished IS NULL ORDER BY j.id FOR UPDATE";
  private static final String LOCK_ACTIVE_OF_DIB_IMAGE =
      SELECT + "WHERE j.dib_image_id = ? AND j.finished IS NULL ORDER BY j.id FOR UPDATE";
  private static final String RUNNING_OF_WORKER =
      SELECT + "WHERE j.state = 'running' AND j.worker = ? ORDER BY j.id";
  private static final String CURRENT =
      SELECT + "WHERE j.id = ? AND j.state = 'running' AND j.worker = ? AND j.attempts = ?";

  private static final String LOCK_CURRENT = CURRENT + " FOR UPDATE";

  // What may begin now: first for the provider for which the worker does least, then oldest first.
  private static final String CLAIMABLE =
      "SELECT "
          + COLUMNS
          + """
          , %s AS doing
            FROM api_job j
          WHERE j.state = 'queued' AND j.kind IN %s
            AND (j.not_before IS NULL OR j.not_before <= UNIX_TIMESTAMP())
            AND (j.needs_host IS NULL OR j.needs_host = ?)
          """
          + Stream.of(Wait.values()).map(JobTable::unlessItWaits).collect(joining())
          + """
          HAVING doing <= ?
          ORDER BY doing, j.id
          LIMIT 8
          """;

  // Jobs for no provider are as those for one more.
  private static final String IS_FOR = "(COALESCE(j.provider_name, '') = ?)";

  private static final String INSERT =
      """
      INSERT INTO api_job (uuid, kind, state, subject, image_name, provider_name, dib_image_id,
                           needs_host, is_cleanup, created)
      VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?)
      """;
  private static final String CLAIM =
      """
      UPDATE api_job SET state = 'running', host = ?, worker = ?, attempts = attempts + 1,
             lease_until = UNIX_TIMESTAMP() + %d, started = ?, progress = NULL, phase = NULL,
             not_before = NULL
       WHERE id = ? AND state = 'queued'
         AND (not_before IS NULL OR not_before <= UNIX_TIMESTAMP())
         AND (needs_host IS NULL OR needs_host = ?)
      """
          .formatted(LEASE_SECONDS);
  private static final String ADOPT = "UPDATE api_job SET is_cleanup = 0 WHERE id = ?";
  private static final String REQUEST_CANCEL =
      "UPDATE api_job SET cancel_requested = 1 WHERE id = ? AND finished IS NULL";
  private static final String END_QUEUED =
      """
      UPDATE api_job SET state = ?, error = ?, phase = NULL, finished = ?
       WHERE id = ? AND state = 'queued'
      """;
  private static final String FENCE =
      " WHERE j.id = ? AND j.state = 'running' AND j.worker = ? AND j.attempts = ?";
  private static final String EXPIRED =
      " (j.lease_until IS NULL OR j.lease_until < UNIX_TIMESTAMP())";
  private static final String PROGRESS = "UPDATE api_job j SET progress = ?, phase = ?" + FENCE;

  // One that ran out may be renewed as long as nobody has taken the job over.
  private static final String RENEW =
      "UPDATE api_job j SET lease_until = UNIX_TIMESTAMP() + " + LEASE_SECONDS + FENCE;

  // What a worker on this host has to end. Anybody may end a cancelled job, whose leftovers its own
  // worker sweeps, and a deletion that can be done anywhere.
  private static final String ABANDONED =
      SELECT
          + " WHERE j.state = 'running' AND j.kind IN "
          + KNOWN
          + " AND (j.host = ? OR j.cancel_requested = 1 OR (j.kind IN "
          + in(JobKind.kindsThat(JobKind::deletes))
          + " AND j.needs_host IS NULL)) AND"
          + EXPIRED
          + " ORDER BY j.id LIMIT 8";
  private static final String TAKE_OVER =
      "UPDATE api_job j SET worker = ?, lease_until = UNIX_TIMESTAMP() + "
          + LEASE_SECONDS
          + FENCE
          + " AND"
          + EXPIRED;

  // A job that was taken over shows, and its log is found by, the worker that began the attempt.
  private static final String END =
      """
      UPDATE api_job j
        LEFT JOIN api_job_attempt a ON a.job_id = j.id AND a.attempt = j.attempts
         SET j.worker = COALESCE(a.worker, j.worker), j.lease_until = NULL,
      """;
  private static final String FINISH =
      END
          + " j.state = ?, j.error = ?, j.progress = ?, j.phase = NULL, j.finished = ?,"
          + " j.not_before = NULL"
          + FENCE;
  private static final String REQUEUE =
      END
          + """
             j.state = 'queued', j.lost = j.lost + ?, j.started = NULL, j.progress = NULL,
             j.phase = ?, j.not_before = CEILING(UNIX_TIMESTAMP(NOW(6))) + ?
          """
          + FENCE;
  private static final String NEEDS_HOST =
      "UPDATE api_job SET needs_host = ? WHERE dib_image_id = ? AND finished IS NULL AND kind IN "
          + in(JobKind.kindsThat(kind -> kind.waits().contains(Wait.ITS_BUILD)));
  private static final String HOST_OF_MAKER =
      "SELECT j.host FROM api_job j JOIN snapshot_image i ON i.id = j.subject_id"
          + " WHERE j.subject = ? AND j.host IS NOT NULL AND i.external_id IS NOT NULL"
          + " AND j.kind IN "
          + MAKING
          + " ORDER BY j.id DESC LIMIT 1";

  /** A job that is to be; as in {@link Job}. */
  public record Draft(
      JobKind kind, Subject subject, String imageName, String providerName, Long dibImageId) {
    public Draft {
      if (subject.what() != kind.subject()) {
        throw new IllegalArgumentException("%s is no subject of %s".formatted(subject, kind));
      }
    }
  }

  private final Database db;
  private final AttemptTable attempts;

  public JobTable(Database db, AttemptTable attempts) {
    this.db = db;
    this.attempts = attempts;
  }

  /** Those of these jobs that have not ended; {@code ids} is not empty. */
  public Future<Set<Long>> stillUnfinished(Set<Long> ids) {
    Tuple values = filled(ids);
    return db.read(
            c ->
                c.preparedQuery(STILL_UNFINISHED.formatted(Statements.places(values.size())))
                    .collecting(mapping((Row row) -> row.getLong("id"), toUnmodifiableSet()))
                    .execute(values))
        .map(SqlResult::value);
  }

  /** The jobs of these ids that there are, by id. */
  public Future<List<Job>> list(Set<Long> ids) {
    if (ids.isEmpty()) {
      return Future.succeededFuture(List.of());
    }
    Tuple values = filled(ids);
    return db.read(c -> select(c, OF_IDS.formatted(Statements.places(values.size())), values));
  }

  /** Filled up to a power of two, so that there are few statements to prepare. */
  private static Tuple filled(Set<Long> ids) {
    List<Object> values = new ArrayList<>(ids);
    while (Integer.bitCount(values.size()) > 1) {
      values.add(values.get(0));
    }
    return Tuple.from(values);
  }

  /** The job; fails with {@link Problem.NotFound}. */
  public Future<Job> get(long id) {
    return find(id).map(row -> row.orElseThrow(() -> Problem.NotFound.row("job", id)));
  }

  /** The job; empty when there is none. */
  public Future<Optional<Job>> find(long id) {
    return db.read(c -> select(c, GET, Tuple.of(id))).map(JobTable::first);
  }

  /** The job, not locked; empty when there is none. */
  public Future<Optional<Job>> find(Tx tx, long id) {
    return select(tx.connection(), GET, Tuple.of(id)).map(JobTable::first);
  }

  /** The job, locked until the transaction ends; empty when there is none. */
  public Future<Optional<Job>> lock(Tx tx, long id) {
    return select(tx.connection(), LOCK, Tuple.of(id)).map(JobTable::first);
  }

  /** The build of that diskimage that is queued or running and not to be cancelled. */
  public Future<Optional<Job>> activeBuild(String diskImage) {
    return db.read(c -> select(c, ACTIVE_BUILD, Tuple.of(diskImage))).map(JobTable::first);
  }

  /** The build job that made, or makes, that dib image; empty when it is none of ours. */
  public Future<Optional<Job>> buildOf(long dibImageId) {
    return db.read(c -> select(c, BUILD_OF, Tuple.of(dibImageId))).map(JobTable::first);
  }

  /** Which of these subjects a job of this service made, or is making. */
  public Future<Set<Subject>> made(List<Subject> subjects) {
    return column("subject", MADE, subjects.stream().map(Subject::path).toList())
        .map(paths -> paths.stream().map(Subject::at).collect(toUnmodifiableSet()));
  }

  /** The jobs on that subject that have not ended, by id; locked until the transaction ends. */
  public Future<List<Job>> lockActive(Tx tx, Subject subject) {
    return select(tx.connection(), LOCK_ACTIVE_OF_SUBJECT, Tuple.of(subject.path()));
  }

  /** The jobs that make, send or delete that dib image and have not ended, by id; locked. */
  public Future<List<Job>> lockActiveOf(Tx tx, long dibImageId) {
    return select(tx.connection(), LOCK_ACTIVE_OF_DIB_IMAGE, Tuple.of(dibImageId));
  }

  /** What that worker runs, or ran when it died, by id. */
  public Future<List<Job>> running(String worker) {
    return db.read(c -> select(c, RUNNING_OF_WORKER, Tuple.of(worker)));
  }

  /**
   * A new queued job. Fails with {@link DuplicateKey} when it is a build and one of that name is
   * queued or running.
   *
   * @param needsHost as in {@link Job}, as {@code isCleanup}
   */
  public Future<Job> insert(Tx tx, Draft draft, String needsHost, boolean isCleanup) {
    return tx.connection()
        .preparedQuery(INSERT)
        .execute(
            Tuple.of(
                UUID.randomUUID().toString(),
                draft.kind().toString(),
                draft.subject().path(),
                draft.imageName(),
                draft.providerName(),
                draft.dibImageId(),
                needsHost,
                isCleanup,
                tx.now()))
        .compose(inserted -> lock(tx, inserted.property(MySQLClient.LAST_INSERTED_ID)))
        .map(
            row -> {
              Job job = row.orElseThrow();
              tx.record(Event.inserted(job, tx.now()));
              return job;
            });
  }

  /**
   * Takes a job of this lane that may begin now: of the provider for which the least is being done,
   * the oldest. Empty when there is none.
   *
   * @param doing the jobs that the worker already does besides; those for no provider count as for
   *     one of their own
   * @param isFull whether to take one only for a provider for which nothing is being done
   */
  public Future<Optional<Job>> claim(
      Lane lane, List<Job> doing, boolean isFull, String host, String worker) {
    String count = "0" + (" + " + IS_FOR).repeat(doing.size());
    String sql = CLAIMABLE.formatted(count, in(lane.kinds()));
    Tuple values = Tuple.tuple();
    doing.forEach(job -> values.addString(Objects.requireNonNullElse(job.providerName(), "")));
    values.addString(host).addInteger(isFull ? 0 : doing.size());
    return db.read(c -> select(c, sql, values))
        .compose(candidates -> claimFirst(candidates, host, worker));
  }

  private Future<Optional<Job>> claimFirst(List<Job> candidates, String host, String worker) {
    if (candidates.isEmpty()) {
      return Future.succeededFuture(Optional.empty());
    }
    Job job = candidates.get(0);
    return db.transaction(Failpoint.CLAIM, tx -> claim(tx, job, host, worker))
        // another program may hold its row for long
        .recover(
            e ->
                e instanceof Problem.Unavailable
                    ? Future.succeededFuture(Optional.empty())
                    : Future.failedFuture(e))
        .compose(
            claimed ->
                claimed.isPresent()
                    ? Future.succeededFuture(claimed)
                    : claimFirst(candidates.subList(1, candidates.size()), host, worker));
  }

  /** Empty when another worker was quicker. */
  private Future<Optional<Job>> claim(Tx tx, Job job, String host, String worker) {
    return tx.connection()
        .preparedQuery(CLAIM)
        .execute(Tuple.of(host, worker, tx.now(), job.id(), host))
        .compose(
            updated ->
                updated.rowCount() == 0
                    ? Future.succeededFuture(Optional.empty())
                    : changed(tx, job)
                        .compose(c -> attempts.begin(tx, c).map(v -> Optional.of(c))));
  }

  /** Notes that somebody asked for the job, also when it was the service that wanted it first. */
  public Future<Void> adopt(Tx tx, Job job) {
    return job.isCleanup()
        ? tx.connection().preparedQuery(ADOPT).execute(Tuple.of(job.id())).mapEmpty()
        : Future.succeededFuture();
  }

  /** Asks whoever runs it to stop. */
  public Future<Void> requestCancel(Tx tx, Job job) {
    return tx.connection().preparedQuery(REQUEST_CANCEL).execute(Tuple.of(job.id())).mapEmpty();
  }

  /** Ends a job that nobody has begun; {@code error} is null for a cancelled one. */
  public Future<Void> endQueued(Tx tx, Job job, JobState end, String error) {
    return tx.connection()
        .preparedQuery(END_QUEUED)
        .execute(Tuple.of(end.toString(), error, tx.now(), job.id()))
        .compose(
            updated ->
                updated.rowCount() > 0 ? changed(tx, job).mapEmpty() : Future.succeededFuture());
  }

  /** How far it is; {@code progress} 0 to 1 or null. Does nothing when the job is not ours now. */
  public Future<Void> progress(Job job, Double progress, String phase) {
    return db.transaction(
        Failpoint.PROGRESS,
        tx ->
            fenced(tx, PROGRESS, job, progress, phase)
                .compose(
                    ours -> {
                      if (!ours) {
                        return Future.succeededFuture();
                      }
                      return lock(tx, job.id())
                          .map(
                              row -> {
                                tx.record(Event.progress(row.orElseThrow(), tx.now()));
                                return null;
                              });
                    }));
  }

  /** The job as it now is, while it is still this attempt's. Locks nothing. */
  public Future<Optional<Job>> current(Tx tx, Job job) {
    return current(tx, CURRENT, job);
  }

  /** As {@link #current}, but locked, and so after a commit of it that is under way. */
  public Future<Optional<Job>> lockCurrent(Tx tx, Job job) {
    return current(tx, LOCK_CURRENT, job);
  }

  private static Future<Optional<Job>> current(Tx tx, String sql, Job job) {
    Tuple attempt = Tuple.of(job.id(), job.worker(), job.attempts());
    return select(tx.connection(), sql, attempt).map(JobTable::first);
  }

  /** Ends a running job; false, and nothing written, when it is not ours any more. */
  public Future<Boolean> finish(Tx tx, Job job, JobState end, String error) {
    Double progress = end == JobState.SUCCEEDED ? Double.valueOf(1) : job.progress();
    return fenced(tx, FINISH, job, end.toString(), error, progress, tx.now())
        .compose(ours -> ours ? changed(tx, job).map(true) : Future.succeededFuture(false));
  }

  /**
   * Puts a running job back; false, and nothing written, when it is not ours any more. Fails with
   * {@link Problem.Unavailable} when it was cancelled since it was read.
   *
   * @param reason why it has to wait; null when it has not
   * @param pauseSeconds for how long; null when it has not
   * @param isLost whether its worker did not live to end this attempt
   */
  public Future<Boolean> requeue(Tx tx, Job job, String reason, Long pauseSeconds, boolean isLost) {
    return fenced(tx, REQUEUE, job, isLost ? 1 : 0, reason, pauseSeconds)
        .compose(ours -> ours ? changed(tx, job) : Future.succeededFuture())
        .map(
            now -> {
              if (now != null && now.cancelRequested() && !job.cancelRequested()) {
                throw new Problem.Unavailable("It was cancelled meanwhile.");
              }
              return now != null;
            });
  }

  /** Says that its worker lives; false when the job is not this attempt's any more. */
  public Future<Boolean> renew(Job job) {
    return db.note(c -> fenced(c, RENEW, job));
  }

  /** Jobs whose worker has not said for too long that it lives, to be ended on that host; by id. */
  public Future<List<Job>> abandoned(String host) {
    return db.read(c -> select(c, ABANDONED, Tuple.of(host)));
  }

  /**
   * Makes an abandoned job that worker's, to end its attempt; empty when its own worker, or another
   * one, was quicker.
   */
  public Future<Optional<Job>> takeOver(Job job, String worker) {
    return db.transaction(
        Failpoint.TAKE_OVER,
        tx ->
            fenced(tx, TAKE_OVER, job, worker)
                .compose(
                    taken ->
                        taken ? lock(tx, job.id()) : Future.succeededFuture(Optional.empty())));
  }

  /** From now on the updates that wait for that build can be done on that host alone. */
  public Future<Void> bindUpdates(Tx tx, long dibImageId, String host) {
    return tx.connection().preparedQuery(NEEDS_HOST).execute(Tuple.of(host, dibImageId)).mapEmpty();
  }

  /** Where that dib image was last built; null when no build of ours has begun. */
  public Future<String> hostOfBuild(Tx tx, long dibImageId) {
    return select(tx.connection(), BUILD_OF, Tuple.of(dibImageId))
        .map(builds -> first(builds).map(Job::host).orElse(null));
  }

  /**
   * Where that image was made; null when no job of ours made it, or its provider holds nothing of
   * it.
   */
  public Future<String> hostOfMaker(Tx tx, Subject subject) {
    return tx.connection()
        .preparedQuery(HOST_OF_MAKER)
        .execute(Tuple.of(subject.path()))
        .map(rows -> rows.size() == 0 ? null : rows.iterator().next().getString("host"));
  }

  /** The column's values of the rows that one of these values picks, of which there may be none. */
  private Future<Set<String>> column(String column, String sql, List<String> values) {
    if (values.isEmpty()) {
      return Future.succeededFuture(Set.of());
    }
    return db.read(
            c ->
                c.preparedQuery(sql.formatted(Statements.places(values.size())))
                    .collecting(mapping(row -> row.getString(column), toUnmodifiableSet()))
                    .execute(Tuple.from(values)))
        .map(SqlResult::value);
  }

  private static Future<Boolean> fenced(Tx tx, String sql, Job job, Object... values) {
    return fenced(tx.connection(), sql, job, values);
  }

  private static Future<Boolean> fenced(SqlClient client, String sql, Job job, Object... values) {
    Tuple tuple = Tuple.tuple();
    for (Object value : values) {
      tuple.addValue(value);
    }
    tuple.addLong(job.id()).addString(job.worker()).addInteger(job.attempts());
    return client.preparedQuery(sql).execute(tuple).map(u -> u.rowCount() > 0);
  }

  /** Reads the row again, and records its change of state. */
  private Future<Job> changed(Tx tx, Job before) {
    return lock(tx, before.id())
        .map(
            row -> {
              Job job = row.orElseThrow();
              tx.record(Event.changed(before.stateName(), job, tx.now()));
              return job;
            });
  }

  /** The kinds as a list that stands behind IN. */
  static String in(Set<JobKind> kinds) {
    return kinds.stream().map(kind -> "'" + kind + "'").collect(joining(", ", "(", ")"));
  }

  /** The condition that no other job is one for which this kind of wait holds up the job j. */
  private static String unlessItWaits(Wait wait) {
    String other =
        switch (wait) {
          case ITS_BUILD ->
              "o.kind = 'build' AND o.finished IS NULL AND o.dib_image_id = j.dib_image_id";
          case RUNNING_ON_SUBJECT -> "o.state = 'running' AND o.subject = j.subject";
          case RUNNING_WITH_DIB_IMAGE -> "o.state = 'running' AND o.dib_image_id = j.dib_image_id";
        };
    return "  AND NOT (j.kind IN %s AND EXISTS (SELECT 1 FROM api_job o WHERE %s))%n"
        .formatted(in(JobKind.kindsThat(kind -> kind.waits().contains(wait))), other);
  }

  /** The table that has those rows. */
  static String table(What what) {
    return switch (what) {
      case NODE -> "node";
      case IMAGE -> "snapshot_image";
      case DIB_IMAGE -> "dib_image";
    };
  }

  private static Optional<Job> first(List<Job> rows) {
    return rows.stream().findFirst();
  }

  /** Without those of a later version: they are that version's to look after. */
  private static Future<List<Job>> select(SqlClient client, String sql, Tuple values) {
    return Columns.JOB.known(client, sql, values);
  }
}
