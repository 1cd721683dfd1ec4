package org.nodepool.jobs;

import io.vertx.core.Future;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.nodepool.model.Problem;
import org.nodepool.model.Worker;
import org.nodepool.provider.Providers;
import org.nodepool.store.WorkerTable;

/** On which host the servers of a provider are. Thread-safe. */
public final class ServerHosts {
  private final WorkerTable workers;
  private final Providers providers;

  public ServerHosts(WorkerTable workers, Providers providers) {
    this.workers = workers;
    this.providers = providers;
  }

  /**
   * The only host that can be asked for servers of that provider: the one that is configured, else
   * the one that has workers. Null when any can, at a cloud, or none has; also where there are no
   * servers. Fails with {@link Problem.Conflict} when nobody can tell, and as the reads of {@link
   * WorkerTable}.
   */
  Future<String> ofServers(String provider) {
    Optional<String> configured = providers.host(provider);
    if (configured.isPresent()) {
      return Future.succeededFuture(configured.get());
    }
    return providers.isOnOneHost(provider) && providers.hasServers(provider)
        ? workers.list().map(all -> only(provider, all))
        : Future.succeededFuture();
  }

  private static String only(String provider, List<Worker> workers) {
    List<String> alive = hosts(workers.stream().filter(Worker::isAlive));
    List<String> hosts = alive.isEmpty() ? hosts(workers.stream()) : alive;
    if (hosts.size() > 1) {
      throw new Problem.Conflict(
          ("The servers of provider %s are on one host, and there are workers on several (%s). Say"
                  + " which one it is with host: in nodepool.yaml.")
              .formatted(provider, String.join(", ", hosts)));
    }
    return hosts.isEmpty() ? null : hosts.get(0);
  }

  private static List<String> hosts(Stream<Worker> workers) {
    return workers.map(Worker::host).distinct().toList();
  }
}
