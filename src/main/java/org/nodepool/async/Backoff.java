package org.nodepool.async;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Pauses between tries, each twice as long as the one before, up to a longest one. Immutable.
 *
 * @param first more than zero
 * @param longest not shorter than {@code first}
 */
public record Backoff(Duration first, Duration longest) {
  /** Beyond that many doublings a long overflows. */
  private static final int MOST_DOUBLINGS = 20;

  /**
   * The pause after so many tries.
   *
   * @param tries 1 or more
   */
  public Duration after(int tries) {
    return shorter(first.multipliedBy(1L << Math.min(tries - 1, MOST_DOUBLINGS)), longest);
  }

  /** A quarter more or less, so that many who failed at once do not come back at once. */
  public static Duration jittered(Duration pause) {
    return jittered(pause, ThreadLocalRandom.current().nextDouble());
  }

  /**
   * As above.
   *
   * @param random from 0, for the shortest, to 1
   */
  public static Duration jittered(Duration pause, double random) {
    return pause.plusMillis(Math.round(pause.toMillis() / 4.0 * (2 * random - 1)));
  }

  public static Duration shorter(Duration one, Duration other) {
    return one.compareTo(other) < 0 ? one : other;
  }

  public static Duration longer(Duration one, Duration other) {
    return one.compareTo(other) > 0 ? one : other;
  }
}
