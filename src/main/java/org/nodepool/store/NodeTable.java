package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.Tuple;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Node;
import org.nodepool.model.Problem;
import org.nodepool.model.State;
import org.nodepool.model.SubNode;

/** The tables {@code node} and {@code subnode}. */
public final class NodeTable {
  private static final int ATTEMPTS_AT_A_RACE = 3;

  // One statement, so that a node and its subnodes are of one moment.
  private static final String SELECT =
      """
      SELECT n.id, n.provider_name, n.label_name, n.target_name, n.hostname, n.nodename,
             n.external_id, n.az, n.ip, n.ip_private, n.state, n.state_time,
             s.id AS subnode_id, s.hostname AS subnode_hostname,
             s.external_id AS subnode_external_id, s.ip AS subnode_ip,
             s.ip_private AS subnode_ip_private, s.state AS subnode_state,
             s.state_time AS subnode_state_time
        FROM node n LEFT JOIN subnode s ON s.node_id = n.id
      """;
  private static final String BARE =
      """
      SELECT id, provider_name, label_name, target_name, hostname, nodename, external_id, az, ip,
             ip_private, state, state_time
        FROM node
      """;
  private static final String SUBNODES =
      "SELECT id, node_id, hostname, external_id, ip, ip_private, state, state_time FROM subnode";
  private static final String GET = SELECT + " WHERE n.id = ? ORDER BY s.id";
  private static final String LOCK = GET + " FOR UPDATE";
  private static final String SET_STATE =
      "UPDATE node SET state = ?, state_time = ? WHERE id = ? AND state <=> ?";
  private static final String DELETE_SUBNODES = "DELETE FROM subnode WHERE node_id = ?";
  private static final String DELETE = "DELETE FROM node WHERE id = ?";

  private final Database db;

  public NodeTable(Database db) {
    this.db = db;
  }

  /** Every node without its subnodes, in no order. */
  public static Future<List<Node>> bare(SqlClient client) {
    return Values.list(client, BARE, row -> node(row, List.of()));
  }

  /** Every subnode, also of nodes that are not there, in no order. */
  public static Future<List<SubNode>> subnodes(SqlClient client) {
    return Values.list(client, SUBNODES, NodeTable::subnode);
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
   * What a person asks of a node: hold or ready. Compare and set, so that of two racing callers
   * each answer is true of the order in which the row changed; the state it has already leaves
   * {@code state_time} alone.
   *
   * <p>Fails with {@link Problem.NotFound} or {@link Problem.WrongState}.
   */
  public Future<Void> setState(long id, State next) {
    return setState(id, next, ATTEMPTS_AT_A_RACE);
  }

  private Future<Void> setState(long id, State next, int attempts) {
    return get(id)
        .compose(
            node -> {
              node.checkMayBecome(next);
              return next.equals(node.state())
                  ? Future.succeededFuture(true)
                  : db.transaction(Failpoint.SET_NODE_STATE, tx -> setState(tx, node, next));
            })
        .compose(
            isSet -> {
              if (isSet) {
                return Future.succeededFuture();
              }
              return attempts > 1
                  ? setState(id, next, attempts - 1)
                  : Future.failedFuture(
                      new Problem.WrongState(
                          "Node %d keeps changing its state. Try again.".formatted(id)));
            });
  }

  /** Sets the state if it is still the one that was read; whether it did. */
  public Future<Boolean> setState(Tx tx, Node node, State next) {
    Tuple values = Tuple.of(next.code(), tx.now(), node.id(), State.code(node.state()));
    return tx.change(SET_STATE, values, node.stateName(), node.with(next, tx.now()));
  }

  /** Removes the node and its subnodes. */
  public Future<Void> remove(Tx tx, Node node) {
    return tx.connection()
        .preparedQuery(DELETE_SUBNODES)
        .execute(Tuple.of(node.id()))
        .compose(v -> tx.remove(DELETE, node));
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
          nodes.add(node(first, subnodes));
        }
        first = row;
        subnodes = List.of();
      }
      if (row.getLong("subnode_id") != null) {
        subnodes = subnodes.isEmpty() ? new ArrayList<>() : subnodes;
        subnodes.add(joinedSubnode(row));
      }
    }
    if (first != null) {
      nodes.add(node(first, subnodes));
    }
    return nodes;
  }

  public static Node node(Row row, List<SubNode> subnodes) {
    return new Node(
        row.getLong("id"),
        row.getString("provider_name"),
        row.getString("label_name"),
        row.getString("target_name"),
        row.getString("hostname"),
        row.getString("nodename"),
        row.getString("external_id"),
        row.getString("az"),
        row.getString("ip"),
        row.getString("ip_private"),
        State.ofCode(row.getInteger("state")),
        row.getLong("state_time"),
        List.copyOf(subnodes));
  }

  public static SubNode subnode(Row row) {
    return new SubNode(
        row.getLong("id"),
        row.getLong("node_id"),
        row.getString("hostname"),
        row.getString("external_id"),
        row.getString("ip"),
        row.getString("ip_private"),
        State.ofCode(row.getInteger("state")),
        row.getLong("state_time"));
  }

  private static SubNode joinedSubnode(Row row) {
    return new SubNode(
        row.getLong("subnode_id"),
        row.getLong("id"),
        row.getString("subnode_hostname"),
        row.getString("subnode_external_id"),
        row.getString("subnode_ip"),
        row.getString("subnode_ip_private"),
        State.ofCode(row.getInteger("subnode_state")),
        row.getLong("subnode_state_time"));
  }
}
