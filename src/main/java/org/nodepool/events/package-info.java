/**
 * From what was committed to the event bus. Knows {@code store} (the change log), {@code view} (the
 * JSON of an event) and {@code model}.
 */
package org.nodepool.events;
