package org.nodepool;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What is done when no memory is left, on the heap or off it: some part has not done what others
 * rely on, and nobody knows which. The process ends at once, as after a kill; its next start puts
 * right what it left.
 */
final class OutOfMemory {
  private static final Logger log = LoggerFactory.getLogger(OutOfMemory.class);

  /** That of the JVM with ExitOnOutOfMemoryError, which sees the heap alone. */
  private static final int STATUS = 3;

  private static final int MOST_CAUSES = 20;

  private OutOfMemory() {}

  /** From now on whatever no thread has caught is looked at. */
  static void watchThreads() {
    Thread.setDefaultUncaughtExceptionHandler((thread, fault) -> uncaught(fault));
  }

  /** What it says may need memory that there is not. */
  private static void end(Throwable cause) {
    try {
      System.err.println("nodepool ends: out of memory");
      System.err.println(cause.getMessage());
    } finally {
      Runtime.getRuntime().halt(STATUS);
    }
  }

  /** For a fault that nobody has caught; returns unless it ends the process. */
  static void uncaught(Throwable fault) {
    Throwable cause = fault;
    for (int i = 0; i < MOST_CAUSES && cause != null; i++) {
      if (cause instanceof OutOfMemoryError) {
        end(cause);
      }
      cause = cause.getCause();
    }
    log.error("nothing has caught this", fault);
  }
}
