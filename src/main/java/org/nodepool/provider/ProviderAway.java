package org.nodepool.provider;

import java.time.Duration;

/** The provider did not do it now, and may do it later; the message is a sentence for people. */
public final class ProviderAway extends RuntimeException {
  /** How long it asked to be left alone. */
  private final transient Duration pause;

  public ProviderAway(String message, Throwable cause) {
    this(message, cause, null);
  }

  /**
   * @param pause how long it asked to be left alone; null when it did not
   */
  public ProviderAway(String message, Throwable cause, Duration pause) {
    super(message, cause);
    this.pause = pause;
  }

  /** How long the provider asked to be left alone; null when it did not. */
  public Duration pause() {
    return pause;
  }
}
