package org.nodepool.model;

/**
 * The last call of a worker to a provider.
 *
 * @param provider its name
 * @param time when it ended, Unix seconds
 * @param error why it failed, a sentence for people; null when it did not
 */
public record ProviderCall(String provider, long time, String error) {}
