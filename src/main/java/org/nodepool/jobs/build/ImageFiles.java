package org.nodepool.jobs.build;

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
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The files of a dib image: {@code <filename>.<type>} and what goes with them. */
final class ImageFiles {
  /** Nothing, a format, a half-written format, a format's checksum, the manifests' directory. */
  private static final Pattern WRITTEN_BY_A_BUILD =
      Pattern.compile("(\\.[a-z0-9]+(-new)?(\\.(md5|sha256))?)?");

  private ImageFiles() {}

  /** Every format, checksum, half-written file and manifest that is there. */
  static List<Path> of(Path filename) throws IOException {
    if (!filename.isAbsolute() || filename.getFileName() == null) {
      throw new IOException("not the path of an image: '%s'".formatted(filename));
    }
    Path dir = filename.getParent();
    if (!Files.isDirectory(dir)) {
      return List.of();
    }
    String name = filename.getFileName().toString();
    List<Path> found = new ArrayList<>();
    try (DirectoryStream<Path> entries =
        Files.newDirectoryStream(dir, entry -> belongsTo(name, entry))) {
      entries.forEach(found::add);
    }
    return found;
  }

  /** Removes all that {@link #of} finds. */
  static void delete(Path filename) throws IOException {
    for (Path file : of(filename)) {
      deleteTree(file);
    }
  }

  /** Another image's name may begin with this one's: only what builds write counts. */
  private static boolean belongsTo(String name, Path entry) {
    String entryName = entry.getFileName().toString();
    return entryName.startsWith(name)
        && WRITTEN_BY_A_BUILD.matcher(entryName.substring(name.length())).matches();
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
