package org.nodepool.api;

import java.math.BigInteger;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The one part of a body that was asked for (RFC 9110, 14).
 *
 * @param offset of its first byte
 * @param length in bytes, at least one
 */
record ByteRange(long offset, long length) {
  private static final Pattern SINGLE =
      Pattern.compile("[bB][yY][tT][eE][sS]=[ \t]*([0-9]*)-([0-9]*)[ \t]*");

  /**
   * The part of so many bytes that these headers ask for; empty when they ask for none, or for what
   * is not understood here: then the whole is the answer. Fails with {@link
   * Slug#RANGE_NOT_SATISFIABLE}.
   */
  static Optional<ByteRange> of(List<String> headers, long size) {
    if (headers.size() != 1) {
      return Optional.empty();
    }
    Matcher range = SINGLE.matcher(headers.get(0));
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
      throw notSatisfiable(size);
    }
    return Optional.of(new ByteRange(from, Math.min(to, size - 1) - from + 1));
  }

  /** The last bytes; all of nothing is no part. */
  private static Optional<ByteRange> end(long length, long size) {
    if (length == 0) {
      throw notSatisfiable(size);
    }
    long there = Math.min(length, size);
    return there == 0 ? Optional.empty() : Optional.of(new ByteRange(size - there, there));
  }

  private static long number(String digits) {
    return new BigInteger(digits).min(BigInteger.valueOf(Long.MAX_VALUE)).longValue();
  }

  private static Refusal notSatisfiable(long size) {
    return new Refusal(
        Slug.RANGE_NOT_SATISFIABLE,
        "The header Range asks for bytes that there are not; there are %d.".formatted(size));
  }

  /** The value of Content-Range. */
  String of(long size) {
    return "bytes %d-%d/%d".formatted(offset, offset + length - 1, size);
  }
}
