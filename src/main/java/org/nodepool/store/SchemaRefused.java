package org.nodepool.store;

/** The database cannot be brought to what we need; the message says why, and what would help. */
public final class SchemaRefused extends RuntimeException {
  /** Refused for that reason: a part of a sentence, without a full stop. */
  public SchemaRefused(String message) {
    super(message, null, false, false);
  }
}
