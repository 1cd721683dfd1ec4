package org.nodepool.view;

import java.util.concurrent.atomic.LongAdder;

/** Counts, for all event loops together, what polls cost. Thread-safe. */
public final class PollStats {
  private final LongAdder probes = new LongAdder();
  private final LongAdder waiters = new LongAdder();

  void probed() {
    probes.increment();
  }

  void waiting(int more) {
    waiters.add(more);
  }

  /** How often the database was asked whether the picture is still right. */
  public long probes() {
    return probes.sum();
  }

  /** How many wait now for an answer to become another one. */
  public long waiters() {
    return waiters.sum();
  }
}
