package org.nodepool.jobs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.stream.Collectors.joining;

import io.vertx.core.Future;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.nodepool.config.PoolConfig;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.model.AttemptEnd.NotSupportedYet;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Node;
import org.nodepool.model.Printable;
import org.nodepool.model.Problem;
import org.nodepool.provider.Provider;
import org.nodepool.provider.Providers;
import org.nodepool.store.NodeTable;

/** What the servers of nodes have printed, asked of their providers each time. Thread-safe. */
public final class Consoles {
  private static final long LIMIT_SECONDS = 10;

  /** So many of one provider are read at a time: from a mount that is dead a read never ends. */
  public static final int MOST_AT_ONCE = 2;

  private final NodeTable nodes;
  private final Supplier<PoolConfig> pool;
  private final Providers providers;
  private final ServerHosts hosts;
  private final String here;

  /** How many reads of each provider there are, as it was configured then. */
  private final Map<ProviderConfig, Integer> underWay = new ConcurrentHashMap<>();

  /**
   * @param pool the configuration as it is now
   * @param here the name of this host
   */
  public Consoles(
      NodeTable nodes,
      Supplier<PoolConfig> pool,
      Providers providers,
      ServerHosts hosts,
      String here) {
    this.nodes = nodes;
    this.pool = pool;
    this.providers = providers;
    this.hosts = hosts;
    this.here = here;
  }

  /**
   * The end of what a node's server has printed, with its control characters escaped. Fails with
   * {@link Problem.NotFound}; with {@link Problem.Conflict} when it has no server, or that cannot
   * be reached from here; with {@link Problem.Unavailable} when its provider does not answer; and
   * with {@link Problem.NotImplemented}.
   */
  public Future<String> ofNode(long id) {
    return nodes
        .get(id)
        .compose(
            node ->
                Future.succeededFuture(node)
                    .compose(this::read)
                    .timeout(LIMIT_SECONDS, TimeUnit.SECONDS)
                    .recover(e -> problem(node, e)))
        .map(Consoles::text);
  }

  private Future<byte[]> read(Node node) {
    if (node.externalId() == null) {
      throw new Problem.Conflict("Node %d has no server.".formatted(node.id()));
    }
    String name = node.providerName();
    ProviderConfig config = pool.get().providers().get(name);
    if (config == null) {
      throw Providers.isGone(name);
    }
    Provider provider = providers.toLookAt(name);
    if (underWay.merge(config, 1, Integer::sum) > MOST_AT_ONCE) {
      ended(config);
      throw new Problem.Unavailable(
          "%d consoles of provider %s are being read. Try again.".formatted(MOST_AT_ONCE, name));
    }
    return provider.servers().console(node.externalId()).onComplete(done -> ended(config));
  }

  private void ended(ProviderConfig config) {
    underWay.computeIfPresent(config, (c, count) -> count == 1 ? null : count - 1);
  }

  private Future<byte[]> problem(Node node, Throwable cause) {
    if (cause instanceof ProviderFailure) {
      return refused(node, cause.getMessage());
    }
    if (cause instanceof NotSupportedYet) {
      return Future.failedFuture(new Problem.NotImplemented(cause.getMessage()));
    }
    return Future.failedFuture(
        cause instanceof ProviderAway || cause instanceof TimeoutException
            ? new Problem.Unavailable(
                "Provider %s does not answer now. Try again.".formatted(node.providerName()))
            : cause);
  }

  /** Where to ask instead, if its servers are elsewhere. */
  private Future<byte[]> refused(Node node, String why) {
    return hosts
        .ofServers(node.providerName())
        .compose(
            host ->
                Future.failedFuture(
                    new Problem.Conflict(
                        host == null || host.equals(here)
                            ? why
                            : "The server of node %d is on the host %s, and this one is %s."
                                .formatted(node.id(), host, here))));
  }

  private static String text(byte[] console) {
    return new String(console, UTF_8)
        .lines() // a serial port ends them with a carriage return, too
        .map(line -> Printable.text(line) + "\n")
        .collect(joining());
  }
}
