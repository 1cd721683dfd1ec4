package org.nodepool.provider;

/** The provider did not do it now, and may do it later; the message is a sentence for people. */
public final class ProviderAway extends RuntimeException {
  public ProviderAway(String message, Throwable cause) {
    super(message, cause);
  }
}
