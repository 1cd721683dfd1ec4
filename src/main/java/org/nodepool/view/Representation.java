package org.nodepool.view;

import io.vertx.core.buffer.Buffer;

/** A finished answer: its bytes, to be shared and never changed, and their media type. */
public record Representation(Buffer body, String contentType) {}
