/** The schema that the tables' classes need: it is brought in place, and watched. */
package org.nodepool.store.schema;
