package org.nodepool.view;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.nodepool.model.Node;
import org.nodepool.model.SubNode;

/** The subnodes of all nodes, which come in a log of their own rows. For one context alone. */
final class Subnodes {
  private final Map<Long, TreeMap<Long, SubNode>> ofNode = new HashMap<>();
  private final Map<Long, Long> nodeOf = new HashMap<>();

  /** These are all there are. */
  void replace(List<SubNode> all) {
    ofNode.clear();
    nodeOf.clear();
    all.forEach(this::put);
  }

  /**
   * Applies changes; gives the ids of the nodes that have other subnodes now.
   *
   * @param changed by id; null for one that is gone
   */
  Set<Long> apply(Map<Long, SubNode> changed) {
    Set<Long> nodes = new HashSet<>();
    changed.forEach(
        (id, subnode) -> {
          Long node = nodeOf.remove(id);
          if (node != null) {
            ofNode.get(node).remove(id);
            nodes.add(node);
          }
          if (subnode != null) {
            put(subnode);
            nodes.add(subnode.nodeId());
          }
        });
    return nodes;
  }

  private void put(SubNode subnode) {
    ofNode.computeIfAbsent(subnode.nodeId(), id -> new TreeMap<>()).put(subnode.id(), subnode);
    nodeOf.put(subnode.id(), subnode.nodeId());
  }

  /** With its subnodes, by id. */
  Node whole(Node node) {
    TreeMap<Long, SubNode> subnodes = ofNode.get(node.id());
    return node.with(subnodes == null ? List.of() : List.copyOf(subnodes.values()));
  }
}
