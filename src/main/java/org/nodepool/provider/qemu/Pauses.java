package org.nodepool.provider.qemu;

import java.io.InterruptedIOException;
import java.util.concurrent.TimeUnit;

/** Pauses of what blocks a thread. */
final class Pauses {
  private Pauses() {}

  static void pause(long ms) throws InterruptedIOException {
    try {
      TimeUnit.MILLISECONDS.sleep(ms);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted");
    }
  }
}
