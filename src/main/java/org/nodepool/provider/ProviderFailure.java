package org.nodepool.provider;

/** The provider refused, or could not; the message is a sentence for people. */
public final class ProviderFailure extends RuntimeException {
  public ProviderFailure(String message) {
    super(message);
  }
}
