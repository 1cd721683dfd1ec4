package org.nodepool.store;

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

/**
 * A connection that one context has for itself, for reads that must not wait behind others. It is
 * made when it is needed, and made again after it was lost or did not answer in time. To be made
 * and used on that context alone.
 */
final class Line {
  /** One timer for all reads: one for each would cost as much as the read. */
  private static final long LOOK_MS = 100;

  private final Database db;
  private final Set<Read<?>> underWay = new LinkedHashSet<>();
  private Pool pool;

  /** Null when there is none, or none that can be used. */
  private SqlConnection connection;

  /** One read. */
  private final class Read<T> {
    final long until;
    final Function<SqlConnection, Future<T>> statements;
    final Promise<T> result = Promise.promise();

    /** Whether the connection may have been lost since it was last used: then it is tried again. */
    boolean mayBeTriedAgain = connection != null;

    Read(long limitMs, Function<SqlConnection, Future<T>> statements) {
      this.until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(limitMs);
      this.statements = statements;
    }

    void begin() {
      underWay.add(this);
      if (connection != null) {
        begin(connection);
      } else {
        open().onSuccess(this::begin).onFailure(this::fail);
      }
    }

    private void begin(SqlConnection opened) {
      statements.apply(opened).onSuccess(this::succeed).onFailure(this::fail);
    }

    private void succeed(T value) {
      if (underWay.remove(this)) {
        result.complete(value);
      }
    }

    void fail(Throwable cause) {
      if (!underWay.remove(this)) {
        return;
      }
      if (isLoss(cause)) {
        drop();
      }
      if (mayBeTriedAgain && isLoss(cause) && !(cause instanceof TimeoutException)) {
        mayBeTriedAgain = false;
        begin();
      } else {
        result.fail(db.problem(cause, false));
      }
    }
  }

  Line(Database db) {
    this.db = db;
    db.vertx().setPeriodic(LOOK_MS, timer -> failLate());
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
    Read<T> read = new Read<>(limitMs, statements);
    read.begin();
    return read.result.future();
  }

  private void failLate() {
    long now = System.nanoTime();
    for (Read<?> read : List.copyOf(underWay)) {
      if (now - read.until > 0) {
        read.fail(new TimeoutException("no answer in time"));
      }
    }
  }

  /** What the server answers, and faults of ours, leave the connection as it was. */
  private static boolean isLoss(Throwable e) {
    return e instanceof VertxException || !(e instanceof RuntimeException);
  }

  private Future<SqlConnection> open() {
    drop();
    Pool own = db.newPool(1, Database.ANSWER_LIMIT_MS);
    pool = own;
    return own.getConnection()
        .map(
            made -> {
              if (pool == own) {
                connection = made;
                made.closeHandler(v -> forget(made));
              }
              return made;
            });
  }

  private void forget(SqlConnection lost) {
    if (connection == lost) {
      connection = null;
    }
  }

  /** What is under way on it may never end: it is left to be closed. */
  private void drop() {
    connection = null;
    if (pool != null) {
      Pool old = pool;
      pool = null;
      // later, because a pool that is closed while it reports a time-out never ends
      db.vertx().timer(1, TimeUnit.MILLISECONDS).compose(v -> old.close());
    }
  }
}
