/**
 * The log of changes, {@code api_change}: the triggers that append to it, and what reads it. Knows
 * {@code store} and {@code model}. Everything here may be called from any thread unless it says
 * otherwise.
 */
package org.nodepool.changes;
