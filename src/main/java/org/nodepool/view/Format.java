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
        ? Representation.of(Json.array(keys, rows))
        : new Representation(TextTable.of(keys, rows, now), TextTable.CONTENT_TYPE);
  }
}
