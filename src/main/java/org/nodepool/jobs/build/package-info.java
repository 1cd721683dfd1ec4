/** What is done with dib images: the image program is run, and its files are looked after. */
package org.nodepool.jobs.build;
