package org.nodepool.provider;

import io.vertx.core.WorkerExecutor;
import org.nodepool.config.PoolConfig.Driver;
import org.nodepool.config.PoolConfig.ProviderConfig;

/** Makes the provider of a configuration entry. */
public final class Providers {
  private final WorkerExecutor executor;

  /**
   * @param executor for the drivers that block
   */
  public Providers(WorkerExecutor executor) {
    this.executor = executor;
  }

  public Provider of(ProviderConfig config) {
    return config.driver() == Driver.DIRECTORY
        ? new DirectoryProvider(config, executor)
        : new OpenStackProvider(config);
  }
}
