package org.nodepool.view;

import com.fasterxml.jackson.core.io.SerializedString;
import java.util.function.Function;

/**
 * One key of an object.
 *
 * @param value a String, a Long, an Integer, a Double or a list of subnodes, as {@code type} says;
 *     or null
 */
public record Key<T>(SerializedString json, Type type, Function<T, Object> value) {
  static <T> Key<T> of(String name, Type type, Function<T, Object> value) {
    return new Key<>(new SerializedString(name), type, value);
  }

  /** As clients write it. */
  public String name() {
    return json.getValue();
  }

  /** Quick: queries are found by it, and each has all its keys. */
  @Override
  public int hashCode() {
    return json.hashCode();
  }

  Object of(T row) {
    return value.apply(row);
  }
}
