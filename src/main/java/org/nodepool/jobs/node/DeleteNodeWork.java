package org.nodepool.jobs.node;

import io.vertx.core.Future;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.nodepool.async.InTurn;
import org.nodepool.jobs.run.JobRun;
import org.nodepool.jobs.run.Work;
import org.nodepool.model.Node;
import org.nodepool.model.SubNode;
import org.nodepool.provider.Compute;
import org.nodepool.provider.Providers;
import org.nodepool.store.NodeTable;
import org.nodepool.store.Tx;

/** Deletes a node: its servers at the provider first, its rows last. */
public final class DeleteNodeWork implements Work {
  private final NodeTable nodes;
  private final Providers providers;

  public DeleteNodeWork(NodeTable nodes, Providers providers) {
    this.nodes = nodes;
    this.providers = providers;
  }

  @Override
  public Future<Result> run(JobRun run) {
    long id = run.job().subject().id();
    return nodes
        .find(id)
        .compose(row -> row.isPresent() ? deleteServers(row.get()) : Future.succeededFuture())
        .map(v -> tx -> remove(tx, id));
  }

  private Future<Void> deleteServers(Node node) {
    if (!node.hasServer()) {
      return Future.succeededFuture();
    }
    Compute compute = providers.toDeleteFrom(node.providerName()).servers();
    Stream<String> subnodes = node.subnodes().stream().map(SubNode::externalId);
    List<String> servers =
        Stream.concat(subnodes, Stream.ofNullable(node.externalId()))
            .filter(Objects::nonNull)
            .toList();
    return InTurn.each(servers, compute::delete);
  }

  private Future<Void> remove(Tx tx, long id) {
    return nodes
        .lock(tx, id)
        .compose(row -> row.isPresent() ? nodes.remove(tx, row.get()) : Future.succeededFuture());
  }
}
