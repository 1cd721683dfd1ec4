package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.WorkerExecutor;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.stream.Stream;

/**
 * Checks logins, one at a time, by turns of the places that they come from; each second turn is of
 * the place that has failed least. What may be a guess ({@link LoginFailures}) is slow. So a right
 * login gets its turn, however many guess. Bounded. Safe for threads.
 */
final class LoginChecks {
  /** Those of one place that may wait. */
  static final int MOST_OF_ONE = 16;

  private static final int MOST = 1_024;
  private static final long PAUSE_MS = 500;

  /** A check that has not begun. */
  private record Waiting(
      String where, Callable<Boolean> check, WorkerExecutor thread, Promise<Boolean> answer) {}

  private final LongSupplier nanoTime;
  private final LoginFailures failures;

  /** By the place, each in its order; the place whose turn was last comes last. */
  private final Map<String, Deque<Waiting>> waiting = new LinkedHashMap<>();

  private int waiters;

  /** Whether the next turn is of the place that has failed least, and not of the next in turn. */
  private boolean isTurnOfLeast = true;

  private boolean isBusy;
  private boolean isPausing;

  /** When the last check of what may be a guess has ended. */
  private long slowEnd;

  LoginChecks(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
    this.failures = new LoginFailures(nanoTime);
    this.slowEnd = nanoTime.getAsLong() - TimeUnit.MILLISECONDS.toNanos(PAUSE_MS);
  }

  /**
   * Whether a login is right; fails with {@link ProblemType#TOO_MANY_REQUESTS} when too many wait.
   *
   * @param thread for a check that takes its time; null when it takes none
   */
  Future<Boolean> check(Vertx vertx, String where, WorkerExecutor thread, Callable<Boolean> check) {
    if (thread == null && !failures.isSuspect(where)) {
      return counted(where, Future.succeededFuture(check).map(LoginChecks::call));
    }
    Promise<Boolean> answer = Promise.promise();
    synchronized (this) {
      Deque<Waiting> own = waiting.getOrDefault(where, new ArrayDeque<>());
      if (own.size() >= MOST_OF_ONE || (waiters >= MOST && !makeRoom(own.size() + 1))) {
        return Future.failedFuture(tooMany());
      }
      own.add(new Waiting(where, check, thread, answer));
      waiting.put(where, own);
      waiters++;
    }
    next(vertx);
    return answer.future();
  }

  private static Refusal tooMany() {
    return new Refusal(
        ProblemType.TOO_MANY_REQUESTS, "Too many logins are being checked. Try again in 1 s.", 1);
  }

  /** Of the place that has the most, the newest one goes; false when none has more than that. */
  private boolean makeRoom(int than) {
    Deque<Waiting> most =
        waiting.values().stream().max(Comparator.comparingInt(Deque::size)).orElseThrow();
    if (most.size() <= than) {
      return false;
    }
    most.removeLast().answer().fail(tooMany());
    waiters--;
    return true;
  }

  private Future<Boolean> counted(String where, Future<Boolean> check) {
    return check.onSuccess(
        isRight -> {
          if (!isRight) {
            failures.failed(where);
          }
        });
  }

  private static boolean call(Callable<Boolean> check) {
    try {
      return check.call();
    } catch (Exception e) { // none of those that are checked
      throw new IllegalStateException(e);
    }
  }

  private void next(Vertx vertx) {
    Waiting turn = taken(vertx);
    if (turn == null) {
      return;
    }
    boolean isSuspect = failures.isSuspect(turn.where());
    Future<Boolean> check =
        turn.thread() == null
            ? Future.succeededFuture(turn.check()).map(LoginChecks::call)
            : turn.thread().executeBlocking(turn.check(), false);
    counted(turn.where(), check)
        .onComplete(
            done -> {
              ended(isSuspect);
              turn.answer().handle(done);
              next(vertx);
            });
  }

  private synchronized void ended(boolean isSuspect) {
    isBusy = false;
    if (isSuspect) {
      slowEnd = nanoTime.getAsLong();
    }
  }

  /** The next one, which is begun; null when there is none whose time has come. */
  private synchronized Waiting taken(Vertx vertx) {
    if (isBusy || waiting.isEmpty()) {
      return null;
    }
    long passed = TimeUnit.NANOSECONDS.toMillis(nanoTime.getAsLong() - slowEnd);
    String where = firstOf(passed >= PAUSE_MS);
    if (where == null) {
      pause(vertx, PAUSE_MS - passed);
      return null;
    }
    Deque<Waiting> own = waiting.remove(where);
    Waiting turn = own.removeFirst();
    if (!own.isEmpty()) {
      waiting.put(where, own);
    }
    waiters--;
    isBusy = true;
    return turn;
  }

  /** Null when those that wait are all suspect, and that counts. */
  private String firstOf(boolean withSuspects) {
    Stream<String> inTurn =
        waiting.keySet().stream().filter(where -> withSuspects || !failures.isSuspect(where));
    isTurnOfLeast = !isTurnOfLeast;
    return (isTurnOfLeast ? inTurn.min(Comparator.comparingInt(failures::of)) : inTurn.findFirst())
        .orElse(null);
  }

  private void pause(Vertx vertx, long ms) {
    if (!isPausing) {
      isPausing = true;
      vertx.setTimer(
          Math.max(1, ms),
          timer -> {
            synchronized (this) {
              isPausing = false;
            }
            next(vertx);
          });
    }
  }
}
