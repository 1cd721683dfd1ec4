package org.nodepool.api.http;

import java.math.BigInteger;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The one part of a body that was asked for (RFC 9110, 14).
 *
 * @param offset of its first byte
 * @param length in bytes; 0 when the body has none of what was asked for
 */
public record ByteRange(long offset, long length) {
  private static final Pattern SINGLE =
      Pattern.compile("[bB][yY][tT][eE][sS]=[ \t]*([0-9]*)-([0-9]*)[ \t]*");

  private static final ByteRange NOT_SATISFIABLE = new ByteRange(0, 0);

  /**
   * The part of so many bytes that these lines of the header ask for; empty when they ask for none,
   * or for what is not understood here: then the whole is the answer.
   */
  public static Optional<ByteRange> of(List<String> lines, long size) {
    if (lines.size() != 1) {
      return Optional.empty();
    }
    Matcher range = SINGLE.matcher(lines.get(0));
    if (!range.matches()) {
      return Optional.empty();
    }
    String first = range.group(1);
    String last = range.group(2);
    if (first.isEmpty()) {
      return last.isEmpty() ? Optional.empty() : end(number(last), size);
    }
    long from = number(first);
    long to = last.isEmpty() ? Long.MAX_VALUE : number(last);
    if (!last.isEmpty() && new BigInteger(last).compareTo(new BigInteger(first)) < 0) {
      return Optional.empty();
    }
    if (from >= size) {
      return Optional.of(NOT_SATISFIABLE);
    }
    return Optional.of(new ByteRange(from, Math.min(to, size - 1) - from + 1));
  }

  /** The last bytes; all of nothing is no part. */
  private static Optional<ByteRange> end(long length, long size) {
    if (length == 0) {
      return Optional.of(NOT_SATISFIABLE);
    }
    long there = Math.min(length, size);
    return there == 0 ? Optional.empty() : Optional.of(new ByteRange(size - there, there));
  }

  private static long number(String digits) {
    return new BigInteger(digits).min(BigInteger.valueOf(Long.MAX_VALUE)).longValue();
  }

  /** Whether there is something to send; else the answer is 416. */
  public boolean isSatisfiable() {
    return length > 0;
  }

  /** The value of Content-Range, of a body of so many bytes. */
  public String contentRange(long size) {
    return isSatisfiable()
        ? "bytes %d-%d/%d".formatted(offset, offset + length - 1, size)
        : "bytes */" + size;
  }
}
