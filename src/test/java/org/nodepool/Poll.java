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
   * How long what must happen, some time, is waited for: no machine that runs these tests is so
   * slow, and only a test that fails waits so long.
   */
  public static final Duration LONGEST = Duration.ofMinutes(5);

  /**
   * Returns soon after the condition holds; asks at least once, and again after pauses that grow
   * with what it has waited: each question costs the machine on which the awaited work runs.
   *
   * @param what what is awaited, for the message of the failure
   */
  public static void until(String what, Callable<Boolean> condition) {
    until(what, LONGEST, LONGEST_PAUSE_MS, condition);
  }

  /** As {@link #until}, for what is there for a moment alone: asks every 20 ms. */
  static void closelyUntil(String what, Callable<Boolean> condition) {
    until(what, LONGEST, FIRST_PAUSE_MS, condition);
  }

  /** As {@link #until}, for what is promised to happen in this time. */
  public static void within(Duration limit, String what, Callable<Boolean> condition) {
    until(what, limit, LONGEST_PAUSE_MS, condition);
  }

  /** Whether that process ended, within {@link #LONGEST}. */
  static boolean ends(Process process) throws InterruptedException {
    return process.waitFor(LONGEST.toSeconds(), TimeUnit.SECONDS);
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
