package org.nodepool.store;

/** An insert met a row with the same unique key. */
public final class DuplicateKey extends RuntimeException {
  DuplicateKey(Throwable cause) {
    super(cause.getMessage(), cause);
  }
}
