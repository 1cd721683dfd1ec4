package org.nodepool.model;

import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * A provider as a worker found it.
 *
 * @param provider its name
 * @param host from which it was looked at, if it is on one host alone; else empty
 * @param time when it was last asked, Unix seconds
 * @param limits null: its servers were not looked at
 */
public record ProviderLook(String provider, String host, long time, Limits limits) {
  /** What two hosts found at one provider, as old as the older look; of both hosts. */
  public ProviderLook plus(ProviderLook other) {
    Limits sum =
        Stream.of(this, other)
            .map(ProviderLook::limits)
            .filter(Objects::nonNull)
            .reduce(Limits::plus)
            .orElse(null);
    return new ProviderLook(provider, "", Math.min(time, other.time), sum);
  }

  /**
   * Of what a look found that no row knows, the first by external id.
   *
   * @param host as the look's, with {@code time}
   * @param total how many there are
   */
  public record Aliens(String host, long time, int total, List<Alien> listed) {
    /** They are kept in one row, and held in memory as a whole. */
    public static final int MOST_LISTED = 1_000;

    public Aliens {
      listed = List.copyOf(listed);
    }
  }
}
