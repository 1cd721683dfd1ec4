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
 * A read that all share who ask while one is under way: each gets what was read by one that began
 * after he had asked. Never more than one is under way, but for those that were given up as too
 * late. To be used on one context alone.
 */
final class SharedRead<T> {
  private static final Logger log = LoggerFactory.getLogger(SharedRead.class);

  /** API.md: whoever asks is told within two seconds that the database is away. */
  static final long LIMIT_MS = 1_800;

  private static final long LOOK_MS = 100;

  private final Context context;
  private final Supplier<Future<T>> read;

  /** Those who have asked and whose read has not begun; null when nobody has. */
  private Batch<T> next;

  /** Those whose read has begun; null when none has. */
  private Batch<T> underWay;

  /** Those who wait for the same read. */
  private static final class Batch<T> {
    final List<Handler<AsyncResult<T>>> waiting = new ArrayList<>();
    final long since = System.nanoTime();

    void answer(AsyncResult<T> result) {
      for (Handler<AsyncResult<T>> one : waiting) {
        try {
          one.handle(result);
        } catch (Throwable e) { // whatever befalls one of them, the others are answered
          log.error("one of those who shared a read could not be answered", e);
        }
      }
    }
  }

  SharedRead(Vertx vertx, Supplier<Future<T>> read) {
    this.context = vertx.getOrCreateContext();
    this.read = read;
    vertx.setPeriodic(LOOK_MS, timer -> failLate());
  }

  /**
   * What is read from now on. Fails as the read does, and with {@link Problem.Unavailable} when it
   * takes too long.
   */
  Future<T> get() {
    Promise<T> promise = Promise.promise();
    get(promise::handle);
    return promise.future();
  }

  /** As {@link #get()}, for those who come in thousands. */
  void get(Handler<AsyncResult<T>> one) {
    if (next == null) {
      next = new Batch<>();
      if (underWay == null) {
        // after all requests that have come to this event loop: they share it
        context.runOnContext(v -> begin());
      }
    }
    next.waiting.add(one);
  }

  private void begin() {
    if (next == null || underWay != null) {
      return;
    }
    Batch<T> batch = next;
    next = null;
    underWay = batch;
    read.get()
        .onComplete(
            done -> {
              if (underWay == batch) {
                underWay = null;
                batch.answer(done);
                if (next != null) {
                  context.runOnContext(v -> begin());
                }
              }
            });
  }

  /** Also when what is under way never ends. */
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

  /** The failure of what takes too long. */
  static <T> Future<T> tooLate() {
    return Future.failedFuture(
        new Problem.Unavailable(
            "The database is away, or does not answer in time. Nothing was changed."));
  }
}
