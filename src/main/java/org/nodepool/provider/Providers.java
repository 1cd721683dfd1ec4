package org.nodepool.provider;

import io.vertx.core.Vertx;
import io.vertx.core.WorkerExecutor;
import java.time.Clock;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.nodepool.config.PoolConfig;
import org.nodepool.config.PoolConfig.Driver;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.ProviderCall;

/**
 * The providers of a configuration. Each is made once, as long as its entry stays the same: it
 * keeps its login, and the pace at which it may be called. Safe for use by any thread.
 */
public final class Providers {
  private final Vertx vertx;
  private final Function<String, WorkerExecutor> executors;
  private final Map<String, WorkerExecutor> executorOf = new HashMap<>();
  private final CallNotes notes = new CallNotes(Clock.systemUTC());
  private final Map<String, Made> made = new HashMap<>();

  private record Made(ProviderConfig config, Provider provider) {}

  /**
   * @param executors makes the executor on which the provider of that name blocks; each has its
   *     own, for one that hangs keeps its threads
   */
  public Providers(Vertx vertx, Function<String, WorkerExecutor> executors) {
    this.vertx = vertx;
    this.executors = executors;
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

  public synchronized Provider of(ProviderConfig config) {
    Made before = made.get(config.name());
    if (before == null || !before.config().equals(config)) {
      made.put(config.name(), new Made(config, make(config)));
    }
    return made.get(config.name()).provider();
  }

  private Provider make(ProviderConfig config) {
    WorkerExecutor executor = executorOf.computeIfAbsent(config.name(), executors);
    return config.driver() == Driver.DIRECTORY
        ? new DirectoryProvider(config, executor, notes)
        : new OpenStackProvider(vertx, executor, config, notes);
  }

  /** The last call of this process to each provider that it has called; by name. */
  public List<ProviderCall> calls() {
    return notes.all();
  }
}
