package org.nodepool;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** Waits in tests for what happens elsewhere. */
public final class Poll {
  private Poll() {}

  /**
   * Returns as soon as the condition holds; asks every 20 ms, and at least once.
   *
   * @param what what is awaited, for the message of the failure
   */
  public static void until(String what, Duration limit, Callable<Boolean> condition) {
    long end = System.nanoTime() + limit.toNanos();
    try {
      while (!condition.call()) {
        if (System.nanoTime() > end) {
          throw new AssertionError("not within " + limit + ": " + what);
        }
        TimeUnit.MILLISECONDS.sleep(20);
      }
    } catch (Exception e) {
      throw new AssertionError("while waiting: " + what, e);
    }
  }
}
