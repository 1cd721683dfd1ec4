/**
 * The field's nouns: nodes, snapshot images, dib images, jobs, their states, what changed, and the
 * failures a caller can act on. Plain Java: knows the JDK and nothing else, no HTTP, no SQL, no
 * JSON. Every type is immutable and may be shared between threads.
 */
package org.nodepool.model;
