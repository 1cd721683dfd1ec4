package org.nodepool.provider;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.WorkerExecutor;
import org.nodepool.config.DriverConfig;

/**
 * Makes providers of one kind. Thread-safe.
 *
 * @param <C> what such a provider is configured by
 */
public interface Driver<C extends DriverConfig> {
  /**
   * What every provider is given.
   *
   * @param executor for what blocks; this provider's own
   */
  record Tools(Vertx vertx, WorkerExecutor executor, CallNotes notes) {}

  /** A provider, for one context alone. */
  interface Made extends Provider {
    /** Lets go of what it holds open, and ends what is under way. Does not fail. */
    Future<Void> close();
  }

  Class<C> config();

  /** Whether what its providers hold is on the host that wrote it alone. */
  boolean isOnOneHost();

  /** Whether its providers run servers. */
  boolean hasServers();

  /** The only host on which that provider is, as its configuration says; null: it does not say. */
  default String host(C config) {
    return null;
  }

  /** A provider, to be used on the context that this is called on. */
  Made make(String name, C config, Tools tools);
}
