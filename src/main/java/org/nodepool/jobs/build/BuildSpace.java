package org.nodepool.jobs.build;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.programs.Program;
import org.nodepool.programs.Running;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What one attempt at a build has on the disk, noted in a directory of its own before it is made,
 * so that it is found again whatever dies:
 *
 * <pre>
 * tmp        the build's temporary directory, or a link to it when env-vars set TMPDIR
 * images     the path of the directory of this attempt alone into which the images are written
 * pgid       the process group
 * published  what was moved from there to its place: a file's key and path on each line
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

  /** The attempt's uuid. */
  String uuid() {
    return dir.getFileName().toString();
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
   * @param imagesDir below it, and so on the same file system, the images are written; it exists
   * @param tmpParent where the temporary directory is to lie; null for in the space itself
   * @throws JobFailure if nothing can be made in {@code imagesDir}
   */
  void create(Path imagesDir, Path tmpParent) throws IOException {
    Files.createDirectories(dir);
    Path images = imagesDir.resolve(imagesName());
    Files.writeString(dir.resolve("images"), images.toString(), StandardCharsets.UTF_8);
    try {
      Files.createDirectory(images);
    } catch (IOException e) {
      throw BuildChecks.cannotBeWritten(imagesDir, e);
    }
    if (tmpParent == null) {
      Files.createDirectory(dir.resolve("tmp"));
    } else {
      Path tmp = tmpParent.resolve("nodepool-" + dir.getFileName());
      Files.createSymbolicLink(dir.resolve("tmp"), tmp);
      Files.createDirectories(tmp);
    }
  }

  /** Where the images are written. */
  Path images() throws IOException {
    return Path.of(Files.readString(dir.resolve("images"), StandardCharsets.UTF_8));
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
    String group = Files.exists(pgid) ? Files.readString(pgid) : "";
    Running sweep =
        new Program(List.of("bash", "-s", "--", tmp.toRealPath().toString(), group))
            .fed()
            .writingTo(said)
            .start();
    try (var in = sweep.input();
        var script = BuildSpace.class.getResourceAsStream("/dib-sweep.sh")) {
      script.transferTo(in);
    }
    int status = sweep.end(SWEEP_LIMIT);
    String text = Files.readString(said).strip().replace("\n", "; ");
    if (status != 0) {
      throw new IOException("the leftovers of a build could not be removed: " + text);
    }
    if (!text.isEmpty()) {
      log.info("swept {}: {}", tmp, text);
    }
  }

  /** As {@link #sweep}, and quick when the build has cleaned up after itself. Blocks. */
  void sweepAfterSuccess() throws IOException, InterruptedException {
    if (!Files.isDirectory(dir.resolve("tmp"))) {
      return;
    }
    String below = tmp() + "/";
    try (Stream<String> mounts = Files.lines(Path.of("/proc/mounts"))) {
      if (mounts.noneMatch(mount -> mount.contains(" " + below))) {
        ImageFiles.deleteTree(tmp());
        return;
      }
    }
    sweep();
  }

  /**
   * Moves every image to its place, beside the directory of this attempt; what is there already is
   * left, and is an error. What is moved is noted before.
   */
  void publish() throws IOException {
    Path images = images();
    List<Path> files;
    try (Stream<Path> entries = Files.list(images)) {
      files = entries.toList();
    }
    List<String> notes = new ArrayList<>();
    for (Path file : files) {
      notes.add("%s %s".formatted(key(file), place(file)));
    }
    Files.write(
        dir.resolve("published"), notes, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    for (Path file : files) {
      Files.move(file, place(file));
    }
    ImageFiles.sync(images.getParent());
  }

  private static Path place(Path file) {
    return file.getParent().resolveSibling(file.getFileName());
  }

  /** Device and inode: a file keeps them when it is moved. */
  private static String key(Path file) throws IOException {
    var attributes =
        Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    return String.valueOf(attributes.fileKey());
  }

  /** Removes the images of this attempt, whole or partial, wherever they are. */
  void removeImages() throws IOException {
    Path published = dir.resolve("published");
    if (Files.exists(published)) {
      for (String note : Files.readAllLines(published)) {
        String[] keyAndPath = note.split(" ", 2);
        Path file = Path.of(keyAndPath[keyAndPath.length - 1]);
        // another attempt may have put its own there
        if (Files.exists(file) && key(file).equals(keyAndPath[0])) {
          ImageFiles.deleteTree(file);
        }
      }
      Files.delete(published); // a key is used again for other files
    }
    removeImagesDir();
  }

  /** Removes what was not published. */
  void removeImagesDir() throws IOException {
    if (Files.notExists(dir.resolve("images"))) {
      return;
    }
    Path images = images();
    boolean isOurs = images.endsWith(imagesName()); // the note may be half-written
    if (isOurs && Files.isDirectory(images)) {
      ImageFiles.deleteTree(images);
    }
  }

  private String imagesName() {
    return ".nodepool-" + dir.getFileName();
  }

  /** Forgets the space, after a sweep. */
  void remove() throws IOException {
    if (Files.isDirectory(dir)) {
      ImageFiles.deleteTree(dir);
    }
  }
}
