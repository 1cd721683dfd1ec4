package org.nodepool.model;

import java.util.Optional;
import java.util.regex.Pattern;

/** Ids as clients write them: decimal integers from 1, without leading zeros. */
public final class Ids {
  /** Eighteen digits are more than any column holds, and fit a long. */
  private static final Pattern ID = Pattern.compile("[1-9][0-9]{0,17}");

  private Ids() {}

  /** Empty for any other text: it is an id that does not exist. */
  public static Optional<Long> parse(String text) {
    return ID.matcher(text).matches() ? Optional.of(Long.valueOf(text)) : Optional.empty();
  }
}
