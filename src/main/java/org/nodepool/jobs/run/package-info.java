/** The worker verticle: jobs are claimed, attempted and ended, whatever dies meanwhile. */
package org.nodepool.jobs.run;
