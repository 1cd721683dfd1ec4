package org.nodepool.changes;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.VertxException;
import io.vertx.sqlclient.Pool;
import io.vertx.sqlclient.SqlConnection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import org.nodepool.store.Database;

/**
 * A connection that one context has for itself, for reads that must not wait behind others. It is
 * made when it is needed, and made again after it was lost or did not answer in time. To be made
 * and used on that context alone, where reads may overlap.
 */
final class OwnConnection {
  /** One timer for all reads: one for each would cost as much as the read. */
  private static final long LOOK_MS = 100;

  /** A connection that is used so seldom is kept from being closed for its silence. */
  private static final long SILENCE_MS = 30_000;

  private final Database db;
  private final long silenceMs;
  private final boolean isCounted;
  private final Set<Read<?>> underWay = new LinkedHashSet<>();
  private long lastUsed;

  /** The newest one, open or being opened; null when there is none, or none that can be used. */
  private Link link;

  /** One connection: it is lost once, for all who use it. */
  private final class Link {
    final Pool pool = db.newPool(1, Database.ANSWER_LIMIT_MS);
    final Future<SqlConnection> opening = pool.getConnection().map(this::opened);

    /** Null before it is open. */
    SqlConnection connection;

    /** {@link Database#ownConnections} when it was opened. */
    long counted;

    private SqlConnection opened(SqlConnection made) {
      if (isCounted) {
        db.noteOwnConnection();
      }
      counted = db.ownConnections();
      connection = Database.logged(made);
      made.closeHandler(v -> forget());
      return made;
    }

    void forget() {
      if (link == this) {
        link = null;
      }
    }

    /** What is under way on it may never end: it is left to be closed. */
    void drop() {
      forget();
      db.closeSoon(pool);
    }
  }

  /** One read. */
  private final class Read<T> {
    final long until;
    final Function<SqlConnection, Future<T>> statements;
    final Promise<T> result = Promise.promise();
    Link used;

    /** Whether the connection may have been lost since it was last used: then it is tried again. */
    boolean mayBeTriedAgain = link != null && link.connection != null;

    Read(long limitMs, Function<SqlConnection, Future<T>> statements) {
      this.until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(limitMs);
      this.statements = statements;
    }

    void begin() {
      underWay.add(this);
      if (link == null) {
        link = new Link();
      }
      Link mine = link;
      used = mine;
      if (mine.connection != null) {
        begin(mine);
      } else {
        mine.opening.onSuccess(opened -> begin(mine)).onFailure(e -> fail(mine, e));
      }
    }

    private void begin(Link mine) {
      statements
          .apply(mine.connection)
          .onSuccess(this::succeed)
          .onFailure(cause -> fail(mine, cause));
    }

    private void succeed(T value) {
      if (underWay.remove(this)) {
        result.complete(value);
      }
    }

    void fail(Link mine, Throwable cause) {
      if (!underWay.remove(this)) {
        return;
      }
      if (isLoss(cause)) {
        mine.drop();
      }
      if (mayBeTriedAgain && isLoss(cause) && !(cause instanceof TimeoutException)) {
        mayBeTriedAgain = false;
        begin();
      } else {
        result.fail(db.problem(cause, false));
      }
    }
  }

  /**
   * @param isCounted whether rows that were read before it was made must be read again
   */
  OwnConnection(Database db, boolean isCounted) {
    this(db, isCounted, SILENCE_MS);
  }

  OwnConnection(Database db, boolean isCounted, long silenceMs) {
    this.db = db;
    this.isCounted = isCounted;
    this.silenceMs = silenceMs;
    db.vertx()
        .setPeriodic(
            LOOK_MS,
            timer -> {
              failLate();
              breakSilence();
            });
  }

  /**
   * Runs statements; when the connection turns out to be lost, once more on a new one. Fails as
   * {@link Database#read} does.
   *
   * @param limitMs how long that may take
   */
  <T> Future<T> read(long limitMs, Function<SqlConnection, Future<T>> statements) {
    if (!db.isOpen()) {
      return Database.notOpen();
    }
    lastUsed = System.nanoTime();
    boolean mayBeToAnotherServer =
        !isCounted
            && link != null
            && link.connection != null
            && link.counted != db.ownConnections();
    if (mayBeToAnotherServer && underWay.isEmpty()) {
      link.drop();
    }
    Read<T> read = new Read<>(limitMs, statements);
    read.begin();
    return read.result.future();
  }

  private void failLate() {
    long now = System.nanoTime();
    for (Read<?> read : List.copyOf(underWay)) {
      if (now - read.until > 0) {
        read.fail(read.used, new TimeoutException("no answer in time"));
      }
    }
  }

  /** After a new connection all rows have to be read, which costs more than this. */
  private void breakSilence() {
    if (link != null
        && underWay.isEmpty()
        && System.nanoTime() - lastUsed > TimeUnit.MILLISECONDS.toNanos(silenceMs)) {
      read(Database.ANSWER_LIMIT_MS, connection -> connection.query("DO 0").execute());
    }
  }

  /** What the server answers, and faults of ours, leave the connection as it was. */
  private static boolean isLoss(Throwable e) {
    return e instanceof VertxException || !(e instanceof RuntimeException);
  }
}
