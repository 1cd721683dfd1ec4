/**
 * The answers to polls: rows in, bytes out. Knows {@code store} and {@code model}; nothing of HTTP
 * but the media type that goes with the bytes.
 */
package org.nodepool.view;
