package org.nodepool.api;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Counts wrong logins of each client: after 20 within a minute the next has to wait until the first
 * of them is a minute old. Bounded: of too many clients the one that has been quiet longest is
 * forgotten. Safe for threads.
 */
final class LoginThrottle {
  static final int LIMIT = 20;
  static final int MOST_REMEMBERED = 10_000;

  private static final long MINUTE_NS = TimeUnit.MINUTES.toNanos(1);
  private static final long SECOND_NS = TimeUnit.SECONDS.toNanos(1);

  private final LongSupplier nanoTime;

  /** The last failures of each client, the oldest first; the client that failed last comes last. */
  private final Map<ByteBuffer, Deque<Long>> failures = new LinkedHashMap<>();

  /** The clock is {@link System#nanoTime} or behaves like it. */
  LoginThrottle(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  /** How many seconds, rounded up, the client has to wait; 0 for not at all. */
  synchronized long secondsToWait(ByteBuffer who) {
    Deque<Long> last = failures.get(who);
    if (last == null || last.size() < LIMIT) {
      return 0;
    }
    long left = last.peekFirst() + MINUTE_NS - nanoTime.getAsLong();
    return left <= 0 ? 0 : (left + SECOND_NS - 1) / SECOND_NS;
  }

  synchronized void failed(ByteBuffer who) {
    Deque<Long> last = failures.remove(who);
    if (last == null) {
      last = new ArrayDeque<>();
    } else if (last.size() == LIMIT) {
      last.removeFirst();
    }
    last.addLast(nanoTime.getAsLong());
    failures.put(who, last);
    if (failures.size() > MOST_REMEMBERED) {
      Iterator<ByteBuffer> quietest = failures.keySet().iterator();
      quietest.next();
      quietest.remove();
    }
  }

  /** How many are remembered. */
  synchronized int size() {
    return failures.size();
  }
}
