/**
 * The database: the pool of connections, one class a table with its SQL beside the row mapping, and
 * what was committed. The SQL client lives only here, below, and in {@code changes}. Knows {@code
 * model}. Everything here may be called from any thread; futures complete on the caller's Vert.x
 * context.
 *
 * <p>Every future fails with {@link org.nodepool.model.Problem.Unavailable} when the database
 * cannot be reached in time, and a write with {@link org.nodepool.model.Problem.OutcomeUnknown}
 * when the connection was lost while it was being committed.
 */
package org.nodepool.store;
