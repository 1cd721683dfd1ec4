package org.nodepool.view;

import java.time.Clock;
import org.nodepool.model.Resource;

/** What is asked of the rows of a kind. Immutable; queries are equal when they ask the same. */
public sealed interface Query<T extends Resource> permits ListQuery, SummaryQuery, OneQuery {
  Kind<T> kind();

  /**
   * The answer out of these rows.
   *
   * @param clock what a text table's ages count from
   */
  Page answer(Table<T> table, Clock clock);

  /** Whether it asks for all rows as they are, as most polls do. */
  boolean isOfWholeList();

  /** Whether the answer is worth keeping for the next who asks: it follows from the rows alone. */
  boolean isKept();
}
