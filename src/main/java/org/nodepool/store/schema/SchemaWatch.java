package org.nodepool.store.schema;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;
import org.nodepool.async.Backoff;
import org.nodepool.store.Database;
import org.nodepool.store.SchemaRefused;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks after the database's schema for as long as the service runs: it is applied as soon as the
 * server answers, however late that is, and again when the tables are gone. Until then {@link
 * Database} refuses every statement. A trouble is logged when it changes. Thread-safe.
 */
public final class SchemaWatch {
  private static final Logger log = LoggerFactory.getLogger(SchemaWatch.class);

  private static final Duration PERIOD = Duration.ofSeconds(5);
  private static final Backoff BACKOFF = new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(8));

  /** How a look found the schema. */
  public enum Look {
    /** In place, as at the look before. */
    IN_PLACE,
    /** In place, after something of it was made. */
    MADE,
    /** Not in place, and cannot be brought there. */
    REFUSED
  }

  private final Vertx vertx;
  private final Database db;
  private final Consumer<Look> onLooked;
  private volatile String trouble;
  private volatile boolean isStopped;

  /**
   * @param onLooked is told of every look that the server answered, on an event loop
   */
  public SchemaWatch(Vertx vertx, Database db, Consumer<Look> onLooked) {
    this.vertx = vertx;
    this.db = db;
    this.onLooked = onLooked;
    this.trouble = db.explain("it has not answered yet");
    db.onTrouble(this::note);
  }

  /** Begins. */
  public void start() {
    vertx.runOnContext(v -> look(0));
  }

  /** Looks no more. */
  public void stop() {
    isStopped = true;
  }

  /** Lets others see that the database is not used any more. */
  public Future<Void> leave() {
    return Schema.forgetUse(db);
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
          Optional.of(known != null ? known : db.explain("its tables are being made again")));
    }
    return db.probe().map(Optional.<String>empty()).otherwise(e -> Optional.of(db.explain(e)));
  }

  /**
   * @param failures how many looks have failed since the last that went well
   */
  private void look(int failures) {
    if (isStopped) {
      return;
    }
    Schema.apply(db)
        .compose(applied -> Schema.noteUse(db).map(applied))
        .onComplete(
            looked -> {
              if (isStopped) {
                return;
              }
              if (looked.succeeded()) {
                noteThatItServes();
                lookIn(PERIOD, 0);
                onLooked.accept(looked.result().isEmpty() ? Look.IN_PLACE : Look.MADE);
              } else {
                note(looked.cause());
                lookIn(BACKOFF.after(failures + 1), failures + 1);
                if (looked.cause() instanceof SchemaRefused) {
                  onLooked.accept(Look.REFUSED);
                }
              }
            });
  }

  /** With jitter, so that many services do not come to a server that is back all at once. */
  private void lookIn(Duration pause, int failures) {
    vertx.setTimer(Backoff.jittered(pause).toMillis(), timer -> look(failures));
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
