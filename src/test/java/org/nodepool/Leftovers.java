package org.nodepool;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** What builds and servers may leave on the machine. */
final class Leftovers {
  private Leftovers() {}

  /** Mounts, loop devices and processes that have to do with that directory; empty when clean. */
  static List<String> below(Path dir) throws IOException {
    List<String> found = new ArrayList<>();
    String prefix = dir + "/";
    Files.readAllLines(Path.of("/proc/mounts")).stream()
        .filter(line -> line.contains(" " + prefix))
        .forEach(line -> found.add("mount " + line));
    for (Path device : list(Path.of("/sys/block"))) {
      Path backing = device.resolve("loop/backing_file");
      if (Files.exists(backing) && Files.readString(backing).startsWith(prefix)) {
        found.add("loop device " + device.getFileName());
      }
    }
    for (Path process : list(Path.of("/proc"))) {
      if (process.getFileName().toString().matches("[0-9]+") && isOf(process, prefix)) {
        found.add("process " + process.getFileName() + " " + read(process.resolve("cmdline")));
      }
    }
    return found;
  }

  /** Every build has its temporary directory in its environment; a machine runs in its own. */
  private static boolean isOf(Path process, String prefix) {
    return read(process.resolve("environ")).contains("TMP_DIR=" + prefix)
        || (read(process.resolve("cmdline")).startsWith("qemu-system-")
            && link(process.resolve("cwd")).startsWith(prefix));
  }

  private static String link(Path link) {
    try {
      return Files.readSymbolicLink(link).toString();
    } catch (IOException e) { // it has ended
      return "";
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file, java.nio.charset.StandardCharsets.ISO_8859_1);
    } catch (IOException e) { // it has ended
      return "";
    }
  }

  private static List<Path> list(Path dir) throws IOException {
    try (Stream<Path> entries = Files.list(dir)) {
      return entries.toList();
    }
  }
}
