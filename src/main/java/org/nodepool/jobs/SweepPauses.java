package org.nodepool.jobs;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.nodepool.model.Attempt;

/**
 * When to try again to remove what an attempt left: after a pause that doubles, so that a provider
 * that refuses is not pressed. Kept in memory alone; not safe for use by several threads.
 */
final class SweepPauses {
  private static final Duration FIRST = Duration.ofSeconds(30);
  private static final Duration LONGEST = Duration.ofHours(1);

  private record Key(long jobId, int number) {
    static Key of(Attempt attempt) {
      return new Key(attempt.jobId(), attempt.number());
    }
  }

  private record Pause(long begunNanos, Duration length) {
    boolean isOver(long nowNanos) {
      return nowNanos - begunNanos >= length.toNanos();
    }
  }

  private final LongSupplier nanoTime;
  private final Map<Key, Pause> pauses = new HashMap<>();

  /**
   * @param nanoTime as {@link System#nanoTime}
   */
  SweepPauses(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  /** Those that may be tried now, in the same order; whatever is not among {@code left} is done. */
  List<Attempt> due(List<Attempt> left) {
    pauses.keySet().retainAll(left.stream().map(Key::of).collect(Collectors.toSet()));
    long now = nanoTime.getAsLong();
    return left.stream()
        .filter(attempt -> !pauses.containsKey(Key.of(attempt)) || pause(attempt).isOver(now))
        .toList();
  }

  /** Something of it could not be removed now. */
  void failed(Attempt attempt) {
    Pause before = pause(attempt);
    Duration next = before == null ? FIRST : before.length().multipliedBy(2);
    Duration length = next.compareTo(LONGEST) < 0 ? next : LONGEST;
    pauses.put(Key.of(attempt), new Pause(nanoTime.getAsLong(), length));
  }

  private Pause pause(Attempt attempt) {
    return pauses.get(Key.of(attempt));
  }
}
