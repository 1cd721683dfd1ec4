/**
 * Whatever takes longer than a request. {@link org.nodepool.jobs.Jobs} and {@link
 * org.nodepool.jobs.Deletions} make the rows and knock; {@link org.nodepool.jobs.run.JobVerticle},
 * the worker verticle, claims and runs them, one {@link org.nodepool.jobs.run.Work} a kind; {@link
 * org.nodepool.jobs.build.DiskImageBuilder} runs the image program. Knows {@code store}, {@code
 * provider}, {@code config}'s records and {@code model}.
 */
package org.nodepool.jobs;
