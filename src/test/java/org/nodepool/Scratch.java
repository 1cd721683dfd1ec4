package org.nodepool;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Where tests write. Several JVMs run tests side by side, and each has directories of its own; what
 * one leaves there, such as a database, the next class in the same JVM finds again. What lies
 * directly in {@code target} is protected by its name alone, which no two classes may share.
 */
public final class Scratch {
  /** As {@code pom.xml} numbers the JVMs; 0 without it, as in an editor. */
  private static final String JVM = System.getProperty("nodepool.test.jvm", "0");

  /** The embedded database's program files, 300 MB, unpacked by the first service of a run. */
  private static final Path PROGRAM = Path.of("target/database-program").toAbsolutePath();

  private Scratch() {}

  /** The directory of that name, absolute; not made. */
  public static Path dir(String name) {
    return Path.of("target", "jvm-" + JVM, name).toAbsolutePath();
  }

  /** The number of this JVM among those that run tests side by side. */
  static int jvm() {
    return Integer.parseInt(JVM);
  }

  /** Spares a service the unpacking, if one has unpacked them before; in its data directory. */
  static void linkDatabaseProgram(Path dataDir) {
    if (Files.exists(PROGRAM) && Files.notExists(dataDir)) {
      run("mkdir -p \"${1%/*}\" && cp -al \"$0\" \"$1\"", PROGRAM, dataDir);
    }
  }

  /** Keeps what the first service has unpacked, for all that come. */
  static void keepDatabaseProgram(Path dataDir) {
    if (Files.exists(PROGRAM) || Files.notExists(dataDir)) {
      return;
    }
    Path mine = dir("database-program.new");
    run("rm -rf \"$1\" && mkdir -p \"$1\" && cp -al \"$0\"/server-* \"$1\"", dataDir, mine);
    try {
      Files.move(mine, PROGRAM);
    } catch (IOException e) {
      if (Files.notExists(PROGRAM)) { // else another JVM was first
        throw new UncheckedIOException(e);
      }
    }
  }

  private static void run(String script, Path from, Path to) {
    try {
      ServiceProcess.run("bash", "-c", script, from.toString(), to.toString());
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }
}
