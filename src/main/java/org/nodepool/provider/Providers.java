package org.nodepool.provider;

import io.vertx.core.WorkerExecutor;
import org.nodepool.config.PoolConfig;
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

  /**
   * The provider of that name, for a deletion.
   *
   * @throws ProviderFailure when it is not configured any more
   */
  public Provider toDeleteFrom(PoolConfig pool, String name) {
    ProviderConfig config = pool.providers().get(name);
    if (config == null) {
      throw new ProviderFailure(
          ("Provider %s is no longer in nodepool.yaml. Put it back, or delete the record alone with"
                  + " ?record_only=true.")
              .formatted(name));
    }
    return of(config);
  }

  public Provider of(ProviderConfig config) {
    return config.driver() == Driver.DIRECTORY
        ? new DirectoryProvider(config, executor)
        : new OpenStackProvider(config);
  }
}
