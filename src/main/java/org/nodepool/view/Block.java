package org.nodepool.view;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.util.List;
import org.nodepool.model.Resource;

/**
 * Some rows that follow each other in a list, 64 on average, and their bytes: made when they are
 * first needed, and shared by all answers and by all versions of the list in which these rows are
 * the same. The bytes are outside the heap, where the socket takes them from without a copy.
 * Thread-safe.
 */
final class Block<T extends Resource> {
  /** Not empty. */
  private final List<Entry<T>> entries;

  private final Tag tag;
  private final int length;
  private volatile ByteBuf json;
  private volatile ByteBuf deflated;
  private volatile ByteBuf deflatedAsFirst;

  Block(List<Entry<T>> entries) {
    this.entries = List.copyOf(entries);
    Tag sum = Tag.ZERO;
    int bytes = 0;
    for (Entry<T> entry : this.entries) {
      sum = sum.plus(entry.tag());
      bytes += 1 + entry.json().length;
    }
    this.tag = sum;
    this.length = bytes;
  }

  List<Entry<T>> entries() {
    return entries;
  }

  Entry<T> first() {
    return entries.get(0);
  }

  Tag tag() {
    return tag;
  }

  /** Of {@link #json}. */
  int length() {
    return length;
  }

  /** The rows, with a comma before each. Not to be released. */
  ByteBuf json() {
    if (json == null) {
      ByteBuffer bytes = ByteBuffer.allocateDirect(length);
      for (Entry<T> entry : entries) {
        bytes.put((byte) ',').put(entry.json());
      }
      json = Unpooled.wrappedBuffer(bytes.flip());
    }
    return json;
  }

  /**
   * A part of a raw deflate stream: the JSON, or, for the first block of a list, with its opening.
   */
  ByteBuf deflated(boolean isFirst) {
    if (isFirst) {
      if (deflatedAsFirst == null) {
        byte[] bytes = bytes();
        bytes[0] = '[';
        deflatedAsFirst = Gzip.part(bytes);
      }
      return deflatedAsFirst;
    }
    if (deflated == null) {
      deflated = Gzip.part(bytes());
    }
    return deflated;
  }

  private byte[] bytes() {
    byte[] bytes = new byte[length];
    json().getBytes(0, bytes);
    return bytes;
  }
}
