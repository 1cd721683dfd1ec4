package org.nodepool.view;

import org.nodepool.changes.SeenChanges;
import org.nodepool.model.DibImage;
import org.nodepool.model.Node;
import org.nodepool.model.Resource;
import org.nodepool.model.SnapshotImage;

/** The pool. */
public record PoolView(
    Table<Node> nodes, Table<SnapshotImage> images, Table<DibImage> dibImages, SeenChanges seen)
    implements View {
  static final PoolView EMPTY =
      new PoolView(
          Table.empty(Kind.NODE),
          Table.empty(Kind.SNAPSHOT_IMAGE),
          Table.empty(Kind.DIB_IMAGE),
          null);

  @Override
  @SuppressWarnings("unchecked") // each kind is of one type of rows
  public <T extends Resource> Table<T> table(Kind<T> kind) {
    Table<?> table;
    if (kind == Kind.NODE) {
      table = nodes;
    } else if (kind == Kind.SNAPSHOT_IMAGE) {
      table = images;
    } else if (kind == Kind.DIB_IMAGE) {
      table = dibImages;
    } else {
      throw new IllegalArgumentException(kind.name());
    }
    return (Table<T>) table;
  }
}
