package org.nodepool.jobs;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What one attempt at a build has on the disk, noted in a directory of its own before it is made,
 * so that it is found again whatever dies:
 *
 * <pre>
 * tmp     the build's temporary directory, or a link to it when env-vars set TMPDIR
 * images  the path of the images without extension
 * pgid    the process group
 * sweep.log  what the sweep said
 * </pre>
 */
final class BuildSpace {
  private static final Logger log = LoggerFactory.getLogger(BuildSpace.class);

  private static final Duration SWEEP_LIMIT = Duration.ofMinutes(1);

  private final Path dir;

  private BuildSpace(Path dir) {
    this.dir = dir;
  }

  static BuildSpace of(Path buildsDir, String attemptUuid) {
    return new BuildSpace(buildsDir.resolve(attemptUuid));
  }

  /** Every space below that directory. */
  static List<BuildSpace> all(Path buildsDir) throws IOException {
    if (!Files.isDirectory(buildsDir)) {
      return List.of();
    }
    try (Stream<Path> dirs = Files.list(buildsDir)) {
      return dirs.map(BuildSpace::new).toList();
    }
  }

  /**
   * Makes the space, empty.
   *
   * @param tmpParent where the temporary directory is to lie; null for in the space itself
   */
  void create(Path imageFile, Path tmpParent) throws IOException {
    Files.createDirectories(dir);
    Files.writeString(dir.resolve("images"), imageFile.toString(), StandardCharsets.UTF_8);
    if (tmpParent == null) {
      Files.createDirectory(dir.resolve("tmp"));
    } else {
      Path tmp = tmpParent.resolve("nodepool-" + dir.getFileName());
      Files.createSymbolicLink(dir.resolve("tmp"), tmp);
      Files.createDirectories(tmp);
    }
  }

  /** The temporary directory, as the system names it in the tables of mounts. */
  Path tmp() throws IOException {
    return dir.resolve("tmp").toRealPath();
  }

  void noteProcessGroup(long pgid) throws IOException {
    Files.writeString(dir.resolve("pgid"), Long.toString(pgid), StandardCharsets.UTF_8);
  }

  /**
   * Kills what still runs, unmounts, detaches, removes the temporary directory. Does nothing where
   * there is no such space. Blocks, some seconds at the worst.
   */
  void sweep() throws IOException, InterruptedException {
    Path tmp = dir.resolve("tmp");
    if (!Files.isDirectory(tmp)) {
      return;
    }
    Path pgid = dir.resolve("pgid");
    Path said = dir.resolve("sweep.log");
    Process process =
        new ProcessBuilder(
                "bash",
                "-s",
                "--",
                tmp.toRealPath().toString(),
                Files.exists(pgid) ? Files.readString(pgid) : "")
            .redirectErrorStream(true)
            .redirectOutput(said.toFile())
            .start();
    try (var in = process.getOutputStream();
        var script = BuildSpace.class.getResourceAsStream("/dib-sweep.sh")) {
      script.transferTo(in);
    }
    if (!process.waitFor(SWEEP_LIMIT.toSeconds(), TimeUnit.SECONDS)) {
      process.destroyForcibly();
      throw new IOException("the sweep of %s took more than %s".formatted(tmp, SWEEP_LIMIT));
    }
    String text = Files.readString(said).strip().replace("\n", "; ");
    if (process.exitValue() != 0) {
      throw new IOException("the leftovers of a build could not be removed: " + text);
    }
    if (!text.isEmpty()) {
      log.info("swept {}: {}", tmp, text);
    }
  }

  /** As {@link #sweep}, and quick when the build has cleaned up after itself. Blocks. */
  void sweepAfterSuccess() throws IOException, InterruptedException {
    String below = tmp() + "/";
    try (Stream<String> mounts = Files.lines(Path.of("/proc/mounts"))) {
      if (mounts.noneMatch(mount -> mount.contains(" " + below))) {
        ImageFiles.deleteTree(tmp());
        return;
      }
    }
    sweep();
  }

  /** Removes the images, whole or partial. */
  void removeImages() throws IOException {
    Path images = dir.resolve("images");
    if (Files.exists(images)) {
      ImageFiles.delete(Path.of(Files.readString(images, StandardCharsets.UTF_8)));
    }
  }

  /** Forgets the space, after a sweep. */
  void remove() throws IOException {
    if (Files.isDirectory(dir)) {
      ImageFiles.deleteTree(dir);
    }
  }
}
