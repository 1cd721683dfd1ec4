package org.nodepool.provider.openstack;

import io.vertx.core.json.JsonObject;
import java.util.Map;
import java.util.Optional;
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

  /** Whether any of our properties is there. */
  static boolean isOurs(JsonObject properties) {
    return properties.containsKey(ATTEMPT) || properties.containsKey(DATABASE);
  }

  /** Empty when a part of it is missing, or is not what we write. */
  static Optional<Mark> of(JsonObject properties) {
    return Mark.parse(
        properties.getValue(DATABASE), properties.getValue(SUBJECT), properties.getValue(ATTEMPT));
  }
}
