package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks after the database's schema for as long as the service runs: it is applied as soon as the
 * server answers, however late that is, and again when the tables are gone. Until then {@link
 * Database} refuses every statement. What is wrong is logged when it changes. Thread-safe.
 */
public final class DatabaseWatch {
  private static final Logger log = LoggerFactory.getLogger(DatabaseWatch.class);

  private static final Duration PERIOD = Duration.ofSeconds(5);
  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(8);

  private final Vertx vertx;
  private final Database db;
  private final Promise<Void> inService = Promise.promise();
  private volatile String trouble;
  private volatile List<String> warnings = List.of();
  private volatile boolean isStopped;

  public DatabaseWatch(Vertx vertx, Database db) {
    this.vertx = vertx;
    this.db = db;
    this.trouble = Trouble.sentence(db.address(), "it has not answered yet");
    db.onTrouble(this::note);
  }

  /** Begins; completes, on an event loop, when the schema is in place for the first time. */
  public Future<Void> start() {
    vertx.runOnContext(v -> look(FIRST_PAUSE));
    return inService.future();
  }

  /** Looks no more; {@link #start} does not complete any more. */
  public void stop() {
    isStopped = true;
  }

  /** Lets others see that the database is not used any more. */
  public Future<Void> leave() {
    return Schema.unmark(db);
  }

  /** What its operator should know of the tables, though they serve; sentences. */
  public List<String> warnings() {
    return warnings;
  }

  /**
   * Asks the database now, for less than two seconds: empty when it can be read and written and its
   * schema is in place; else one sentence with its place, its name, the user and the reason,
   * without the password. Never fails.
   */
  public Future<Optional<String>> check() {
    if (!db.isOpen()) {
      String known = trouble;
      return Future.succeededFuture(
          Optional.of(
              known != null
                  ? known
                  : Trouble.sentence(db.address(), "its tables are being made again")));
    }
    return db.probe().map(Optional.<String>empty()).otherwise(e -> Optional.of(db.explain(e)));
  }

  private void look(Duration pause) {
    if (isStopped) {
      return;
    }
    Schema.apply(db)
        .compose(applied -> Schema.mark(db))
        .onComplete(
            looked -> {
              if (isStopped) {
                return;
              }
              if (looked.succeeded()) {
                enterService();
                noteThatItServes();
                lookIn(PERIOD, FIRST_PAUSE);
              } else {
                note(looked.cause());
                lookIn(pause, longer(pause));
              }
            });
  }

  private void enterService() {
    if (inService.tryComplete()) {
      Schema.warnings(db)
          .onSuccess(
              found -> {
                warnings = found;
                found.forEach(log::warn);
              })
          .onFailure(e -> log.warn("the engines of the tables are not known", e));
    }
  }

  /** With jitter, so that many services do not come to a server that is back all at once. */
  private void lookIn(Duration pause, Duration nextPause) {
    long ms = pause.toMillis();
    vertx.setTimer(ms + ThreadLocalRandom.current().nextLong(ms / 4 + 1), timer -> look(nextPause));
  }

  private static Duration longer(Duration pause) {
    Duration next = pause.multipliedBy(2);
    return next.compareTo(LONGEST_PAUSE) < 0 ? next : LONGEST_PAUSE;
  }

  private void note(Throwable cause) {
    String sentence = db.explain(cause);
    if (!sentence.equals(trouble)) {
      trouble = sentence;
      log.warn("{} It is tried again, until it does.", sentence);
    }
  }

  private void noteThatItServes() {
    if (trouble != null) {
      trouble = null;
      log.info("the database {} is in service", db.address());
    }
  }
}
