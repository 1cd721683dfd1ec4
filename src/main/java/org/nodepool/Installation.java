package org.nodepool;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.UUID;
import org.nodepool.store.embedded.DirectoryLock;

/**
 * This installation's own directory ({@code state_dir}), of one process at a time: its id across
 * restarts and the password of the administrator.
 */
final class Installation {
  private static final String HOST_NAME = "/proc/sys/kernel/hostname";

  private final Path dir;
  private final DirectoryLock lock;

  private Installation(Path dir, DirectoryLock lock) {
    this.dir = dir;
    this.lock = lock;
  }

  /**
   * Makes the directory, for the owner alone, if it is missing, and takes it.
   *
   * @throws DirectoryLock.Taken when another process has it
   */
  static Installation open(Path stateDir) throws IOException {
    // one that is there already is somebody's: its mode is left
    if (Files.notExists(stateDir)) {
      Files.createDirectories(
          stateDir,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    }
    Path dir = stateDir.toRealPath();
    return new Installation(dir, DirectoryLock.take(dir, "state directory"));
  }

  /** The id that is on the jobs that ran here. */
  String id() throws IOException {
    return keep("installation", UUID.randomUUID().toString());
  }

  /** Where the password is that {@link #adminPassword} gives. */
  Path adminPasswordFile() {
    return dir.resolve("admin-password");
  }

  /** A random password, made once. */
  String adminPassword() throws IOException {
    byte[] bytes = new byte[18];
    new SecureRandom().nextBytes(bytes);
    return keep("admin-password", Base64.getUrlEncoder().encodeToString(bytes));
  }

  /** What the file holds; it is made, for the owner alone and all at once, if it is not there. */
  private String keep(String name, String first) throws IOException {
    Path file = dir.resolve(name);
    if (Files.notExists(file)) {
      Path draft = dir.resolve(name + ".new");
      Files.deleteIfExists(draft);
      Files.createFile(
          draft,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
      Files.writeString(draft, first + "\n", StandardCharsets.UTF_8);
      Files.move(draft, file, StandardCopyOption.ATOMIC_MOVE);
    }
    String kept = Files.readString(file, StandardCharsets.UTF_8).strip();
    if (kept.isEmpty()) {
      throw new IOException(file + " is empty; remove it to have a new one made");
    }
    return kept;
  }

  /** The machine's name. */
  static String hostName() {
    try {
      return Files.readString(Path.of(HOST_NAME), StandardCharsets.UTF_8).strip();
    } catch (IOException e) {
      try {
        return InetAddress.getLocalHost().getHostName();
      } catch (UnknownHostException unknown) {
        return "localhost";
      }
    }
  }

  void close() throws IOException {
    lock.release();
  }
}
