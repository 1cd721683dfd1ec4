package org.nodepool;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** Waits in tests for what happens elsewhere. */
public final class Poll {
  private Poll() {}

  private static final long FIRST_PAUSE_MS = 20;
  private static final long LONGEST_PAUSE_MS = 250;

  /**
   * Returns soon after the condition holds; asks at least once, and again after pauses that grow
   * with what it has waited: each question costs the machine on which the awaited work runs.
   *
   * @param what what is awaited, for the message of the failure
   */
  public static void until(String what, Duration limit, Callable<Boolean> condition) {
    until(what, limit, LONGEST_PAUSE_MS, condition);
  }

  /** As {@link #until}, for what is there for a moment alone: asks every 20 ms. */
  static void closelyUntil(String what, Duration limit, Callable<Boolean> condition) {
    until(what, limit, FIRST_PAUSE_MS, condition);
  }

  private static void until(
      String what, Duration limit, long longestPauseMs, Callable<Boolean> condition) {
    long began = System.nanoTime();
    long end = began + limit.toNanos();
    try {
      while (!condition.call()) {
        if (System.nanoTime() > end) {
          throw new AssertionError("not within " + limit + ": " + what);
        }
        long waitedMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
        TimeUnit.MILLISECONDS.sleep(
            Math.min(longestPauseMs, Math.max(FIRST_PAUSE_MS, waitedMs / 20)));
      }
    } catch (Exception e) {
      throw new AssertionError("while waiting: " + what, e);
    }
  }
}
