package org.nodepool.jobs.run;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.nodepool.async.Backoff;
import org.nodepool.model.Attempt;

/**
 * When to try again to remove what an attempt left: after a pause that doubles, so that a provider
 * that refuses is not pressed. Kept in memory alone; not safe for use by several threads.
 */
final class SweepPauses {
  private static final Backoff BACKOFF = new Backoff(Duration.ofSeconds(30), Duration.ofHours(1));

  private record Pause(long begunNanos, int failures) {
    boolean isOver(long nowNanos) {
      return nowNanos - begunNanos >= BACKOFF.after(failures).toNanos();
    }
  }

  private final LongSupplier nanoTime;
  private final Map<AttemptId, Pause> pauses = new HashMap<>();

  /**
   * @param nanoTime as {@link System#nanoTime}
   */
  SweepPauses(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  /** Those that may be tried now, in the same order; whatever is not among {@code left} is done. */
  List<Attempt> due(List<Attempt> left) {
    pauses.keySet().retainAll(left.stream().map(AttemptId::of).collect(Collectors.toSet()));
    long now = nanoTime.getAsLong();
    return left.stream()
        .filter(attempt -> !pauses.containsKey(AttemptId.of(attempt)) || pause(attempt).isOver(now))
        .toList();
  }

  /** Something of it could not be removed now. */
  void failed(Attempt attempt) {
    Pause before = pause(attempt);
    int failures = before == null ? 1 : before.failures() + 1;
    pauses.put(AttemptId.of(attempt), new Pause(nanoTime.getAsLong(), failures));
  }

  private Pause pause(Attempt attempt) {
    return pauses.get(AttemptId.of(attempt));
  }
}
