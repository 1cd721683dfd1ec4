package org.nodepool.jobs;

import io.vertx.core.eventbus.EventBus;

/**
 * Tells the worker verticle that jobs may be waiting, or that one which runs is to be cancelled.
 * The row is the job; a knock that is lost loses nothing. Thread-safe.
 */
public final class Knock {
  /** On the bus; the body says nothing. */
  public static final String ADDRESS = "nodepool.jobs.knock";

  private final EventBus bus;

  public Knock(EventBus bus) {
    this.bus = bus;
  }

  /** To be called after the commit, with what it gave. */
  public <T> T after(T committed) {
    bus.send(ADDRESS, true);
    return committed;
  }
}
