package org.nodepool.view;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.internal.buffer.BufferInternal;
import java.nio.ByteBuffer;
import java.util.List;

/** Bytes outside the heap, to be shared and never changed; the garbage collector frees them. */
final class Bytes {
  private Bytes() {}

  static ByteBuf direct(byte[] bytes) {
    return Unpooled.wrappedBuffer(ByteBuffer.allocateDirect(bytes.length).put(bytes).flip());
  }

  /** One behind the other, without a copy. */
  static Buffer joined(List<ByteBuf> parts) {
    return BufferInternal.buffer(Unpooled.wrappedUnmodifiableBuffer(parts.toArray(ByteBuf[]::new)));
  }

  /** A copy: a socket takes it as it is, and copies what lies on the heap each time. */
  static Buffer outsideHeap(Buffer bytes) {
    return joined(List.of(direct(bytes.getBytes())));
  }
}
