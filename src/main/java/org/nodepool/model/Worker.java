package org.nodepool.model;

/**
 * A process that runs jobs, as others on the same database see it. The name stays the same over
 * restarts; two processes never have the same one at a time.
 *
 * @param buildsDir on its host: a directory for each attempt at a build
 * @param logDir on its host: a file for each job
 * @param isAlive whether it was seen within the last half minute
 * @param trouble one sentence why it begins no build now; null when it does
 */
public record Worker(
    String name, String host, String buildsDir, String logDir, boolean isAlive, String trouble) {}
