package org.nodepool.changes;

/** Another process has the turn now, or nobody; nothing was written. */
public final class TurnLost extends RuntimeException {
  TurnLost(String purpose) {
    super("the turn %s is not this process's".formatted(purpose), null, false, false);
  }
}
