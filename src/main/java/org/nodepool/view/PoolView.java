package org.nodepool.view;

import org.nodepool.changes.SeenChanges;
import org.nodepool.model.DibImage;
import org.nodepool.model.Job;
import org.nodepool.model.Node;
import org.nodepool.model.Resource;
import org.nodepool.model.SnapshotImage;

/**
 * The pool and its jobs at one moment. Immutable; thread-safe.
 *
 * @param jobs as they are stored, so without what queued ones wait for
 * @param seen what of the change log is in it: while nothing more is there, this is how the
 *     database is; null when changes are not logged
 */
public record PoolView(
    Table<Node> nodes,
    Table<SnapshotImage> images,
    Table<DibImage> dibImages,
    Table<Job> jobs,
    SeenChanges seen) {
  static final PoolView EMPTY =
      new PoolView(
          Table.empty(Kind.NODE),
          Table.empty(Kind.SNAPSHOT_IMAGE),
          Table.empty(Kind.DIB_IMAGE),
          Table.empty(Kind.JOB),
          null);

  /** The table of that kind. */
  @SuppressWarnings("unchecked") // each kind is of one type of rows
  <T extends Resource> Table<T> table(Kind<T> kind) {
    Table<?> table;
    if (kind == Kind.NODE) {
      table = nodes;
    } else if (kind == Kind.SNAPSHOT_IMAGE) {
      table = images;
    } else if (kind == Kind.DIB_IMAGE) {
      table = dibImages;
    } else {
      table = jobs;
    }
    return (Table<T>) table;
  }

  /** Whether a probe can tell that this is how the database is. */
  boolean canBeProbed() {
    return seen != null && seen.isAskable();
  }

  PoolView with(SeenChanges other) {
    return new PoolView(nodes, images, dibImages, jobs, other);
  }
}
