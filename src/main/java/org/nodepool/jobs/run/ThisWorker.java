package org.nodepool.jobs.run;

/**
 * Who works: this process, as it signs jobs and attempts.
 *
 * @param host the machine's name
 * @param name the installation's id, which outlives the process
 */
public record ThisWorker(String host, String name) {}
