package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import org.nodepool.store.Triggers.Lack;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks after the database's schema for as long as the service runs: it is applied as soon as the
 * server answers, however late that is, and again when the tables are gone. Until then {@link
 * Database} refuses every statement. Then the triggers are brought in place, without which it
 * serves too. What is wrong is logged when it changes. Thread-safe.
 */
public final class DatabaseWatch {
  private static final Logger log = LoggerFactory.getLogger(DatabaseWatch.class);

  private static final Duration PERIOD = Duration.ofSeconds(5);
  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(8);

  /** So long a refusal of triggers is taken for an answer. */
  private static final Duration REFUSAL = Duration.ofMinutes(1);

  private final Vertx vertx;
  private final Database db;
  private final Promise<Void> inService = Promise.promise();
  private volatile String trouble;

  /** Whether they are in place, as far as anybody knows. */
  private volatile boolean hasTriggers;

  /** Why the triggers are not in place; null when they are, or nobody has tried. */
  private volatile Lack lack;

  /** When they are tried next, by {@link System#nanoTime}. */
  private volatile long triggersDue = System.nanoTime();

  private volatile boolean isEnsuring;

  /** Whether somebody missed them while they were being made. */
  private volatile boolean areMissedMeanwhile;

  private volatile boolean isStopped;

  public DatabaseWatch(Vertx vertx, Database db) {
    this.vertx = vertx;
    this.db = db;
    this.trouble = Trouble.sentence(db.address(), "it has not answered yet");
    db.onTrouble(this::note);
  }

  /**
   * Begins; completes, on an event loop, when the schema is in place for the first time and the
   * triggers have been tried; they may have been refused.
   */
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
    Lack why = lack;
    return why == null ? List.of() : List.of(why.sentence());
  }

  /** Whether {@code api_change} is told of every change, as far as anybody knows. */
  public boolean hasTriggers() {
    return hasTriggers;
  }

  /** Tells that they are not all in place any more: they are made again at the next look. */
  public void triggersMissing() {
    areMissedMeanwhile = isEnsuring;
    hasTriggers = false;
    triggersDue = System.nanoTime();
  }

  /**
   * Tells what was found by who looked: whether the triggers are in place. Those that were refused
   * are not tried the sooner for it.
   */
  public void noteLogging(boolean isLogged) {
    if (!isLogged && (hasTriggers || isEnsuring)) {
      triggersMissing();
    }
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
        .compose(applied -> Schema.mark(db).map(applied))
        .onComplete(
            looked -> {
              if (isStopped) {
                return;
              }
              if (looked.succeeded()) {
                noteThatItServes();
                if (!looked.result().isEmpty()) {
                  triggersMissing();
                }
                ensureTriggers();
                lookIn(PERIOD, FIRST_PAUSE);
              } else {
                note(looked.cause());
                if (looked.cause() instanceof SchemaRefused) {
                  triggersMissing();
                }
                lookIn(pause, longer(pause));
              }
            });
  }

  /** Beside the looks, which tell others in time that the database is used. */
  private void ensureTriggers() {
    if (hasTriggers || isEnsuring || System.nanoTime() - triggersDue < 0) {
      return;
    }
    isEnsuring = true;
    areMissedMeanwhile = false;
    if (lack != null && lack.isOfARight()) {
      // a connection from before a GRANT of TRIGGER cannot write where the triggers are
      db.renew();
    }
    Triggers.ensure(db)
        .onComplete(
            ensured -> {
              if (isStopped) {
                return;
              }
              if (ensured.succeeded()) {
                noteTriggers(ensured.result().orElse(null));
              } else {
                note(new Lack(notMade(ensured.cause()), false));
              }
              isEnsuring = false;
              inService.tryComplete();
            });
  }

  private void noteTriggers(Lack refused) {
    note(refused);
    if (refused != null) {
      triggersDue = System.nanoTime() + REFUSAL.toNanos();
    } else {
      hasTriggers = !areMissedMeanwhile;
    }
  }

  private void note(Lack found) {
    if (found != null && !found.equals(lack)) {
      log.warn("{}", found.sentence());
    }
    lack = found;
  }

  private String notMade(Throwable cause) {
    return "Every poll reads whole tables, because the triggers that tell changes are not made: %s"
        .formatted(db.explain(cause));
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
