package org.nodepool.view;

import java.time.Instant;
import java.util.List;
import org.nodepool.model.Resource;

/** What is asked of all rows of a kind. Immutable. */
public sealed interface Query<T extends Resource> permits ListQuery, SummaryQuery {
  /**
   * The answer out of these rows.
   *
   * @param rows all there are, in any order
   * @param now what a table's ages count from
   */
  Page answer(List<T> rows, Instant now);
}
