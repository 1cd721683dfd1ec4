package org.nodepool.model;

/**
 * A server or an image at a provider that carries a mark, or looks as if we had made it, and that
 * no row of the database knows.
 *
 * @param name null when it has none
 * @param mark null when it has none that is whole
 * @param created Unix seconds; null when that is not known
 */
public record Alien(String externalId, String name, Mark mark, Long created) {}
