package org.nodepool.view;

import io.vertx.core.AsyncResult;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.nodepool.model.Problem;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A read that all share who ask while one is under way, on whatever event loop they are: each gets
 * what was read by one that began after he had asked. Never more than one is under way, but for
 * those that were given up as too late. They ask through an {@link Asker}.
 */
final class SharedRead<T> {
  private static final Logger log = LoggerFactory.getLogger(SharedRead.class);

  /** API.md: whoever asks is told within two seconds that the database is away. */
  static final long LIMIT_MS = 1_800;

  private static final long LOOK_MS = 100;

  private final Context own;
  private final Supplier<Future<T>> read;

  // what follows is for the own context alone

  /** Those whose read has not begun. */
  private List<Batch<T>> next = new ArrayList<>();

  /** Those whose read has begun; null when none is under way. */
  private List<Batch<T>> underWay;

  private long began;

  /** Those of one event loop who wait for the same read. */
  private static final class Batch<T> {
    final Asker<T> asker;
    final List<Handler<AsyncResult<T>>> waiting = new ArrayList<>();
    final long since = System.nanoTime();

    /** Whoever finds it false has come before the read. */
    volatile boolean hasBegun;

    Batch(Asker<T> asker) {
      this.asker = asker;
    }

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

  /**
   * To be made on the context that reads.
   *
   * @param read is begun there
   */
  SharedRead(Vertx vertx, Supplier<Future<T>> read) {
    this.own = vertx.getOrCreateContext();
    this.read = read;
    vertx.setPeriodic(LOOK_MS, timer -> giveUpLate());
  }

  private void ask(Batch<T> batch) {
    next.add(batch);
    begin();
  }

  private void begin() {
    if (underWay != null || next.isEmpty()) {
      return;
    }
    List<Batch<T>> batches = next;
    next = new ArrayList<>();
    batches.forEach(batch -> batch.hasBegun = true);
    underWay = batches;
    began = System.nanoTime();
    read.get().onComplete(done -> end(batches, done));
  }

  private void end(List<Batch<T>> batches, AsyncResult<T> result) {
    batches.forEach(batch -> batch.asker.tell(batch, result));
    if (underWay == batches) {
      underWay = null;
      begin();
    }
  }

  /** What is under way may never end. */
  private void giveUpLate() {
    if (underWay != null && isLate(began)) {
      underWay = null;
      begin();
    }
  }

  private static boolean isLate(long since) {
    return System.nanoTime() - since > TimeUnit.MILLISECONDS.toNanos(LIMIT_MS);
  }

  /** The failure of what takes too long. */
  static <T> Future<T> tooLate() {
    return Future.failedFuture(
        new Problem.Unavailable(
            "The database is away, or does not answer in time. Nothing was changed."));
  }

  /** Those of one event loop who ask; to be made and used on it alone. */
  static final class Asker<T> {
    private final SharedRead<T> shared;
    private final Context context;

    /** The oldest first. */
    private final Deque<Batch<T>> unanswered = new ArrayDeque<>();

    Asker(Vertx vertx, SharedRead<T> shared) {
      this.shared = shared;
      this.context = vertx.getOrCreateContext();
      vertx.setPeriodic(LOOK_MS, timer -> failLate());
    }

    /**
     * What is read from now on. Fails as the read does, and with {@link Problem.Unavailable} when
     * it takes too long.
     */
    Future<T> get() {
      Promise<T> promise = Promise.promise();
      get(promise::handle);
      return promise.future();
    }

    /** As {@link #get()}, for those who come in thousands. */
    void get(Handler<AsyncResult<T>> one) {
      Batch<T> last = unanswered.peekLast();
      if (last == null || last.hasBegun) {
        last = new Batch<>(this);
        unanswered.add(last);
        ask(last);
      }
      last.waiting.add(one);
    }

    private void ask(Batch<T> batch) {
      // after all requests that have come to this event loop: they share it
      context.runOnContext(v -> shared.own.runOnContext(w -> shared.ask(batch)));
    }

    private void tell(Batch<T> batch, AsyncResult<T> result) {
      context.runOnContext(
          v -> {
            if (unanswered.remove(batch)) {
              batch.answer(result);
            }
          });
    }

    /** Also when what is under way never ends. */
    private void failLate() {
      while (!unanswered.isEmpty() && isLate(unanswered.peek().since)) {
        unanswered.remove().answer(tooLate());
      }
    }
  }
}
