package org.nodepool.view;

import java.util.List;
import java.util.Map;
import org.nodepool.changes.PoolLog;
import org.nodepool.changes.SeenChanges;
import org.nodepool.model.DibImage;
import org.nodepool.model.Node;
import org.nodepool.model.SnapshotImage;
import org.nodepool.store.Columns;

/** Makes views of the pool: of nodes with their subnodes, and of images. */
final class PoolPainter implements Painter<PoolView> {
  private final Subnodes subnodes = new Subnodes();

  @Override
  public List<PoolLog.Source<?>> sources(boolean isHurried) {
    return List.of(
        PoolLog.Source.whole(Columns.NODE),
        PoolLog.Source.whole(Columns.SUBNODE),
        PoolLog.Source.whole(Columns.SNAPSHOT_IMAGE),
        PoolLog.Source.whole(Columns.DIB_IMAGE));
  }

  @Override
  public PoolView empty() {
    return PoolView.EMPTY;
  }

  @Override
  public Whole<PoolView> whole(PoolView before, PoolLog.Rows all, SeenChanges seen) {
    subnodes.replace(all.of(Columns.SUBNODE));
    List<Node> nodes = all.of(Columns.NODE).stream().map(subnodes::whole).toList();
    Map<Long, Node> node = before.nodes().differences(nodes);
    Map<Long, SnapshotImage> image = before.images().differences(all.of(Columns.SNAPSHOT_IMAGE));
    Map<Long, DibImage> dibImage = before.dibImages().differences(all.of(Columns.DIB_IMAGE));
    return new Whole<>(
        new PoolView(
            before.nodes().with(node),
            before.images().with(image),
            before.dibImages().with(dibImage),
            seen),
        node.size() + image.size() + dibImage.size());
  }

  @Override
  public PoolView changed(PoolView before, PoolLog.Changes changes, SeenChanges seen) {
    Map<Long, Node> nodes = changes.of(Columns.NODE);
    for (Long id : subnodes.apply(changes.of(Columns.SUBNODE))) {
      if (!nodes.containsKey(id)) {
        before.nodes().find(id).ifPresent(node -> nodes.put(id, node));
      }
    }
    nodes.replaceAll((id, node) -> node == null ? null : subnodes.whole(node));
    return new PoolView(
        before.nodes().with(nodes),
        before.images().with(changes.of(Columns.SNAPSHOT_IMAGE)),
        before.dibImages().with(changes.of(Columns.DIB_IMAGE)),
        seen);
  }
}
