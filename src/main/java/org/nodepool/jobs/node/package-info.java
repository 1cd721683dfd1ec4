/** What is done with nodes. */
package org.nodepool.jobs.node;
