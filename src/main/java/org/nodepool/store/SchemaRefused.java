package org.nodepool.store;

/** The database cannot be brought to what we need; the message says why, and what would help. */
public final class SchemaRefused extends RuntimeException {
  SchemaRefused(String message) {
    super(message, null, false, false);
  }
}
