package org.nodepool;

import java.util.List;

/** How much is tested: one case of each kind, or with {@code ./run.sh test long} all there are. */
public final class Extent {
  private static final boolean IS_LONG = Boolean.getBoolean("nodepool.test.long");

  private Extent() {}

  /** All of these cases, or the first few, which stand for the others. */
  public static <T> List<T> cases(int few, List<T> all) {
    return IS_LONG ? all : all.subList(0, few);
  }

  /** Whether every case of a matrix is run, and what runs for a time runs for longer. */
  public static boolean isLong() {
    return IS_LONG;
  }
}
