package org.nodepool.jobs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.stream.Collectors.joining;

import io.vertx.core.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
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

  private final NodeTable nodes;
  private final Providers providers;

  public Consoles(NodeTable nodes, Providers providers) {
    this.nodes = nodes;
    this.providers = providers;
  }

  /**
   * The end of what a node's server has printed, with its control characters escaped. Fails with
   * {@link Problem.NotFound}, with {@link Problem.WrongState} when it has no server or that cannot
   * be reached from here, and with {@link Problem.Unavailable} when its provider does not answer.
   */
  public Future<String> ofNode(long id) {
    return nodes
        .get(id)
        .compose(
            node ->
                at(node)
                    .servers()
                    .console(node.externalId())
                    .timeout(LIMIT_SECONDS, TimeUnit.SECONDS)
                    .recover(e -> Future.failedFuture(problem(node, e))))
        .map(Consoles::text);
  }

  private Provider at(Node node) {
    if (node.externalId() == null) {
      throw new Problem.WrongState("Node %d has no server.".formatted(node.id()));
    }
    return providers
        .find(node.providerName())
        .orElseThrow(
            () ->
                new Problem.WrongState(
                    "Provider %s is no longer in nodepool.yaml.".formatted(node.providerName())));
  }

  private static Throwable problem(Node node, Throwable cause) {
    if (cause instanceof ProviderFailure) {
      return new Problem.WrongState(cause.getMessage());
    }
    return cause instanceof ProviderAway || cause instanceof TimeoutException
        ? new Problem.Unavailable(
            "Provider %s does not answer now. Try again.".formatted(node.providerName()))
        : cause;
  }

  private static String text(byte[] console) {
    return new String(console, UTF_8)
        .lines() // a serial port ends them with a carriage return, too
        .map(line -> Printable.text(line) + "\n")
        .collect(joining());
  }
}
