/** What a worker removes without being asked: images that need not be kept, and past jobs. */
package org.nodepool.jobs.upkeep;
