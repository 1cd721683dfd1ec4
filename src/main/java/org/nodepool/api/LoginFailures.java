package org.nodepool.api;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Counts the wrong logins of the last minute, by where they came from. Bounded: of too many places
 * the one that has been quiet longest is forgotten. Safe for threads.
 */
final class LoginFailures {
  /** More from one place are guesses. */
  static final int LIMIT = 20;

  /** More from all places together are. */
  static final int LIMIT_OF_ALL = 100;

  static final int MOST_REMEMBERED = 10_000;

  private static final long MINUTE_NS = TimeUnit.MINUTES.toNanos(1);

  private final LongSupplier nanoTime;

  /** The last ones of each place, the oldest first; the place that failed last comes last. */
  private final Map<String, Deque<Long>> failures = new LinkedHashMap<>();

  private final Deque<Long> ofAll = new ArrayDeque<>();

  /** The clock is {@link System#nanoTime} or behaves like it. */
  LoginFailures(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  /** How many there were, up to the limit. */
  synchronized int of(String where) {
    return recent(failures.get(where));
  }

  /** Whether a login from there may be a guess. */
  synchronized boolean isSuspect(String where) {
    return of(where) >= LIMIT || recent(ofAll) >= LIMIT_OF_ALL;
  }

  synchronized void failed(String where) {
    Deque<Long> last = failures.remove(where);
    failures.put(where, note(last == null ? new ArrayDeque<>() : last, LIMIT));
    note(ofAll, LIMIT_OF_ALL);
    if (failures.size() > MOST_REMEMBERED) {
      Iterator<String> quietest = failures.keySet().iterator();
      quietest.next();
      quietest.remove();
    }
  }

  private Deque<Long> note(Deque<Long> last, int limit) {
    if (last.size() == limit) {
      last.removeFirst();
    }
    last.addLast(nanoTime.getAsLong());
    return last;
  }

  private int recent(Deque<Long> last) {
    if (last == null) {
      return 0;
    }
    long now = nanoTime.getAsLong();
    while (!last.isEmpty() && now - last.peekFirst() >= MINUTE_NS) {
      last.removeFirst();
    }
    return last.size();
  }

  /** How many places are remembered. */
  synchronized int size() {
    return failures.size();
  }
}
