package org.nodepool.view;

import java.time.Instant;
import java.util.List;

/** What a list may look like. */
public enum Format {
  JSON,
  /** An aligned table for people. */
  TABLE;

  <T> Representation write(List<Key<T>> keys, List<T> rows, Instant now) {
    return this == JSON
        ? new Representation(Json.array(keys, rows), Json.CONTENT_TYPE)
        : new Representation(TextTable.of(keys, rows, now), TextTable.CONTENT_TYPE);
  }
}
