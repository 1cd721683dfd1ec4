package org.nodepool.model;

import java.util.Comparator;
import java.util.List;

/**
 * A test machine. {@code stateTime} is in Unix seconds. Null is what the row holds as NULL: ids,
 * the three names and {@code subnodes} (by id) never are.
 */
public record Node(
    long id,
    String providerName,
    String labelName,
    String targetName,
    String hostname,
    String nodename,
    String externalId,
    String az,
    String ip,
    String ipPrivate,
    State state,
    Long stateTime,
    List<SubNode> subnodes)
    implements Resource {

  /** provider_name, label_name, id. */
  public static final Comparator<Node> LIST_ORDER =
      Comparator.comparing(Node::providerName, CodePoints.ORDER)
          .thenComparing(Node::labelName, CodePoints.ORDER)
          .thenComparingLong(Node::id);

  @Override
  public String eventKind() {
    return "node";
  }

  /** This node as what a job works on. */
  public Subject subject() {
    return new Subject(Subject.What.NODE, id);
  }

  @Override
  public String path() {
    return subject().path();
  }

  @Override
  public String stateName() {
    return State.name(state);
  }

  /** Whether its provider holds a server for it or for one of its subnodes. */
  public boolean hasServer() {
    return externalId != null || subnodes.stream().anyMatch(s -> s.externalId() != null);
  }

  /** This node with another state. */
  public Node with(State newState, long newStateTime) {
    return new Node(
        id,
        providerName,
        labelName,
        targetName,
        hostname,
        nodename,
        externalId,
        az,
        ip,
        ipPrivate,
        newState,
        newStateTime,
        subnodes);
  }

  /** This node with other subnodes. */
  public Node with(List<SubNode> others) {
    return new Node(
        id,
        providerName,
        labelName,
        targetName,
        hostname,
        nodename,
        externalId,
        az,
        ip,
        ipPrivate,
        state,
        stateTime,
        others);
  }

  /**
   * Refuses what a person may not ask of this node: hold and ready are the only states to ask for,
   * ready is for held nodes, and a node on its way out stays on it (the original's hold brought it
   * back to life).
   *
   * @throws Problem.WrongState when {@code next} is neither the present state nor allowed from it
   */
  public void checkMayBecome(State next) {
    if (next.equals(state)) {
      return;
    }
    if (next.equals(State.READY) && !State.HOLD.equals(state)) {
      throw new Problem.WrongState(
          "Node %d is in state %s; only a node in hold can be made ready."
              .formatted(id, stateName()));
    }
    if (next.equals(State.HOLD) && State.DELETE.equals(state)) {
      throw new Problem.WrongState(
          "Node %d is being deleted and can no longer be held.".formatted(id));
    }
  }
}
