package org.nodepool.jobs.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;

/**
 * The free space below which no build begins: one that fills the disk fails, and takes others with
 * it.
 *
 * @param bytes 0 for none
 */
record DiskFloor(long bytes) {
  /**
   * Why no build can begin, in one sentence without paths; empty when one can. Blocks.
   *
   * @param imagesDir null when none is configured
   */
  Optional<String> trouble(Path imagesDir, Path buildsDir) {
    Optional<String> images =
        imagesDir == null ? Optional.empty() : trouble("images-dir", imagesDir);
    return images.or(() -> trouble("state_dir", buildsDir));
  }

  private Optional<String> trouble(String name, Path dir) {
    Path there = dir;
    while (Files.notExists(there) && there.getParent() != null) {
      there = there.getParent();
    }
    try {
      long free = Files.getFileStore(there).getUsableSpace();
      return free >= bytes
          ? Optional.empty()
          : Optional.of(
              "%s has %s free, jobs.disk_floor is %s.".formatted(name, size(free), size(bytes)));
    } catch (IOException e) {
      return Optional.empty(); // the build itself says what is wrong with it
    }
  }

  private static String size(long bytes) {
    double value = bytes;
    String unit = "B";
    for (String next : new String[] {"KiB", "MiB", "GiB", "TiB"}) {
      if (value < 1024) {
        break;
      }
      value /= 1024;
      unit = next;
    }
    return String.format(
        Locale.ROOT, value < 10 && value != Math.rint(value) ? "%.1f %s" : "%.0f %s", value, unit);
  }
}
