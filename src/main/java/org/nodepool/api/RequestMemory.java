package org.nodepool.api;

import java.util.concurrent.atomic.AtomicLong;

/**
 * The memory that heads and bodies of requests take, heads from their first byte until they are
 * answered, bodies from where they are read until they are understood: an eighth of the heap at
 * most. Half of it is dealt out in equal shares, one for each connection. What connections take
 * beyond their shares comes out of the other half; half of that again is for those alone that take
 * little, so that a usual request has room whatever others send. Thread-safe.
 */
final class RequestMemory {
  /** As much as the head of a browser. */
  static final int LITTLE = 4 * 1024;

  private final long share;
  private final long mostBeyond;
  private final AtomicLong beyond = new AtomicLong();

  /**
   * @param heap bytes
   * @param connections how many there may be
   */
  RequestMemory(long heap, int connections) {
    this.share = heap / 16 / connections;
    this.mostBeyond = heap / 16;
  }

  /** What one connection takes. Lives on its event loop. */
  Account open() {
    return new Account();
  }

  /** The bytes that all connections together take beyond their shares. */
  long beyond() {
    return beyond.get();
  }

  /** What one connection takes. For one thread. */
  final class Account {
    private long held;

    /** Takes so many bytes; false, and nothing is taken, when there is no room. */
    boolean take(long bytes) {
      long more = beyondShare(held + bytes) - beyondShare(held);
      long most = held + bytes <= LITTLE ? mostBeyond : mostBeyond / 2;
      if (more > 0 && beyond.addAndGet(more) > most) {
        beyond.addAndGet(-more);
        return false;
      }
      held += bytes;
      return true;
    }

    /** So many of the bytes that it has, at most all. */
    void giveBack(long most) {
      long bytes = Math.min(most, held);
      long less = beyondShare(held) - beyondShare(held - bytes);
      if (less > 0) {
        beyond.addAndGet(-less);
      }
      held -= bytes;
    }

    /** Gives all back. */
    void close() {
      giveBack(held);
    }

    private long beyondShare(long bytes) {
      return Math.max(0, bytes - share);
    }
  }
}
