package org.nodepool.api;

/** A request that is wrong as HTTP, whatever it asks for; the message is a sentence for people. */
final class Refusal extends RuntimeException {
  private final ProblemType type;
  private final long retryAfterSeconds;

  Refusal(ProblemType type, String message) {
    this(type, message, 0);
  }

  Refusal(ProblemType type, String message, long retryAfterSeconds) {
    super(message, null, false, false);
    this.type = type;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  ProblemType type() {
    return type;
  }

  /** When it may be tried again; 0 when that would be of no use. */
  long retryAfterSeconds() {
    return retryAfterSeconds;
  }
}
