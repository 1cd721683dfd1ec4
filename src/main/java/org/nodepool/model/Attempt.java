package org.nodepool.model;

/**
 * One attempt at a job.
 *
 * @param number from 1
 * @param host where the worker is, and what the attempt made
 * @param worker the installation that began it
 * @param started Unix seconds
 * @param finished Unix seconds; null while it runs
 * @param error one sentence why it did not succeed; null when it did, or runs
 * @param isSwept whether the worker knows that nothing of it is left outside the database
 */
public record Attempt(
    long jobId,
    int number,
    String host,
    String worker,
    long started,
    Long finished,
    String error,
    boolean isSwept) {}
