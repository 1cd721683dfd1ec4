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
import org.nodepool.store.Database;
import org.nodepool.store.NodeTable;
import org.nodepool.store.Tx;
import org.nodepool.store.schema.DatabaseId;

/**
 * Deletes a node: its servers at the provider first, those of its subnodes among them, then its
 * rows. They are found by their external ids and by their marks, never by a name: one whose id was
 * never stored goes, too, and what another has is not touched.
 */
public final class DeleteNodeWork implements Work {
  private final Database db;
  private final NodeTable nodes;
  private final Providers providers;

  public DeleteNodeWork(Database db, NodeTable nodes, Providers providers) {
    this.db = db;
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
    if (!node.hasServer() && !providers.hasServers(node.providerName())) {
      return Future.succeededFuture();
    }
    Compute compute = providers.toDeleteFrom(node.providerName()).servers();
    return marked(node, compute)
        .compose(
            marked ->
                InTurn.each(
                    Stream.concat(known(node), marked.stream()).distinct().toList(),
                    compute::delete));
  }

  /** The external ids of its servers that the rows have. */
  private static Stream<String> known(Node node) {
    return Stream.concat(
            node.subnodes().stream().map(SubNode::externalId), Stream.ofNullable(node.externalId()))
        .filter(Objects::nonNull);
  }

  /** Those that were made for it, whether or not a row has their ids. */
  private Future<List<String>> marked(Node node, Compute compute) {
    return DatabaseId.of(db)
        .compose(
            database ->
                compute
                    .list()
                    .map(
                        servers ->
                            servers.stream()
                                .filter(server -> server.isOf(database, node.subject()))
                                .map(Compute.Server::externalId)
                                .toList()));
  }

  private Future<Void> remove(Tx tx, long id) {
    return nodes
        .lock(tx, id)
        .compose(row -> row.isPresent() ? nodes.remove(tx, row.get()) : Future.succeededFuture());
  }
}
