/**
 * The database server that the service brings with it: its program files, its directory, its
 * process. Knows {@code store} for the address alone. Blocks.
 */
package org.nodepool.store.embedded;
