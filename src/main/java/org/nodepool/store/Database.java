package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxException;
import io.vertx.mysqlclient.MySQLBuilder;
import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.sqlclient.DatabaseException;
import io.vertx.sqlclient.Pool;
import io.vertx.sqlclient.PoolOptions;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.SqlConnection;
import io.vertx.sqlclient.Transaction;
import java.time.Clock;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import org.nodepool.model.Problem;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The pool of connections to one MySQL or MariaDB server, and the rules for using it. */
public final class Database {
  private static final Logger log = LoggerFactory.getLogger(Database.class);

  /** API.md: a database that is away is a 503 within 2 seconds. */
  private static final long ANSWER_LIMIT_MS = 1_800;

  private static final int CONNECTIONS = 16;

  /** A poll more than that would not be answered in time anyway. */
  private static final int WAITING_FOR_A_CONNECTION = 5_000;

  private static final int ATTEMPTS_AT_A_DEADLOCK = 3;

  /**
   * Whoever waits longer for a row is told so; his connection must not go on waiting without him.
   */
  private static final String LOCK_WAIT = "SET SESSION innodb_lock_wait_timeout = 1";

  private static final int DUPLICATE_KEY = 1062;
  private static final int LOCK_WAIT_TIMEOUT = 1205;
  private static final int DEADLOCK = 1213;

  /** Too many connections, shutting down, wrong password, no such database: the server's words. */
  private static final Set<Integer> NOT_SERVING = Set.of(1040, 1044, 1045, 1049, 1053, 1129, 1203);

  /** Where the server is, and as whom to speak to it; its text is without the password. */
  public record Address(String host, int port, String database, String user, String password) {
    @Override
    public String toString() {
      return "mysql://%s@%s:%d/%s".formatted(user, host, port, database);
    }

    /** With the password, which must need no encoding. */
    String uri() {
      return "mysql://%s:%s@%s:%d/%s".formatted(user, password, host, port, database);
    }
  }

  private final Pool pool;
  private final Address address;
  private final Clock clock;
  private final ChangeLog changes;

  /** Whether the last thing that was heard is that it cannot be reached: one line says so. */
  private final AtomicBoolean isAway = new AtomicBoolean();

  /** Connects when it is first needed, so this cannot fail. */
  public Database(Vertx vertx, Address address, Clock clock, ChangeLog changes) {
    this.address = address;
    this.clock = clock;
    this.changes = changes;
    this.pool =
        MySQLBuilder.pool()
            .with(
                new PoolOptions()
                    .setMaxSize(CONNECTIONS)
                    .setMaxWaitQueueSize(WAITING_FOR_A_CONNECTION)
                    .setConnectionTimeout((int) ANSWER_LIMIT_MS)
                    .setConnectionTimeoutUnit(TimeUnit.MILLISECONDS))
            .connectingTo(
                new MySQLConnectOptions()
                    .setHost(address.host())
                    .setPort(address.port())
                    .setDatabase(address.database())
                    .setUser(address.user())
                    .setPassword(address.password())
                    .setCharset("utf8mb4")
                    .setCachePreparedStatements(true))
            .withConnectHandler(Database::prepare)
            .using(vertx)
            .build();
  }

  /**
   * READ COMMITTED: our transactions are short and lock the rows they decide on, and without gap
   * locks they stand in nobody's way.
   */
  private static void prepare(SqlConnection connection) {
    connection
        .query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        .execute()
        .compose(v -> connection.query(LOCK_WAIT).execute())
        .onFailure(e -> log.warn("a new connection could not be prepared: {}", e.getMessage()))
        .eventually(connection::close);
  }

  long now() {
    return clock.instant().getEpochSecond();
  }

  /** Runs statements that only read, each seeing the last commit before it began. */
  <T> Future<T> read(Function<SqlClient, Future<T>> statements) {
    return within(statements.apply(pool)).recover(e -> Future.failedFuture(problem(e, false)));
  }

  /**
   * Runs {@code work} in a transaction: committed when its future succeeds, rolled back when it
   * fails, tried again when the database broke a deadlock. So {@code work} must do nothing but
   * database work.
   *
   * @return what {@code work} gave, after the commit
   */
  public <T> Future<T> transaction(Function<Tx, Future<T>> work) {
    return transaction(work, ATTEMPTS_AT_A_DEADLOCK);
  }

  private <T> Future<T> transaction(Function<Tx, Future<T>> work, int attempts) {
    Tx tx = new Tx(now());
    return within(pool.getConnection().compose(connection -> run(work, tx, connection)))
        .recover(
            e ->
                attempts > 1 && isError(e, DEADLOCK)
                    ? transaction(work, attempts - 1)
                    : Future.failedFuture(problem(e, !tx.abandon())));
  }

  private <T> Future<T> run(Function<Tx, Future<T>> work, Tx tx, SqlConnection connection) {
    tx.use(connection);
    return connection
        .begin()
        .compose(
            transaction ->
                Future.succeededFuture(tx)
                    .compose(work)
                    .transform(
                        result ->
                            result.succeeded() && tx.mayCommit()
                                ? commit(transaction, tx).map(result.result())
                                : rollback(transaction, result.cause())))
        .eventually(connection::close);
  }

  private Future<Void> commit(Transaction transaction, Tx tx) {
    return transaction
        .commit()
        .map(
            v -> {
              noteThatItAnswers();
              changes.append(tx.events());
              return null;
            });
  }

  private static <T> Future<T> rollback(Transaction transaction, Throwable cause) {
    Throwable reason = cause != null ? cause : new TimeoutException("abandoned");
    return transaction.rollback().transform(v -> Future.failedFuture(reason));
  }

  private static <T> Future<T> within(Future<T> answer) {
    return answer.timeout(ANSWER_LIMIT_MS, TimeUnit.MILLISECONDS);
  }

  private static boolean isError(Throwable e, int code) {
    return e instanceof DatabaseException d && d.getErrorCode() == code;
  }

  /**
   * The failure in the terms of callers. What the server answers is a fault of ours unless it says
   * that it cannot serve; whatever else the client reports is a connection that was lost, or could
   * not be had.
   */
  private Throwable problem(Throwable e, boolean mayBeWritten) {
    if (isError(e, DUPLICATE_KEY)) {
      return new DuplicateKey(e);
    }
    if (isError(e, LOCK_WAIT_TIMEOUT)) {
      return new Problem.Unavailable("The rows are locked by another program. Try again.");
    }
    boolean ours = e instanceof RuntimeException && !(e instanceof VertxException);
    boolean answered = e instanceof DatabaseException d && !NOT_SERVING.contains(d.getErrorCode());
    if (ours || answered || e instanceof Error) {
      return e;
    }
    if (isAway.compareAndSet(false, true)) {
      log.warn("the database {} does not answer: {}", address, e.getMessage());
    }
    return mayBeWritten
        ? new Problem.OutcomeUnknown(
            "The connection to the database was lost during the commit. Read the resource to see"
                + " whether the change was made.")
        : new Problem.Unavailable("The database does not answer in time. Nothing was changed.");
  }

  /** Runs statements on one connection, without a limit of time; for the schema. */
  <T> Future<T> session(Function<SqlConnection, Future<T>> statements) {
    return pool.withConnection(statements).recover(e -> Future.failedFuture(problem(e, false)));
  }

  private void noteThatItAnswers() {
    if (isAway.get() && isAway.compareAndSet(true, false)) {
      log.info("the database {} answers again", address);
    }
  }

  /** Closes the connections; what is under way on them fails. */
  public Future<Void> close() {
    return pool.close();
  }
}
