package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxException;
import io.vertx.core.net.NetClientOptions;
import io.vertx.mysqlclient.MySQLBuilder;
import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.sqlclient.DatabaseException;
import io.vertx.sqlclient.Pool;
import io.vertx.sqlclient.PoolOptions;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.SqlConnection;
import io.vertx.sqlclient.Transaction;
import java.time.Clock;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Problem;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The pool of connections to one MySQL or MariaDB server, and the rules for using it. */
public final class Database {
  private static final Logger log = LoggerFactory.getLogger(Database.class);

  /** API.md: a database that is away is a 503 within 2 seconds. */
  public static final long ANSWER_LIMIT_MS = 1_800;

  /** Nobody waits for a look at the schema, so a busy machine may take its time. */
  private static final long LOOK_LIMIT_MS = 10_000;

  private static final int CONNECTIONS = 16;

  /**
   * A connection on which nothing was heard for so long is closed: the server, or what lies
   * between, may have forgotten it without a word.
   */
  private static final int SILENCE_LIMIT_SECONDS = 90;

  /** A connection keeps the rights that its user had when it was made. */
  private static final int LIFETIME_MINUTES = 5;

  /** A poll more than that would not be answered in time anyway. */
  private static final int WAITING_FOR_A_CONNECTION = 5_000;

  private static final int ATTEMPTS_AT_A_DEADLOCK = 3;

  /**
   * A caller who waits longer for a row is told so; his connection must not go on waiting without
   * him.
   */
  private static final String LOCK_WAIT =
      "SET SESSION innodb_lock_wait_timeout = 1, SESSION lock_wait_timeout = 1,"
          + " SESSION wait_timeout = 100";

  /**
   * A process that is stopped in a transaction keeps its locks from all others. MySQL does not know
   * it; there they wait a little longer.
   */
  private static final String IDLE_IN_TRANSACTION = "SET SESSION idle_transaction_timeout = 15";

  /** Writes nothing, and fails as a write would: on a read-only server, or without the right. */
  private static final String PROBE = "UPDATE api_schema SET name = name WHERE version = -1";

  private static final int UNKNOWN_VARIABLE = 1193;
  static final int DUPLICATE_KEY = 1062;

  /** The server's code for a row or table that was waited for in vain. */
  public static final int LOCK_WAIT_TIMEOUT = 1205;

  static final int DEADLOCK = 1213;

  /**
   * Where the server is, and as whom to speak to it; its text is without the password.
   *
   * @param unixSocket the path of the server's socket, used in place of host and port; null for TCP
   * @param password null for none
   */
  public record Address(
      String host, int port, String unixSocket, String database, String user, String password) {
    /** Over TCP. */
    public Address(String host, int port, String database, String user, String password) {
      this(host, port, null, database, user, password);
    }

    /** The socket's path, or host and port. */
    String place() {
      if (unixSocket != null) {
        return unixSocket;
      }
      return "%s:%d".formatted(host.contains(":") ? "[" + host + "]" : host, port);
    }

    @Override
    public String toString() {
      return unixSocket != null
          ? "mysql://%s@/%s?unix_socket=%s".formatted(user, database, unixSocket)
          : "mysql://%s@%s/%s".formatted(user, place(), database);
    }

    /** With the password, which must need no encoding. */
    public String uri() {
      return "mysql://%s:%s@%s/%s".formatted(user, password, place(), database);
    }

    private MySQLConnectOptions connectOptions() {
      return new MySQLConnectOptions()
          .setHost(unixSocket != null ? unixSocket : host)
          .setPort(port)
          .setDatabase(database)
          .setUser(user)
          .setPassword(password != null ? password : "")
          .setCharset("utf8mb4")
          .setCachePreparedStatements(true);
    }
  }

  private final Vertx vertx;
  private volatile Pool pool;
  private final Address address;
  private final Clock clock;
  private final ChangeLog changes;
  private final AtomicInteger underWay = new AtomicInteger();
  private final AtomicLong ownConnections = new AtomicLong();

  /** Whether the schema is in place; until then nothing is let through. */
  private volatile boolean isOpen;

  private volatile Consumer<Throwable> trouble = e -> {};

  /** Connects when it is first needed, so this cannot fail. */
  public Database(Vertx vertx, Address address, Clock clock, ChangeLog changes) {
    this.vertx = vertx;
    this.address = address;
    this.clock = clock;
    this.changes = changes;
    this.pool = newPool(CONNECTIONS, ANSWER_LIMIT_MS);
  }

  /**
   * A pool beside this one's, whose user closes it ({@link #closeSoon}).
   *
   * @param waitLimitMs how long may be waited for a connection, and for one to be made
   */
  public Pool newPool(int connections, long waitLimitMs) {
    return MySQLBuilder.pool()
        .with(
            new PoolOptions()
                .setMaxSize(connections)
                .setMaxWaitQueueSize(WAITING_FOR_A_CONNECTION)
                .setConnectionTimeout((int) waitLimitMs)
                .setConnectionTimeoutUnit(TimeUnit.MILLISECONDS)
                .setMaxLifetime(LIFETIME_MINUTES)
                .setMaxLifetimeUnit(TimeUnit.MINUTES))
        .with(
            new NetClientOptions()
                .setConnectTimeout((int) waitLimitMs)
                .setTcpKeepAlive(true)
                .setIdleTimeout(SILENCE_LIMIT_SECONDS))
        .connectingTo(address.connectOptions())
        .withConnectHandler(Database::prepare)
        .using(vertx)
        .build();
  }

  /**
   * READ COMMITTED: our transactions are short and lock the rows they decide on, and without gap
   * locks they stand in nobody's way.
   */
  private static void prepare(SqlConnection connection) {
    logged(connection)
        .query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        .execute()
        .compose(v -> connection.query(LOCK_WAIT).execute())
        .compose(
            v ->
                connection
                    .query(IDLE_IN_TRANSACTION)
                    .execute()
                    .<Void>mapEmpty()
                    .recover(
                        e ->
                            isError(e, UNKNOWN_VARIABLE)
                                ? Future.succeededFuture()
                                : Future.failedFuture(e)))
        .onFailure(e -> log.warn("a new connection could not be prepared: {}", e.getMessage()))
        .eventually(connection::close);
  }

  /** Where it is, and for whom. */
  public Address address() {
    return address;
  }

  /** Of which its connections are. */
  public Vertx vertx() {
    return vertx;
  }

  /** Lets statements through, or none: the schema is in place, or it is not. */
  public void setOpen(boolean isInPlace) {
    isOpen = isInPlace;
  }

  /** {@code listener} gets every failure that is the server's, or of the way to it. */
  public void onTrouble(Consumer<Throwable> listener) {
    trouble = listener;
  }

  /** Whether statements are let through. */
  public boolean isOpen() {
    return isOpen;
  }

  /** This moment in Unix seconds, as {@link Tx#now} has it. */
  public long now() {
    return clock.instant().getEpochSecond();
  }

  /** Runs statements that only read, each seeing the last commit before it began. */
  public <T> Future<T> read(Function<SqlClient, Future<T>> statements) {
    return isOpen
        ? counted(() -> within(statements.apply(pool)))
            .recover(e -> Future.failedFuture(problem(e, false)))
        : notOpen();
  }

  /** Runs one statement that writes, committed by itself, and that nobody is told of. */
  public <T> Future<T> note(Function<SqlClient, Future<T>> statement) {
    return isOpen
        ? counted(() -> within(statement.apply(pool)))
            .recover(e -> Future.failedFuture(problem(e, true)))
        : notOpen();
  }

  /**
   * Runs {@code work} in a transaction: committed when its future succeeds, rolled back when it
   * fails, tried again when the database broke a deadlock. So {@code work} must do nothing but
   * database work.
   *
   * @param what is committed
   * @return what {@code work} gave, after the commit
   */
  public <T> Future<T> transaction(Failpoint what, Function<Tx, Future<T>> work) {
    return isOpen ? transaction(what, work, ATTEMPTS_AT_A_DEADLOCK) : notOpen();
  }

  private <T> Future<T> transaction(Failpoint what, Function<Tx, Future<T>> work, int attempts) {
    Tx tx = new Tx(now(), what);
    return counted(
            () ->
                within(
                    pool.getConnection().compose(connection -> run(work, tx, logged(connection)))))
        .recover(
            e ->
                attempts > 1 && isError(e, DEADLOCK)
                    ? transaction(what, work, attempts - 1)
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
    tx.what().before();
    return transaction
        .commit()
        .map(
            v -> {
              tx.what().after();
              changes.append(tx.events());
              return null;
            });
  }

  private static <T> Future<T> rollback(Transaction transaction, Throwable cause) {
    Throwable reason = cause != null ? cause : new TimeoutException("abandoned");
    return transaction.rollback().transform(v -> Future.failedFuture(reason));
  }

  private <T> Future<T> counted(Supplier<Future<T>> statements) {
    underWay.incrementAndGet();
    return statements.get().onComplete(done -> underWay.decrementAndGet());
  }

  /** Notes that one context was given a connection for itself. */
  public void noteOwnConnection() {
    ownConnections.incrementAndGet();
  }

  /**
   * How many connections were made that one context has for itself. A row that was read before the
   * newest of them was made may be of a server that has died since, and the log of the next one may
   * lack its end.
   */
  public long ownConnections() {
    return ownConnections.get();
  }

  /** How many reads and transactions are under way; those beyond the connections wait for one. */
  public int underWay() {
    return underWay.get();
  }

  /** How many connections the pool has at most. */
  public int mostConnections() {
    return CONNECTIONS;
  }

  private static <T> Future<T> within(Future<T> answer) {
    return answer.timeout(ANSWER_LIMIT_MS, TimeUnit.MILLISECONDS);
  }

  /** What statements fail with that are not let through. */
  public static <T> Future<T> notOpen() {
    return Future.failedFuture(
        new Problem.Unavailable("The database is not in service yet. Nothing was changed."));
  }

  /** Whether the server answered with that code. */
  public static boolean isError(Throwable e, int code) {
    return e instanceof DatabaseException d && d.getErrorCode() == code;
  }

  /**
   * The failure in the terms of callers. An error of the server is a fault of ours unless it says
   * that the server cannot serve; any other failure of the client is a connection that was lost, or
   * could not be had. {@link #onTrouble} is told which.
   *
   * @param mayBeWritten whether a commit may have been under way
   */
  public Throwable problem(Throwable e, boolean mayBeWritten) {
    if (isError(e, DUPLICATE_KEY)) {
      return new DuplicateKey(e);
    }
    if (isError(e, LOCK_WAIT_TIMEOUT) || isError(e, DEADLOCK)) {
      return new Problem.Unavailable("The rows are locked by another program. Try again.");
    }
    boolean ours = e instanceof RuntimeException && !(e instanceof VertxException);
    boolean answered = e instanceof DatabaseException d && !Trouble.isOfTheServer(d);
    if (ours || answered || e instanceof Error) {
      return e;
    }
    trouble.accept(e);
    return mayBeWritten
        ? new Problem.OutcomeUnknown(
            "The connection to the database was lost during the commit. Read the resource to see"
                + " whether the change was made.")
        : new Problem.Unavailable(
            "The database is away, or does not answer in time. Nothing was changed.");
  }

  /**
   * Runs statements on a new connection, without a limit of time, whether the schema is in place or
   * not. New, because a connection keeps the rights that its user had when it was made. Fails with
   * what the client reports.
   */
  public <T> Future<T> session(Function<SqlConnection, Future<T>> statements) {
    Pool own = newPool(1, LOOK_LIMIT_MS);
    return own.withConnection(connection -> statements.apply(logged(connection)))
        .eventually(() -> closeSoon(own));
  }

  /** Logs why a connection was lost, which the client would print past the log, with its trace. */
  public static SqlConnection logged(SqlConnection connection) {
    return connection.exceptionHandler(e -> log.debug("a connection was lost: {}", e.toString()));
  }

  /** Not at once, because a pool that is closed while it reports a time-out never ends. */
  public Future<Void> closeSoon(Pool old) {
    return vertx.timer(1, TimeUnit.MILLISECONDS).compose(v -> old.close());
  }

  /** As {@link #session}, but fails when that takes more than ten seconds. */
  public <T> Future<T> look(Function<SqlConnection, Future<T>> statements) {
    return session(statements).timeout(LOOK_LIMIT_MS, TimeUnit.MILLISECONDS);
  }

  /** Whether it could be read and written now; fails with what the client reports. */
  public Future<Void> probe() {
    return within(session(connection -> connection.query(PROBE).execute().mapEmpty()));
  }

  /** One sentence for people: which database, for which user, and why it does not serve. */
  public String explain(Throwable cause) {
    return Trouble.sentence(address, cause);
  }

  /** One sentence for people: which database, for which user, and this reason. */
  public String explain(String why) {
    return Trouble.sentence(address, why);
  }

  /**
   * Uses new connections from now on, which have the rights that the user has been given since; the
   * others are closed when all that is under way on them has been answered.
   */
  public void renew() {
    Pool old = pool;
    pool = newPool(CONNECTIONS, ANSWER_LIMIT_MS);
    vertx.setTimer(2 * ANSWER_LIMIT_MS, timer -> old.close());
  }

  /** Closes the connections; what is under way on them fails. */
  public Future<Void> close() {
    return pool.close();
  }
}
