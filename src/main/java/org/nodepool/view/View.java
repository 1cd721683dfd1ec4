package org.nodepool.view;

import org.nodepool.changes.SeenChanges;
import org.nodepool.model.Resource;

/** Some tables at one moment. Immutable; thread-safe. */
public interface View {
  /** The table of that kind, which is one of this view's. */
  <T extends Resource> Table<T> table(Kind<T> kind);

  /**
   * What of the change log is in it: while nothing more is there, this is how the database is; null
   * when changes are not logged.
   */
  SeenChanges seen();

  /** Whether a probe can tell that this is how the database is. */
  default boolean canBeProbed() {
    return seen() != null && seen().isAskable();
  }
}
