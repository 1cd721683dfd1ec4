package org.nodepool.view;

import io.netty.buffer.ByteBuf;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.internal.buffer.BufferInternal;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.Deflater;

/** Makes gzip files (RFC 1952) out of parts that were compressed apart from each other. */
final class Gzip {
  /** As much as it saves, a higher level takes several times as long for JSON. */
  private static final int LEVEL = 2;

  /** Deflate, no name, no time, of an unknown system. */
  private static final ByteBuf HEADER =
      Bytes.direct(new byte[] {0x1f, (byte) 0x8b, 8, 0, 0, 0, 0, 0, 0, (byte) 0xff});

  private Gzip() {}

  /** Compressed, to a byte's end: such parts in a row are one stream, which {@link #end} ends. */
  static ByteBuf part(byte[] bytes) {
    return deflated(bytes, false);
  }

  /** The last part of a stream. */
  static ByteBuf end(byte[] bytes) {
    return deflated(bytes, true);
  }

  private static ByteBuf deflated(byte[] bytes, boolean isLast) {
    Deflater deflater = new Deflater(LEVEL, true);
    try {
      deflater.setInput(bytes);
      if (isLast) {
        deflater.finish();
      }
      int flush = isLast ? Deflater.NO_FLUSH : Deflater.SYNC_FLUSH;
      byte[] out = new byte[bytes.length / 2 + 64];
      int length = deflater.deflate(out, 0, out.length, flush);
      while (length == out.length) {
        out = Arrays.copyOf(out, out.length * 2);
        length += deflater.deflate(out, length, out.length - length, flush);
      }
      return Bytes.direct(Arrays.copyOf(out, length));
    } finally {
      deflater.end();
    }
  }

  /**
   * The file.
   *
   * @param parts of the stream, the last one from {@link #end}
   * @param plain what they come to
   */
  static Buffer file(List<ByteBuf> parts, Buffer plain) {
    CRC32 crc = new CRC32();
    ByteBuf content = ((BufferInternal) plain).getByteBuf();
    for (ByteBuffer piece : content.nioBuffers()) {
      crc.update(piece);
    }
    byte[] trailer =
        ByteBuffer.allocate(8)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putInt((int) crc.getValue())
            .putInt(plain.length())
            .array();
    List<ByteBuf> file = new ArrayList<>(parts.size() + 2);
    file.add(HEADER);
    file.addAll(parts);
    file.add(Bytes.direct(trailer));
    return Bytes.joined(file);
  }

  /** The file of what is not made of blocks. */
  static Buffer file(Buffer plain) {
    return file(List.of(end(plain.getBytes())), plain);
  }
}
