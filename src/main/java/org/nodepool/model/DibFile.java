package org.nodepool.model;

/**
 * One format of a finished build, as it was verified: {@code sizeBytes} and the SHA-256 in lower
 * case hex. {@code host} is where the file lies.
 */
public record DibFile(long dibImageId, String host, String type, long sizeBytes, String sha256) {}
