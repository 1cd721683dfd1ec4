package org.nodepool.model;

/** A further machine of a multi-node job. Every field but the ids may be null. */
public record SubNode(
    long id,
    long nodeId,
    String hostname,
    String externalId,
    String ip,
    String ipPrivate,
    State state,
    Long stateTime) {}
