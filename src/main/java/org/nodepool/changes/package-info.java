/**
 * The log of changes, {@code api_change}: the triggers that append to it, what reads it, and who
 * keeps it short; and which process decides ({@code api_turn}). Everything here may be called from
 * any thread unless it says otherwise.
 */
package org.nodepool.changes;
