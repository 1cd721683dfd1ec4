package org.nodepool.store;

import static java.util.Collections.nCopies;

/** Lists of values in a statement. */
final class Values {
  private Values() {}

  /** The places of that many values, to stand in {@code IN (…)}; there must be one at least. */
  static String places(int count) {
    return String.join(", ", nCopies(count, "?"));
  }
}
