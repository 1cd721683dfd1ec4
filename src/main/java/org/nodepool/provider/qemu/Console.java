package org.nodepool.provider.qemu;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * What a machine prints on its serial port. A guest may print as much as it likes; so the file is
 * cut now and then, and its end kept beside it.
 *
 * @param file to which the machine appends
 * @param before the end of what was cut off
 */
record Console(Path file, Path before) {
  private static final int MOST_SHOWN = 100_000;
  private static final int MOST_KEPT = 1 << 20;

  /** The last 100 kB at most; empty when there is none. */
  byte[] end() throws IOException {
    byte[] newest = end(file, MOST_SHOWN);
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    all.writeBytes(end(before, MOST_SHOWN - newest.length));
    all.writeBytes(newest);
    return all.toByteArray();
  }

  /** Cuts it when it has become too long. What is printed at that moment may be lost. */
  void bound() throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      if (channel.size() > MOST_KEPT) {
        Files.write(before, end(file, MOST_SHOWN));
        channel.truncate(0);
      }
    } catch (NoSuchFileException e) {
      // it is deleted meanwhile
    }
  }

  /** The last bytes of a file; none when there is none. */
  static byte[] end(Path file, int most) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long from = Math.max(0, channel.size() - most);
      ByteBuffer bytes = ByteBuffer.allocate((int) Math.min(most, channel.size() - from));
      while (bytes.hasRemaining() && channel.read(bytes, from + bytes.position()) >= 0) {
        // on to the end
      }
      byte[] read = new byte[bytes.position()];
      bytes.flip().get(read);
      return read;
    } catch (NoSuchFileException e) {
      return new byte[0];
    }
  }
}
