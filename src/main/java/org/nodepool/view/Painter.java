package org.nodepool.view;

import java.util.List;
import org.nodepool.changes.PoolLog;
import org.nodepool.changes.SeenChanges;

/** Makes views out of rows. To be used on one context alone. */
interface Painter<V extends View> {
  /**
   * The rows that its views are made of.
   *
   * @param isHurried whether somebody waits for them
   */
  List<PoolLog.Source<?>> sources(boolean isHurried);

  /** The view before any row was read. */
  V empty();

  /**
   * A view of all rows.
   *
   * @param differences how many rows are another than the view before tells, without a reason that
   *     is no change
   */
  record Whole<V>(V view, int differences) {}

  Whole<V> whole(V before, PoolLog.Rows all, SeenChanges seen);

  /** The view with these changes, none at least; null when all rows should be read instead. */
  V changed(V before, PoolLog.Changes changes, SeenChanges seen);
}
