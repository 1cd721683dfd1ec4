package org.nodepool.changes;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import java.time.Duration;
import java.util.List;
import org.nodepool.changes.Triggers.Lack;
import org.nodepool.store.Database;
import org.nodepool.store.schema.SchemaWatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the triggers in place for as long as the service runs. It acts at the looks of a {@link
 * SchemaWatch}, and beside them: the service works without triggers, too. A lack is logged when it
 * changes. Thread-safe.
 */
public final class TriggerWatch {
  private static final Logger log = LoggerFactory.getLogger(TriggerWatch.class);

  /** So long a refusal of triggers is taken for an answer. */
  private static final Duration REFUSAL = Duration.ofMinutes(1);

  private final Database db;
  private final Promise<Void> tried = Promise.promise();

  /** Whether they are in place, as far as anybody knows. */
  private volatile boolean hasTriggers;

  /** Why the triggers are not in place; null when they are, or nobody has tried. */
  private volatile Lack lack;

  /** When they are tried next, by {@link System#nanoTime}. */
  private volatile long due = System.nanoTime();

  private volatile boolean isEnsuring;

  /** Whether somebody missed them while they were being made. */
  private volatile boolean areMissedMeanwhile;

  private volatile boolean isStopped;

  public TriggerWatch(Database db) {
    this.db = db;
  }

  /**
   * Completes, on an event loop, when the schema is in place for the first time and the triggers
   * have been tried; they may have been refused.
   */
  public Future<Void> tried() {
    return tried.future();
  }

  /** Tries no more; {@link #tried} does not complete any more. */
  public void stop() {
    isStopped = true;
  }

  /** What the database's operator should know of the tables, though they serve; sentences. */
  public List<String> warnings() {
    Lack why = lack;
    return why == null ? List.of() : List.of(why.sentence());
  }

  /** Whether {@code api_change} is told of every change, as far as anybody knows. */
  public boolean hasTriggers() {
    return hasTriggers;
  }

  /** Tells how the schema was found. */
  public void looked(SchemaWatch.Look look) {
    if (look != SchemaWatch.Look.IN_PLACE) {
      missing();
    }
    if (look != SchemaWatch.Look.REFUSED) {
      ensure();
    }
  }

  /**
   * Notes whether a look of somebody else's found the triggers in place. Triggers that were refused
   * are not tried the sooner for it.
   */
  public void noteLogging(boolean isLogged) {
    if (!isLogged && (hasTriggers || isEnsuring)) {
      missing();
    }
  }

  /** Tells that they are not all in place any more: they are made again at the next look. */
  public void missing() {
    areMissedMeanwhile = isEnsuring;
    hasTriggers = false;
    due = System.nanoTime();
  }

  /** Nobody waits for it: the looks tell others in time that the database is used. */
  private void ensure() {
    if (hasTriggers || isEnsuring || System.nanoTime() - due < 0) {
      return;
    }
    isEnsuring = true;
    areMissedMeanwhile = false;
    if (lack != null && lack.isOfARight()) {
      // a connection from before a GRANT of TRIGGER cannot write where the triggers are
      db.renew();
    }
    Triggers.ALL
        .ensure(db)
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
              tried.tryComplete();
            });
  }

  private void noteTriggers(Lack refused) {
    note(refused);
    if (refused != null) {
      due = System.nanoTime() + REFUSAL.toNanos();
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
}
