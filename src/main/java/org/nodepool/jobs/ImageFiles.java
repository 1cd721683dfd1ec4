package org.nodepool.jobs;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.stream.Stream;

/**
 * The files of a dib image: everything that is called {@code <filename>} or {@code <filename>.…}.
 */
final class ImageFiles {
  private ImageFiles() {}

  /** Removes every format, checksum, half-written file and manifest; none is fine. */
  static void delete(Path filename) throws IOException {
    Path dir = filename.toAbsolutePath().getParent();
    String name = filename.getFileName().toString();
    if (!Files.isDirectory(dir)) {
      return;
    }
    try (DirectoryStream<Path> entries =
        Files.newDirectoryStream(dir, entry -> belongsTo(name, entry))) {
      for (Path entry : entries) {
        deleteTree(entry);
      }
    }
  }

  private static boolean belongsTo(String name, Path entry) {
    String entryName = entry.getFileName().toString();
    return entryName.equals(name) || entryName.startsWith(name + ".");
  }

  /** Removes the directory with all that is in it, or the file; links are not followed. */
  static void deleteTree(Path top) throws IOException {
    try (Stream<Path> entries = Files.walk(top)) {
      for (Path entry : entries.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(entry);
      }
    }
  }

  /** Has the file, or the directory's list of names, written to the disk. */
  static void sync(Path path) throws IOException {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  /** In lower case hex. */
  static String sha256(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file);
        DigestOutputStream digest =
            new DigestOutputStream(
                OutputStream.nullOutputStream(), MessageDigest.getInstance("SHA-256"))) {
      in.transferTo(digest);
      return HexFormat.of().formatHex(digest.getMessageDigest().digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
