/** What is done with images at providers. */
package org.nodepool.jobs.image;
