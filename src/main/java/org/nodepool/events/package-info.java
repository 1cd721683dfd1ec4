/**
 * Committed changes go to the event bus here. Knows {@code store} (the change log), {@code view}
 * (the JSON of an event) and {@code model}.
 */
package org.nodepool.events;
