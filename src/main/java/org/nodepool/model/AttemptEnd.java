package org.nodepool.model;

import java.time.Duration;

/**
 * Why an attempt at a job ended without a success; the message is a sentence for people, stored
 * with the job. What becomes of the job then is decided by the rule for each of these kinds, and by
 * nobody who throws one.
 */
public abstract sealed class AttemptEnd extends RuntimeException {
  private AttemptEnd(String message, Throwable cause) {
    super(message, cause);
  }

  /** An end that a rule decided: an answer and not a fault, so without a stack trace. */
  private AttemptEnd(String message) {
    super(message, null, false, false);
  }

  /** The work cannot be done. */
  public static final class JobFailure extends AttemptEnd {
    public JobFailure(String message) {
      super(message);
    }
  }

  /** The provider refused, or could not. */
  public static final class ProviderFailure extends AttemptEnd {
    public ProviderFailure(String message) {
      super(message, null);
    }
  }

  /** The provider did not do it now, and may do it later. */
  public static final class ProviderAway extends AttemptEnd {
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

  /** This version cannot do that at such a provider. */
  public static final class NotSupportedYet extends AttemptEnd {
    public NotSupportedYet(String message) {
      super(message);
    }
  }

  /**
   * The job is not this attempt's any more: another worker has taken it over, or an end that we
   * wrote was committed though its answer was lost.
   */
  public static final class NotOurs extends AttemptEnd {
    public NotOurs() {
      super("the job is not this attempt's any more");
    }
  }
}
