package org.nodepool.model;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * The moments before and after which a process may die with something half done: each commit, and
 * each effect outside the database. Tests name one in the system property {@value #PROPERTY}, as in
 * {@code claim.after}, and the process halts there as if it were killed. Without the property this
 * does nothing.
 */
public enum Failpoint {
  // commits
  ACCEPT_BUILD,
  ACCEPT_UPLOAD,
  ACCEPT_UPDATE,
  ACCEPT_DELETION,
  REMOVE_RECORD,
  CANCEL,
  SET_NODE_STATE,
  CLAIM,
  LOOK,
  TAKE_OVER,
  PROGRESS,
  EXTERNAL_ID,
  SUCCESS,
  FAILURE,
  PUT_BACK,
  SWEPT,
  CLEAN_UP,
  PRUNE,
  PRUNE_CHANGES,

  // effects
  MAKE_SPACE,
  START_BUILD,
  PUBLISH_IMAGES,
  SWEEP_BUILD,
  SETTLE_BUILD,
  WRITE_SIDECAR,
  WRITE_COPY,
  PUBLISH_COPY,
  CREATE_IMAGE,
  SEND_IMAGE,
  DELETE_COPY,
  DELETE_LEFTOVERS,
  DELETE_FILES,
  DELETE_LOG,
  CREATE_SERVER,
  START_SERVER,
  TAKE_SNAPSHOT,
  DELETE_SERVER;

  public static final String PROPERTY = "nodepool.failpoint";

  /** The exit status of a process that halted. */
  public static final int STATUS = 99;

  private static final String ARMED = System.getProperty(PROPERTY);

  /** Right before it. */
  public void before() {
    haltAt(".before");
  }

  /** Right after it. */
  public void after() {
    haltAt(".after");
  }

  private void haltAt(String side) {
    if (ARMED != null && ARMED.equals(this + side)) {
      Runtime.getRuntime().halt(STATUS);
    }
  }

  /** What this process was told to halt at; null, as everywhere but in tests: nothing. */
  public static String armed() {
    return ARMED;
  }

  /** All there are, as the property has them. */
  public static List<String> names() {
    return Arrays.stream(values()).flatMap(p -> Stream.of(p + ".before", p + ".after")).toList();
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
