package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.buffer.Buffer;
import io.vertx.ext.web.RoutingContext;
import java.util.function.Consumer;
import org.nodepool.jobs.Consoles;
import org.nodepool.jobs.Deletions;
import org.nodepool.model.Node;
import org.nodepool.model.Problem;
import org.nodepool.model.State;
import org.nodepool.store.NodeTable;
import org.nodepool.view.Kind;
import org.nodepool.view.Representation;

/** {@code /v1/nodes}. */
final class NodeHandlers {
  private static final String NODE = "node";
  private static final String STATES = "hold or ready";

  private final NodeTable nodes;
  private final Deletions deletions;
  private final Consoles consoles;

  NodeHandlers(NodeTable nodes, Deletions deletions, Consoles consoles) {
    this.nodes = nodes;
    this.deletions = deletions;
    this.consoles = consoles;
  }

  Future<Answer> put(RoutingContext ctx) {
    long id = Input.id(ctx, NODE);
    return nodes
        .get(id)
        .map(Node::id)
        .compose(exists -> nodes.setState(id, wantedState(ctx), Conditions.of(ctx, Kind.NODE)))
        .map(Answer.empty(200));
  }

  private static State wantedState(RoutingContext ctx) {
    String name = Input.field(ctx, "state", STATES);
    return State.named(name)
        .filter(state -> state.equals(State.HOLD) || state.equals(State.READY))
        .orElseThrow(() -> new Problem.BadValue("The field 'state' must be %s.".formatted(STATES)));
  }

  Future<Answer> console(RoutingContext ctx) {
    Input.noQuery(ctx);
    return consoles
        .ofNode(Input.id(ctx, NODE))
        .map(
            text ->
                Answer.untagged(ctx, 200, new Representation(Buffer.buffer(text), Answer.TEXT)));
  }

  Future<Answer> delete(RoutingContext ctx) {
    Input.onlyQuery(ctx, Input.RECORD_ONLY);
    long id = Input.id(ctx, NODE);
    Consumer<Node> condition = Conditions.of(ctx, Kind.NODE);
    return Input.flag(ctx, Input.RECORD_ONLY)
        ? deletions.removeNodeRecord(id, condition).map(Answer.empty(204))
        : deletions.deleteNode(id, condition).map(ticket -> Answer.accepted(ctx, ticket));
  }
}
