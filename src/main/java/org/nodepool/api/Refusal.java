package org.nodepool.api;

/** A request that is wrong as HTTP, whatever it asks for; the message is a sentence for people. */
final class Refusal extends RuntimeException {
  private final Slug slug;

  Refusal(Slug slug, String message) {
    super(message, null, false, false);
    this.slug = slug;
  }

  Slug slug() {
    return slug;
  }
}
