package org.nodepool.view;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * Tells one content from another: 128 bits of its SHA-256. The tag of a list is the sum of its
 * rows' tags: the order follows from the rows, no row is there twice, and a row that changes costs
 * one addition.
 */
record Tag(long high, long low) {
  static final Tag ZERO = new Tag(0, 0);

  private static final MessageDigest SHA_256 = sha256();

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has it", e);
    }
  }

  static Tag of(byte[] content) {
    try {
      ByteBuffer digest = ByteBuffer.wrap(((MessageDigest) SHA_256.clone()).digest(content));
      return new Tag(digest.getLong(), digest.getLong());
    } catch (CloneNotSupportedException e) {
      throw new AssertionError("Java's own can be cloned", e);
    }
  }

  /** Modulo 2 to the 128th. */
  Tag plus(Tag other) {
    long sum = low + other.low;
    long carry = Long.compareUnsigned(sum, low) < 0 ? 1 : 0;
    return new Tag(high + other.high + carry, sum);
  }

  /** As an ETag, with its quotes. */
  String quoted() {
    HexFormat hex = HexFormat.of();
    return '"' + hex.toHexDigits(high) + hex.toHexDigits(low) + '"';
  }
}
