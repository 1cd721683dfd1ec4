package org.nodepool.model;

/**
 * How much a provider runs, and may.
 *
 * @param mostServers null: no limit that is known
 * @param servers of ours and of others, as they count for that
 * @param mostRamMib null as {@code mostServers}; what there is, not what is free
 * @param ramMib what servers may use together, of ours and of others
 */
public record Limits(Integer mostServers, int servers, Long mostRamMib, long ramMib) {
  /** Those of two hosts together. */
  public Limits plus(Limits other) {
    return new Limits(
        mostServers == null || other.mostServers == null
            ? null
            : (int) Math.min(Integer.MAX_VALUE, (long) mostServers + other.mostServers),
        servers + other.servers,
        mostRamMib == null || other.mostRamMib == null ? null : mostRamMib + other.mostRamMib,
        ramMib + other.ramMib);
  }
}
