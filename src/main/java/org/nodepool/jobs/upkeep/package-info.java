/**
 * What a worker does without being asked: it removes images that need not be kept, and past jobs,
 * and notes what providers hold.
 */
package org.nodepool.jobs.upkeep;
