package org.nodepool.provider;

/** This version cannot do that at such a provider; the message is a sentence for people. */
public final class NotSupportedYet extends RuntimeException {
  public NotSupportedYet(String message) {
    super(message, null, false, false);
  }
}
