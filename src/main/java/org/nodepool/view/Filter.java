package org.nodepool.view;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.nodepool.model.Problem;

/** Lets a row through whose value of that key is, as text, one of these. NULL is none of them. */
public record Filter<T>(Key<T> key, Set<String> values) {
  /**
   * A filter as it was asked for.
   *
   * @param texts any of them
   * @throws Problem.BadValue when one can be no value of this key
   */
  public static <T> Filter<T> of(Key<T> key, List<String> texts) {
    Set<String> values = new LinkedHashSet<>();
    for (String text : texts) {
      values.add(key.type().read(text).orElseThrow(() -> bad(key, text)));
    }
    return new Filter<>(key, values);
  }

  private static Problem.BadValue bad(Key<?> key, String text) {
    return new Problem.BadValue(
        "The parameter '%s' cannot be '%s'; allowed: %s."
            .formatted(key.name(), text, key.type().allowed()));
  }

  boolean matches(T row) {
    Object value = key.of(row);
    return value != null && values.contains(value.toString());
  }
}
