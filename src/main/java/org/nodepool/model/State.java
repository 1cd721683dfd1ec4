package org.nodepool.model;

import java.util.List;
import java.util.Optional;

/**
 * Where a row of the pool's four tables stands. A value is what the column {@code state} holds, so
 * that a code which no version of Nodepool knew stays what it is; a NULL column is a null
 * reference. The codes are those of Nodepool's SQL years; {@link #FAILED} is ours.
 */
public record State(int code) {
  /** Being created: an id may exist at the provider, it is not usable. */
  public static final State BUILDING = new State(1);

  /** Usable. */
  public static final State READY = new State(2);

  /** A node on which a job runs or ran. */
  public static final State USED = new State(3);

  /** To be deleted, and on its way out. */
  public static final State DELETE = new State(4);

  /** A node that is kept until a person releases it. */
  public static final State HOLD = new State(5);

  /** A node in its acceptance test, before ready. */
  public static final State TEST = new State(6);

  /** An image that could not be made; its job says why. */
  public static final State FAILED = new State(7);

  private static final List<String> NAMES =
      List.of("building", "ready", "used", "delete", "hold", "test", "failed");

  /** The state of that name, if there is one. */
  public static Optional<State> named(String name) {
    int index = NAMES.indexOf(name);
    return index < 0 ? Optional.empty() : Optional.of(new State(index + 1));
  }

  /** The names, in order of their codes. */
  public static List<String> names() {
    return NAMES;
  }

  /**
   * The state that people see as this text: a name, or the decimal code of a state without one.
   * Empty for any other text.
   */
  public static Optional<State> shownAs(String text) {
    return named(text).or(() -> unnamed(text));
  }

  private static Optional<State> unnamed(String code) {
    try {
      return Optional.of(new State(Integer.parseInt(code)))
          .filter(state -> state.toString().equals(code));
    } catch (NumberFormatException e) {
      return Optional.empty();
    }
  }

  /** The state in a column; null for null. */
  public static State ofCode(Integer code) {
    return code == null ? null : new State(code);
  }

  /** The column's value; null for null. */
  public static Integer code(State state) {
    return state == null ? null : state.code;
  }

  /** The name that people and programs see; null for null. */
  public static String name(State state) {
    return state == null ? null : state.toString();
  }

  /** The name, or the decimal code when it has none. */
  @Override
  public String toString() {
    return code >= 1 && code <= NAMES.size() ? NAMES.get(code - 1) : Integer.toString(code);
  }
}
