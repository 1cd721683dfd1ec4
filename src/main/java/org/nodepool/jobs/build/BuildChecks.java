package org.nodepool.jobs.build;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;
import org.nodepool.config.PoolConfig;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.programs.Program;

/**
 * Refuses a build, with a {@link JobFailure} that says what to do, for what would show only at its
 * end, or as a failure of some script.
 */
final class BuildChecks {
  private static final String INSTALL = "apt-get install -y --no-install-recommends ";

  /** What a build runs in any case, and the Debian package that has it. */
  private static final Map<String, String> PROGRAMS =
      orderedMap(
          "disk-image-create", "python3-diskimage-builder",
          "sudo", "sudo",
          "qemu-img", "qemu-utils",
          "kpartx", "kpartx",
          "mkfs.ext4", "e2fsprogs",
          "setsid", "util-linux");

  private static final Pattern UNFIT_FOR_SCRIPTS = Pattern.compile("[\\s'\"\\\\*?\\[\\]$&;|<>()`]");

  private BuildChecks() {}

  /** Programs that a build runs in any case. */
  static void programs(String path) {
    PROGRAMS.forEach(
        (program, debianPackage) -> {
          if (!Program.isInstalled(program, path)) {
            throw new JobFailure(
                "%s is not installed. As root, run './run.sh --setup' or '%s%s'."
                    .formatted(program, INSTALL, debianPackage));
          }
        });
  }

  static JobFailure cannotBeWritten(Path imagesDir, IOException e) {
    return new JobFailure(
        "The build is refused: images-dir (%s, in nodepool.yaml) cannot be written: %s."
            .formatted(imagesDir, e.getClass().getSimpleName() + " " + e.getMessage()));
  }

  /** Both show only at the end of a build otherwise. */
  static void directories(Path imagesDir, PoolConfig config) {
    try {
      Files.createDirectories(imagesDir);
    } catch (IOException e) {
      throw cannotBeWritten(imagesDir, e);
    }
    path(imagesDir.toString(), "images-dir, in nodepool.yaml");
    if (config.elementsPath() != null) {
      for (String dir : config.elementsPath().split(":")) {
        path(dir, "elements-dir, in nodepool.yaml");
        if (!Files.isDirectory(Path.of(dir))) {
          throw new JobFailure(
              "The build is refused: elements-dir (in nodepool.yaml) names %s, which is no directory."
                  .formatted(dir));
        }
      }
    }
  }

  /** Its scripts do not quote all their paths. */
  static void path(String path, String origin) {
    if (UNFIT_FOR_SCRIPTS.matcher(path).find()) {
      throw new JobFailure(
          ("The build is refused: diskimage-builder cannot work with blanks or shell characters in a"
                  + " path: %s (%s).")
              .formatted(path, origin));
    }
  }

  private static Map<String, String> orderedMap(String... keysAndValues) {
    Map<String, String> map = new LinkedHashMap<>();
    for (int i = 0; i < keysAndValues.length; i += 2) {
      map.put(keysAndValues[i], keysAndValues[i + 1]);
    }
    return map;
  }
}
