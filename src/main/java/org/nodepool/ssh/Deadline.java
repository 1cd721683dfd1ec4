package org.nodepool.ssh;

import java.time.Duration;

/** The moment at which a limit of time has passed. */
final class Deadline {
  private final long began = System.nanoTime();
  private final Duration limit;

  Deadline(Duration limit) {
    this.limit = limit;
  }

  Duration limit() {
    return limit;
  }

  Duration passed() {
    return Duration.ofNanos(System.nanoTime() - began);
  }

  boolean isOver() {
    return passed().compareTo(limit) >= 0;
  }

  /** What is left of it, and at most so much; a millisecond when it is over. */
  Duration left(Duration most) {
    Duration left = limit.minus(passed());
    Duration least = Duration.ofMillis(1);
    if (left.compareTo(least) < 0) {
      return least;
    }
    return left.compareTo(most) < 0 ? left : most;
  }
}
