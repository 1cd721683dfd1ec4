/**
 * What the RFCs say of HTTP and of no resource of ours: the headers that requests have, read.
 * Nothing is refused here; that is for {@code api}. Knows no room.
 */
package org.nodepool.api.http;
