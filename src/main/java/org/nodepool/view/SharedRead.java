package org.nodepool.view;

import io.vertx.core.AsyncResult;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.nodepool.model.Problem;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A read that callers share. The callers that ask while one is under way get the result of the
 * next, which begins after they have asked. Never more than one is under way, but for reads that
 * were given up as too late. To be used on one context alone.
 *
 * <p>Clients that ask again as soon as they are answered would end up in two halves, each waiting
 * for the read of the other. So a read with others behind it is followed by one that waits, a
 * moment at most, until most callers of the first have come back: then nearly all share one, and
 * there are half as many. Slower callers come while it is under way, and so the processors always
 * have something to do.
 */
final class SharedRead<T> {
  private static final Logger log = LoggerFactory.getLogger(SharedRead.class);

  /** API.md: a client is told within two seconds that the database is away. */
  static final long LIMIT_MS = 1_800;

  private static final long LOOK_MS = 100;

  /** A read waits no longer for callers to come back. */
  private static final long GATHER_MS = 1;

  /**
   * A read waits for this share of the callers that wait or may come back, rounded up: for the last
   * ones all would be late.
   */
  private static final double AWAITED = 0.75;

  /** When few of them come, no read waits for callers for so long: few wait for nothing. */
  private static final long NO_GATHERING_MS = 100;

  private final Vertx vertx;
  private final Context context;
  private final Supplier<Future<T>> read;

  /** The callers whose read has not begun; null when there are none. */
  private Batch<T> next;

  /** The callers whose read is under way; null when there are none. */
  private Batch<T> underWay;

  /** How many callers are to share the next read; it begins at once for fewer than two. */
  private int awaited;

  /** How many of these waited already when that was decided. */
  private int present;

  /** Ends the waiting for them; null while there is none. */
  private Long gatheringTimer;

  private long noGatheringBefore = System.nanoTime();

  /** The callers that wait for the same read. */
  private static final class Batch<T> {
    final List<Handler<AsyncResult<T>>> waiting = new ArrayList<>();
    final long since = System.nanoTime();

    void answer(AsyncResult<T> result) {
      for (Handler<AsyncResult<T>> one : waiting) {
        try {
          one.handle(result);
        } catch (Throwable e) { // one that fails must not keep the others waiting
          log.error("a caller that shared a read could not be answered", e);
        }
      }
    }
  }

  SharedRead(Vertx vertx, Supplier<Future<T>> read) {
    this.vertx = vertx;
    this.context = vertx.getOrCreateContext();
    this.read = read;
    vertx.setPeriodic(LOOK_MS, timer -> failLate());
  }

  /**
   * The result of a read that begins from now on. Fails as the read does, and with {@link
   * Problem.Unavailable} when it takes too long.
   */
  Future<T> get() {
    Promise<T> promise = Promise.promise();
    get(promise::handle);
    return promise.future();
  }

  /** As {@link #get()}, without a future for each of thousands of callers. */
  void get(Handler<AsyncResult<T>> one) {
    if (next == null) {
      next = new Batch<>();
      if (underWay == null) {
        // after all requests that have come to this event loop: they share it
        context.runOnContext(v -> gather());
      }
    }
    next.waiting.add(one);
    if (gatheringTimer != null && next.waiting.size() >= awaited) {
      stopGathering();
      context.runOnContext(v -> begin());
    }
  }

  private void gather() {
    if (next == null || underWay != null || gatheringTimer != null) {
      return;
    }
    if (next.waiting.size() >= awaited || System.nanoTime() - noGatheringBefore < 0) {
      begin();
    } else {
      gatheringTimer = vertx.setTimer(GATHER_MS, timer -> giveUpGathering());
    }
  }

  private void giveUpGathering() {
    gatheringTimer = null;
    if (next == null || !isWorthIt(next)) {
      noGatheringBefore = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(NO_GATHERING_MS);
    }
    begin();
  }

  /** Whether half of the callers that were to come back did: then waiting is worth it again. */
  private boolean isWorthIt(Batch<T> batch) {
    return awaited > 0 && 2 * (batch.waiting.size() - present) >= awaited - present;
  }

  private void stopGathering() {
    if (gatheringTimer != null) {
      vertx.cancelTimer(gatheringTimer);
      gatheringTimer = null;
    }
  }

  private void begin() {
    if (next == null || underWay != null) {
      return;
    }
    stopGathering();
    Batch<T> batch = next;
    next = null;
    underWay = batch;
    read.get()
        .onComplete(
            done -> {
              if (underWay == batch) {
                underWay = null;
                expectBack(batch);
                batch.answer(done);
                if (next != null) {
                  context.runOnContext(v -> gather());
                }
              }
            });
  }

  /**
   * The callers that are answered now may come back. To wait for them is worth it if another waits
   * already, or if half of those that were awaited before came back.
   */
  private void expectBack(Batch<T> answered) {
    boolean isWorthIt = isWorthIt(answered);
    present = next == null ? 0 : next.waiting.size();
    awaited =
        present > 0 || isWorthIt
            ? (int) Math.ceil(AWAITED * (present + answered.waiting.size()))
            : 0;
  }

  /** Also when the read that is under way never ends. */
  private void failLate() {
    if (isLate(underWay)) {
      Batch<T> late = underWay;
      underWay = null;
      late.answer(tooLate());
      begin();
    }
    if (isLate(next)) {
      Batch<T> late = next;
      next = null;
      late.answer(tooLate());
    }
  }

  private boolean isLate(Batch<T> batch) {
    return batch != null
        && System.nanoTime() - batch.since > TimeUnit.MILLISECONDS.toNanos(LIMIT_MS);
  }

  /** The failure of a read that takes too long. */
  static <T> Future<T> tooLate() {
    return Future.failedFuture(
        new Problem.Unavailable(
            "The database is away, or does not answer in time. Nothing was changed."));
  }
}
