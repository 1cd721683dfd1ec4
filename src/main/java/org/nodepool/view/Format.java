package org.nodepool.view;

import java.time.Clock;
import java.util.List;

/** What a list may look like. */
public enum Format {
  JSON,
  /** An aligned table for people. */
  TABLE;

  /**
   * These rows so.
   *
   * @param clock what a table's ages count from
   */
  <T> Representation write(List<Key<T>> keys, List<T> rows, Clock clock) {
    return this == JSON
        ? Representation.of(Json.array(keys, rows))
        : new Representation(TextTable.of(keys, rows, clock.instant()), TextTable.CONTENT_TYPE);
  }
}
