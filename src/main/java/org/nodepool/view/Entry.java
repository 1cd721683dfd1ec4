package org.nodepool.view;

import io.vertx.core.buffer.Buffer;
import java.util.List;
import org.nodepool.model.Resource;

/** A row and its JSON, which is made once for all answers that show it. Immutable; thread-safe. */
final class Entry<T extends Resource> {
  private final T row;
  private final byte[] json;
  private final Tag tag;
  private Page page;

  Entry(Kind<T> kind, T row) {
    this.row = row;
    this.json = Json.object(kind.keys(), row).getBytes();
    this.tag = Tag.of(json);
  }

  T row() {
    return row;
  }

  byte[] json() {
    return json;
  }

  Tag tag() {
    return tag;
  }

  /** It alone. */
  Page page() {
    Page known = page; // made twice at worst: all its fields are final
    if (known == null) {
      known = new Page(Representation.of(Buffer.buffer(json), tag));
      page = known;
    }
    return known;
  }

  /**
   * Whether a block begins with it. That depends on nothing but its id, so that every process cuts
   * a list into the same blocks, whatever has happened to it before; one row in 64 does.
   */
  boolean beginsBlock() {
    return row.id() * 0x9E3779B97F4A7C15L >>> 58 == 0;
  }

  /** A JSON array of them. */
  static <T extends Resource> Buffer array(List<Entry<T>> entries) {
    int length = 2 + entries.stream().mapToInt(entry -> entry.json.length + 1).sum();
    Buffer array = Buffer.buffer(length).appendByte((byte) '[');
    for (int i = 0; i < entries.size(); i++) {
      if (i > 0) {
        array.appendByte((byte) ',');
      }
      array.appendBytes(entries.get(i).json);
    }
    return array.appendByte((byte) ']');
  }
}
