package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.Tuple;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Node;
import org.nodepool.model.Problem;
import org.nodepool.model.State;
import org.nodepool.model.SubNode;

/** The tables {@code node} and {@code subnode}. */
public final class NodeTable {
  /** What the columns of a subnode begin with beside those of its node. */
  private static final String SUBNODE = "subnode_";

  // One statement, so that a node and its subnodes are of one moment.
  private static final String SELECT =
      "SELECT %s, %s FROM node n LEFT JOIN subnode s ON s.node_id = n.id"
          .formatted(Columns.NODE.list("n"), Columns.SUBNODE.list("s", SUBNODE));
  private static final String GET = SELECT + " WHERE n.id = ? ORDER BY s.id";
  private static final String LOCK = GET + " FOR UPDATE";
  private static final String DELETE_SUBNODES = "DELETE FROM subnode WHERE node_id = ?";

  private final PoolRows<Node> rows = new PoolRows<>(Columns.NODE, Node::state, Node::with);
  private final Database db;

  public NodeTable(Database db) {
    this.db = db;
  }

  /** The node; fails with {@link Problem.NotFound}. */
  public Future<Node> get(long id) {
    return find(id).map(row -> row.orElseThrow(() -> Problem.NotFound.row("node", id)));
  }

  /** The node; empty when there is none. */
  public Future<Optional<Node>> find(long id) {
    return db.read(c -> c.preparedQuery(GET).execute(Tuple.of(id))).map(NodeTable::only);
  }

  /** The node, locked until the transaction ends; empty when there is none. */
  public Future<Optional<Node>> lock(Tx tx, long id) {
    return tx.connection().preparedQuery(LOCK).execute(Tuple.of(id)).map(NodeTable::only);
  }

  /**
   * Sets the state that a person asks for: hold or ready. The row is locked, so that of two racing
   * callers each answer is true of the order in which the row changed; the state it has already
   * leaves {@code state_time} alone.
   *
   * <p>Fails with {@link Problem.NotFound} or {@link Problem.WrongState}, or with what the
   * condition throws.
   *
   * @param condition is told of the node, when it may have that state
   */
  public Future<Void> setState(long id, State next, Consumer<Node> condition) {
    return db.transaction(
        Failpoint.SET_NODE_STATE,
        tx ->
            lock(tx, id)
                .map(row -> row.orElseThrow(() -> Problem.NotFound.row("node", id)))
                .compose(
                    node -> {
                      node.checkMayBecome(next);
                      condition.accept(node);
                      return next.equals(node.state())
                          ? Future.succeededFuture(true)
                          : setState(tx, node, next);
                    })
                .map(
                    isSet -> {
                      if (!isSet) { // MyISAM takes no row locks
                        throw new Problem.WrongState(
                            "Node %d changes its state right now. Try again.".formatted(id));
                      }
                      return null;
                    }));
  }

  /** Sets the state if it is still the one that was read; whether it did. */
  public Future<Boolean> setState(Tx tx, Node node, State next) {
    return rows.setState(tx, node, next);
  }

  /** Removes the node and its subnodes. */
  public Future<Void> remove(Tx tx, Node node) {
    return tx.connection()
        .preparedQuery(DELETE_SUBNODES)
        .execute(Tuple.of(node.id()))
        .compose(v -> rows.remove(tx, node));
  }

  private static Optional<Node> only(RowSet<Row> rows) {
    return nodes(rows).stream().findFirst();
  }

  /** The rows come by node id and then subnode id, a node's own columns once a subnode. */
  private static List<Node> nodes(RowSet<Row> rows) {
    List<Node> nodes = new ArrayList<>(rows.size());
    List<SubNode> subnodes = List.of();
    Row first = null;
    for (Row row : rows) {
      if (first == null || !Objects.equals(first.getLong("id"), row.getLong("id"))) {
        if (first != null) {
          nodes.add(Columns.NODE.read(first).with(List.copyOf(subnodes)));
        }
        first = row;
        subnodes = List.of();
      }
      if (row.getLong("subnode_id") != null) {
        subnodes = subnodes.isEmpty() ? new ArrayList<>() : subnodes;
        subnodes.add(Columns.SUBNODE.read(row, SUBNODE));
      }
    }
    if (first != null) {
      nodes.add(Columns.NODE.read(first).with(List.copyOf(subnodes)));
    }
    return nodes;
  }
}
