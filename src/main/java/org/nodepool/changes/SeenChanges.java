package org.nodepool.changes;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.nodepool.store.Database;

/**
 * The rows of the change log that a reader has seen: those up to {@code greatest}, but for the
 * {@code gaps}. The server gives a row its id when the row is written, and a reader sees the row
 * when its writer commits, so a later id may be seen first. The reader keeps every id that it
 * skipped as a gap, until a row appears there, or until {@link GapProofs} proves that its writer
 * rolled back. Immutable.
 *
 * @param greatest the greatest id seen; 0 when there was none
 * @param gaps ascending, all below {@code greatest}, apart from each other
 * @param connections {@link Database#ownConnections} when all rows were last read; after that
 *     number has changed it may be another log
 * @param first the least id that there was then; 0 when there was none
 */
public record SeenChanges(long greatest, List<Gap> gaps, long connections, long first) {
  /** Nothing was ever seen. */
  static final SeenChanges NONE = new SeenChanges(0, List.of(), 0, 0);

  /**
   * A gap of so many ids at most is asked for id by id: the time grows with their number; that for
   * ranges grows with its square.
   */
  private static final int SHORT = 32;

  /** So many ids, and so many ranges, are asked for in one statement: in some 10 ms each. */
  private static final int MOST_IDS_ASKED = 4_000;

  private static final int MOST_RANGES_ASKED = 400;

  /** Ids that were skipped, both ends included. */
  public record Gap(long from, long to) {
    private long ids() {
      return to - from + 1;
    }

    boolean isShort() {
      return ids() <= SHORT;
    }
  }

  public SeenChanges {
    gaps = List.copyOf(gaps);
  }

  /**
   * Whether a statement can ask for all that may still appear. If not, whoever reads has to read
   * everything; that is so for a minute after very many writers have rolled back.
   */
  public boolean isAskable() {
    long ids = 0;
    int ranges = 0;
    for (Gap gap : gaps) {
      if (gap.isShort()) {
        ids += gap.ids();
      } else {
        ranges++;
      }
    }
    return ids <= MOST_IDS_ASKED && ranges <= MOST_RANGES_ASKED;
  }

  /** Whether the other knows of no other changes, in what may be the same log. */
  public boolean isAsFarAs(SeenChanges other) {
    return other != null
        && greatest == other.greatest
        && gaps.equals(other.gaps)
        && connections == other.connections;
  }

  /** The least id that may still appear. */
  public long least() {
    return gaps.isEmpty() ? greatest + 1 : gaps.get(0).from();
  }

  /**
   * The least id that may have appeared and been pruned before it was seen. An id that is missing
   * before the first row that was there when all were read is no sign of that: its row was pruned
   * before, or is kept until all rows are read again.
   */
  long leastToBeMissed() {
    return gaps.stream()
        .filter(gap -> gap.to() >= first)
        .mapToLong(gap -> Math.max(gap.from(), first))
        .findFirst()
        .orElse(greatest + 1);
  }

  /**
   * With these seen too.
   *
   * @param ids ascending; none of them seen before
   * @param possible ids that cannot occur make no gap
   */
  SeenChanges with(List<Long> ids, Ids possible) {
    List<Gap> left = new ArrayList<>();
    int next = 0;
    for (Gap gap : gaps) {
      long from = gap.from();
      while (next < ids.size() && ids.get(next) <= gap.to()) {
        addGap(left, from, ids.get(next) - 1, possible);
        from = ids.get(next) + 1;
        next++;
      }
      addGap(left, from, gap.to(), possible);
    }
    long last = greatest;
    for (; next < ids.size(); next++) {
      addGap(left, last + 1, ids.get(next) - 1, possible);
      last = ids.get(next);
    }
    return with(last, left);
  }

  SeenChanges with(long otherGreatest, List<Gap> otherGaps) {
    return new SeenChanges(otherGreatest, otherGaps, connections, first);
  }

  /** When all rows are read again. */
  SeenChanges readAt(long connectionsNow, long firstNow) {
    return new SeenChanges(greatest, gaps, connectionsNow, firstNow);
  }

  /** As if nothing had been seen. */
  SeenChanges forgotten() {
    return with(0, List.of());
  }

  static void addGap(List<Gap> gaps, long from, long to, Ids possible) {
    if (from <= to && possible.isAnyIn(from, to)) {
      gaps.add(new Gap(from, to));
    }
  }

  /** Without gaps that will never be filled. */
  public SeenChanges without(Set<Gap> neverFilled) {
    return neverFilled.isEmpty()
        ? this
        : with(greatest, gaps.stream().filter(gap -> !neverFilled.contains(gap)).toList());
  }

  /**
   * The ids that the server gives out: {@code offset}, and from there every {@code step}th. A
   * session may have a step of its own. Its ids are then seen, and from then on every number is
   * taken for possible; but an id that it commits only after a greater one was seen is no gap
   * before, and is seen when all rows are read again.
   *
   * @param step {@code auto_increment_increment}, 1 or more
   */
  record Ids(long step, long offset) {
    /** Every number. */
    static final Ids ALL = new Ids(1, 1);

    boolean has(long id) {
      return Math.floorMod(id - offset, step) == 0;
    }

    /** How many there are in that range, both ends included. */
    long count(long from, long to) {
      long least = from + Math.floorMod(offset - from, step);
      return least > to ? 0 : (to - least) / step + 1;
    }

    boolean isAnyIn(long from, long to) {
      return from + Math.floorMod(offset - from, step) <= to;
    }
  }
}
