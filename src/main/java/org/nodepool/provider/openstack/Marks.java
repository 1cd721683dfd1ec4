package org.nodepool.provider.openstack;

import java.util.Map;
import org.nodepool.model.Mark;

/** Marks as properties of what we make at a cloud. */
final class Marks {
  /** The property by which what an attempt left is found again; the only one in early versions. */
  static final String ATTEMPT = "nodepool_uuid";

  private static final String DATABASE = "nodepool_database";
  private static final String SUBJECT = "nodepool_subject";

  private Marks() {}

  /** The properties by which that mark is found again. */
  static Map<String, String> properties(Mark mark) {
    return Map.of(
        ATTEMPT, mark.attempt(), DATABASE, mark.database(), SUBJECT, mark.subject().path());
  }
}
