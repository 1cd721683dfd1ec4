package org.nodepool.model;

import java.util.Arrays;
import java.util.Optional;

/**
 * The row that a job works on, which may be gone. The column {@code subject} holds its {@link
 * #path}.
 *
 * @param id in its table, 1 or more
 */
public record Subject(What what, long id) {
  private static final String ROOT = "/v1/";

  /** The tables whose rows jobs work on. */
  public enum What {
    NODE("nodes"),
    IMAGE("images"),
    DIB_IMAGE("dib_images");

    private final String collection;

    What(String collection) {
      this.collection = collection;
    }

    /** The name of the list in the API, which is the second part of a path. */
    public String collection() {
      return collection;
    }
  }

  /** The subject with that path; an {@link IllegalArgumentException} when it is none. */
  public static Subject at(String path) {
    return parse(path)
        .orElseThrow(
            () -> new IllegalArgumentException("not the path of a row that jobs work on: " + path));
  }

  /** The subject with that path; empty when it is none. */
  public static Optional<Subject> parse(String path) {
    String[] parts = path.split("/", -1);
    if (parts.length == 4 && path.startsWith(ROOT)) {
      Optional<Long> id = Ids.parse(parts[3]);
      Optional<What> what =
          Arrays.stream(What.values()).filter(w -> w.collection.equals(parts[2])).findFirst();
      if (id.isPresent() && what.isPresent()) {
        return Optional.of(new Subject(what.get(), id.get()));
      }
    }
    return Optional.empty();
  }

  /** The path in the API, such as {@code /v1/nodes/7}. */
  public String path() {
    return ROOT + what.collection + "/" + id;
  }

  @Override
  public String toString() {
    return path();
  }
}
