package org.nodepool.changes;

import io.vertx.core.Future;
import io.vertx.core.VerticleBase;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import org.nodepool.changes.SeenChanges.Gap;
import org.nodepool.model.Failpoint;
import org.nodepool.store.Database;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the log of changes short. The keeper of each process tells the database how far the readers
 * of its process are, and proves the gaps in what they have seen. The keeper that has the turn
 * removes what no reader needs, whichever process that is in.
 */
public final class ChangeKeeper extends VerticleBase {
  private static final Logger log = LoggerFactory.getLogger(ChangeKeeper.class);

  /** What reads the log in this process; for any thread. */
  public interface Reader {
    /** What it has seen; null while it reads no log, or has not been able to for a minute. */
    SeenChanges seen();

    /** Tells it that these gaps will never be filled; one at least. */
    void neverFilled(List<Gap> gaps);
  }

  private static final String PURPOSE = "keeper";

  private static final long LOOK_MS = 5_000;
  private static final long PRUNE_MS = 30_000;
  private static final long PRUNE_PAUSE_MS = 100;

  /** Writers that wait for a lock give up before. */
  private static final Duration BETWEEN_PROOFS = Duration.ofMinutes(1);

  /** So long a log is not pruned as it should be. */
  private static final long LONG_LOG = 1_000_000;

  private final Turns turns;
  private final ChangeTable table;
  private final ChangeReaderTable readers;
  private final List<Followed> followed = new ArrayList<>();
  private Turn turn;

  /** The look at the readers that is under way, or was the last. */
  private Future<?> look = Future.succeededFuture();

  private boolean isStopped;

  /**
   * @param readers by names that no reader of another process has, 255 characters at most
   */
  public ChangeKeeper(Database db, Turns turns, Map<String, Reader> readers) {
    this(db, turns, readers, System::nanoTime);
  }

  /**
   * @param nanoTime {@link System#nanoTime}, or what behaves like it: how far proofs are apart
   */
  ChangeKeeper(Database db, Turns turns, Map<String, Reader> readers, LongSupplier nanoTime) {
    this.turns = turns;
    this.table = new ChangeTable(db);
    this.readers = new ChangeReaderTable(db);
    readers.forEach(
        (name, reader) ->
            followed.add(
                new Followed(name, reader, new GapProofs(table, BETWEEN_PROOFS, nanoTime))));
  }

  @Override
  public Future<?> start() {
    turn = turns.contend(PURPOSE);
    lookAgain();
    vertx.setTimer(PRUNE_MS, timer -> prune());
    return Future.succeededFuture();
  }

  @Override
  public Future<?> stop() {
    isStopped = true;
    return Future.join(turn.stop(), look.eventually(this::leave)).otherwiseEmpty();
  }

  private Future<?> leave() {
    return Future.join(followed.stream().map(reader -> readers.left(reader.name)).toList());
  }

  private void lookAgain() {
    if (isStopped) {
      return;
    }
    look = Future.join(followed.stream().map(Followed::look).toList());
    look.onFailure(e -> log.debug("no look at the readers of the change log", e))
        .onComplete(done -> vertx.setTimer(LOOK_MS, timer -> lookAgain()));
  }

  /** A reader of this process. */
  private final class Followed {
    private final String name;
    private final Reader reader;
    private final GapProofs proofs;

    /** What it needed at the look before: who began with that has been answered by now. */
    private long neededBefore = Long.MAX_VALUE;

    /** Whether the log is known to be too long. */
    private boolean isLong;

    Followed(String name, Reader reader, GapProofs proofs) {
      this.name = name;
      this.reader = reader;
      this.proofs = proofs;
    }

    private Future<Void> look() {
      SeenChanges seen = reader.seen();
      if (seen == null) {
        return Future.succeededFuture();
      }
      noteLength(seen);
      long needs = Math.min(neededBefore, seen.least());
      neededBefore = seen.least();
      // side by side: a proof needs no right to write
      return Future.join(readers.note(name, needs), prove(seen)).mapEmpty();
    }

    private Future<Void> prove(SeenChanges seen) {
      return proofs
          .look(seen.gaps())
          .map(
              proved -> {
                if (!proved.isEmpty()) {
                  reader.neverFilled(proved);
                }
                return null;
              });
    }

    /** Told once, and again only after it was shorter. */
    private void noteLength(SeenChanges seen) {
      long length = seen.greatest() - seen.first();
      if (length > LONG_LOG && !isLong) {
        isLong = true;
        log.warn(
            "the table api_change has grown over {} ids: it is not pruned, or a transaction was"
                + " open when id {} was given and may be still",
            length,
            seen.least());
      } else if (length < LONG_LOG / 2) {
        isLong = false;
      }
    }
  }

  /** A few rows at a time, with pauses for those who write. */
  private void prune() {
    if (isStopped) {
      return;
    }
    Future<Long> pruned = turn.isHeld() ? pruneSome() : Future.succeededFuture(0L);
    pruned
        .onFailure(e -> log.debug("the change log is not pruned", e))
        .onComplete(
            done -> {
              boolean isMoreThere = done.succeeded() && done.result() > 0;
              vertx.setTimer(isMoreThere ? PRUNE_PAUSE_MS : PRUNE_MS, timer -> prune());
            });
  }

  /**
   * Removes some of what nobody needs; how many ids it went over. Fails with {@link TurnLost} when
   * another process has the turn.
   */
  Future<Long> pruneSome() {
    return turn.transaction(
        Failpoint.PRUNE_CHANGES,
        tx ->
            readers
                .forgetGone(tx)
                .compose(v -> readers.least(tx))
                .compose(needed -> table.prune(tx, needed.orElse(Long.MAX_VALUE))));
  }
}
