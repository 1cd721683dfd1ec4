/**
 * What the database must have before the tables' classes can be used, and who brings it there.
 * Knows {@code store} and {@code model}.
 */
package org.nodepool.store.schema;
