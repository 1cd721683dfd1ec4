package org.nodepool.changes;

import io.vertx.core.Future;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import org.nodepool.changes.SeenChanges.Gap;

/**
 * Proves of gaps in the change log that they will never be filled, for their writers rolled back: a
 * locking read finds no row there, twice, further apart than a writer may wait for a lock. By age
 * alone nothing is proved: a transaction may stay open as long as it likes. To be used on one
 * context alone.
 */
final class GapProofs {
  private static final int GAPS_A_LOOK = 1_000;

  private final ChangeTable table;
  private final Duration least;
  private final LongSupplier nanoTime;
  private final Map<Gap, Long> firstSeenEmpty = new HashMap<>();
  private int next;

  /**
   * @param least how far apart the two looks are, at least
   */
  GapProofs(ChangeTable table, Duration least, LongSupplier nanoTime) {
    this.table = table;
    this.least = least;
    this.nanoTime = nanoTime;
  }

  /**
   * Looks at some of these gaps, at others the next time; gives those that are now proved. Not to
   * be called again before that is complete.
   */
  Future<List<Gap>> look(List<Gap> gaps) {
    firstSeenEmpty.keySet().retainAll(new HashSet<>(gaps));
    List<Gap> looked = new ArrayList<>();
    for (int i = 0; i < Math.min(GAPS_A_LOOK, gaps.size()); i++) {
      looked.add(gaps.get((next + i) % gaps.size()));
    }
    next = gaps.isEmpty() ? 0 : (next + looked.size()) % gaps.size();
    if (looked.isEmpty()) {
      return Future.succeededFuture(List.of());
    }
    return table.lockWait().compose(lockWait -> look(looked, lockWait));
  }

  private Future<List<Gap>> look(List<Gap> looked, long lockWaitSeconds) {
    long distance = Math.max(least.toNanos(), Duration.ofSeconds(lockWaitSeconds + 1).toNanos());
    long began = nanoTime.getAsLong();
    return table
        .empty(looked)
        .map(
            found -> {
              long ended = nanoTime.getAsLong();
              List<Gap> proved = new ArrayList<>();
              found.forEach(
                  (gap, isEmpty) -> {
                    Long first = isEmpty ? firstSeenEmpty.get(gap) : firstSeenEmpty.remove(gap);
                    if (isEmpty && first == null) {
                      firstSeenEmpty.put(gap, ended);
                    } else if (isEmpty && began - first >= distance) {
                      firstSeenEmpty.remove(gap);
                      proved.add(gap);
                    }
                  });
              return proved;
            });
  }
}
