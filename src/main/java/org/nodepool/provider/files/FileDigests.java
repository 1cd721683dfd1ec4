package org.nodepool.provider.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.provider.ImageStore;

/**
 * The hashes of a file, by one reading.
 *
 * @param hex by the algorithm's name as Java has it; lower case
 */
public record FileDigests(long sizeBytes, Map<String, String> hex) {
  private static final int BUFFER_BYTES = 1 << 20;

  /**
   * Blocks. Fails with {@link ProviderFailure} when it is to stop.
   *
   * @param algorithms as Java calls them
   * @throws NoSuchAlgorithmException when Java does not have one of them
   */
  public static FileDigests of(Path file, ImageStore.Observer observer, String... algorithms)
      throws IOException, NoSuchAlgorithmException {
    Map<String, MessageDigest> digests = new LinkedHashMap<>();
    for (String algorithm : algorithms) {
      digests.put(algorithm, MessageDigest.getInstance(algorithm));
    }
    ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
    long size = 0;
    try (FileChannel in = FileChannel.open(file, StandardOpenOption.READ)) {
      while (in.read(buffer) >= 0) {
        observer.checkGoesOn();
        buffer.flip();
        size += buffer.limit();
        digests.values().forEach(digest -> digest.update(buffer.duplicate()));
        buffer.clear();
      }
    }
    Map<String, String> hex = new LinkedHashMap<>();
    digests.forEach((name, digest) -> hex.put(name, HexFormat.of().formatHex(digest.digest())));
    return new FileDigests(size, hex);
  }
}
