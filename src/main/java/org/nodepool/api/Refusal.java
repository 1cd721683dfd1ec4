package org.nodepool.api;

/** A request that is wrong as HTTP, whatever it asks for; the message is a sentence for people. */
final class Refusal extends RuntimeException {
  private final Slug slug;
  private final long retryAfterSeconds;

  Refusal(Slug slug, String message) {
    this(slug, message, 0);
  }

  Refusal(Slug slug, String message, long retryAfterSeconds) {
    super(message, null, false, false);
    this.slug = slug;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  Slug slug() {
    return slug;
  }

  /** When it may be tried again; 0 when that would be of no use. */
  long retryAfterSeconds() {
    return retryAfterSeconds;
  }
}
