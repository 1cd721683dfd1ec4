/**
 * Whatever takes longer than a request. Here work is accepted, cancelled and retried: the rows are
 * written in one transaction, then the worker verticle is knocked at. It lives in {@code jobs.run};
 * what each kind does is in {@code jobs.build}, {@code jobs.image} and {@code jobs.node}, what goes
 * on without being asked in {@code jobs.upkeep}.
 */
package org.nodepool.jobs;
