/**
 * Programs that the service starts, each in a session of its own, with no more of the service's
 * environment than it needs. The only room that starts processes; it knows no other.
 */
package org.nodepool.programs;
