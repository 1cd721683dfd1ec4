package org.nodepool.jobs.build;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.nodepool.config.PoolConfig;
import org.nodepool.config.PoolConfig.DiskImage;
import org.nodepool.jobs.SecretMask;
import org.nodepool.jobs.run.JobRun;
import org.nodepool.jobs.run.Remains;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.DibFile;
import org.nodepool.model.DibImage;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.programs.Program;
import org.nodepool.programs.Running;

/**
 * Runs disk-image-create, in a process group and a temporary directory of its own. Blocks for as
 * long as a build takes; every build has its own thread.
 */
public final class DiskImageBuilder {
  /** For these disk-image-create writes no checksum files; ours are all there is. */
  private static final Set<String> WITHOUT_CHECKSUM_FILES = Set.of("tar", "tgz", "squashfs");

  private static final long OUTPUT_DRAIN_SECONDS = 5;

  private final Path buildsDir;
  private final String host;
  private final BuildCommand command;

  /**
   * @param buildsDir for the builds' own directories
   * @param cacheDir diskimage-builder's
   * @param host recorded with the files
   * @param environment the service's
   */
  public DiskImageBuilder(
      Path buildsDir, Path cacheDir, String host, Map<String, String> environment) {
    this.buildsDir = buildsDir;
    this.host = host;
    this.command = new BuildCommand(cacheDir, environment);
  }

  /**
   * Builds the image and verifies every file. They are not in their place before {@link #publish}.
   *
   * @param types the formats asked for, at least one
   * @return the verified files, in the order of {@code types}
   * @throws JobFailure why it failed, or was stopped; {@link #sweep} is still to be called
   */
  List<DibFile> build(DibImage image, PoolConfig config, List<String> types, JobRun run)
      throws IOException, InterruptedException {
    DiskImage diskImage = config.diskImages().get(image.imageName());
    Path file = Path.of(image.filename());
    BuildChecks.programs(command.path());
    BuildChecks.directories(file.getParent(), config);

    String tmpParent = diskImage.envVars().get("TMPDIR");
    if (tmpParent == null) {
      BuildChecks.path(buildsDir.toString(), "state_dir, in api.yaml");
    } else {
      BuildChecks.path(tmpParent, "TMPDIR in the env-vars");
      if (!Path.of(tmpParent).isAbsolute()) {
        throw new JobFailure("The build is refused: TMPDIR in the env-vars must be absolute.");
      }
    }
    BuildSpace space = BuildSpace.of(buildsDir, run.job().attemptUuid());
    Failpoint.MAKE_SPACE.before();
    space.create(file.getParent(), tmpParent == null ? null : Path.of(tmpParent));
    Failpoint.MAKE_SPACE.after();
    Path draft = space.images().resolve(file.getFileName());
    List<String> line = BuildCommand.line(diskImage, draft, types);
    Map<String, String> variables = command.variables(image, diskImage, config, space.tmp());
    Program program = new Program(line).withOnly(variables).in(space.tmp()).read();
    run.log().note("starting " + String.join(" ", line));
    BuildOutput output = execute(program, space, new SecretMask(variables), run);
    checkGoesOn(run);
    run.progress(1.0, "verify");
    List<DibFile> files = new ArrayList<>();
    for (String type : types) {
      files.add(verify(image, draft, type, output));
      checkGoesOn(run);
    }
    return files;
  }

  private static void checkGoesOn(JobRun run) {
    run.stopped()
        .ifPresent(
            stop -> {
              throw new JobFailure(stop.reason());
            });
  }

  private BuildOutput execute(Program program, BuildSpace space, SecretMask mask, JobRun run)
      throws IOException, InterruptedException {
    checkGoesOn(run);
    Failpoint.START_BUILD.before();
    Running running = program.start();
    Failpoint.START_BUILD.after();
    BuildOutput output = new BuildOutput(running.output(), mask, run);
    Thread reader = new Thread(output, "build-output-" + run.job().id());
    reader.setDaemon(true);
    reader.start();
    try {
      space.noteProcessGroup(running.pid());
      run.onStop(running::kill);
      int status = running.end();
      run.log().note("disk-image-create ended with exit status " + status);
      reader.join(TimeUnit.SECONDS.toMillis(OUTPUT_DRAIN_SECONDS));
      if (status != 0 && run.stopped().isEmpty()) {
        throw new JobFailure(failure(status, output));
      }
    } finally {
      run.onStop(() -> {});
      if (running.isAlive()) {
        running.kill();
      }
    }
    return output;
  }

  private static String failure(int status, BuildOutput output) {
    String where = output.phase() == null ? "" : " in phase " + output.phase();
    String why = output.telling().isEmpty() ? "it printed nothing" : output.telling();
    return "disk-image-create ended with exit status %d%s: %s".formatted(status, where, why);
  }

  /**
   * Puts the verified files in their place; in the transaction that makes the image ready, for
   * before that nobody may see them. Can be done again. Blocks, for as long as a few files are
   * renamed.
   */
  void publish(Job job) throws IOException {
    Failpoint.PUBLISH_IMAGES.before();
    BuildSpace.of(buildsDir, job.attemptUuid()).publish();
    Failpoint.PUBLISH_IMAGES.after();
  }

  /**
   * Removes what an attempt left: processes, mounts, loop devices, its temporary directory, its
   * images. Right after any end but success, also one of another process. Blocks.
   */
  void sweep(Remains remains) throws IOException, InterruptedException {
    BuildSpace space = BuildSpace.of(remains.buildsDir(), remains.uuid());
    Failpoint.SWEEP_BUILD.before();
    try {
      space.sweep();
    } finally {
      space.removeImages();
    }
    space.remove();
    Failpoint.SWEEP_BUILD.after();
  }

  /** Removes what a successful attempt no longer needs, and keeps its images. Blocks. */
  void settle(Remains remains) throws IOException, InterruptedException {
    BuildSpace space = BuildSpace.of(remains.buildsDir(), remains.uuid());
    Failpoint.SETTLE_BUILD.before();
    space.sweepAfterSuccess();
    space.removeImagesDir();
    space.remove();
    Failpoint.SETTLE_BUILD.after();
  }

  /** What there is of builds, by the uuid of the attempt. Blocks. */
  List<String> spaces() throws IOException {
    return BuildSpace.all(buildsDir).stream().map(BuildSpace::uuid).toList();
  }

  /**
   * Removes a build that no attempt accounts for, all but images that are in their place. Blocks.
   */
  void sweepUnknown(String uuid) throws IOException, InterruptedException {
    BuildSpace space = BuildSpace.of(buildsDir, uuid);
    space.sweep();
    space.removeImagesDir();
    space.remove();
  }

  private DibFile verify(DibImage image, Path draft, String type, BuildOutput output)
      throws IOException {
    Path file = Path.of(draft + "." + type);
    if (!Files.isRegularFile(file) || Files.size(file) == 0) {
      throw new JobFailure(
          "disk-image-create ended well but made no %s file: %s".formatted(type, output.telling()));
    }
    String sha256 = ImageFiles.sha256(file);
    Path checksum = Path.of(file + ".sha256");
    if (Files.exists(checksum)) {
      String said = Files.readString(checksum).strip().split("\\s+")[0];
      if (!said.equalsIgnoreCase(sha256)) {
        throw new JobFailure(
            "The %s file has SHA-256 %s, its checksum file says %s.".formatted(type, sha256, said));
      }
      for (String algorithm : List.of("md5", "sha256")) {
        nameInPlace(Path.of(file + "." + algorithm), file, image.filename() + "." + type);
      }
    } else if (!WITHOUT_CHECKSUM_FILES.contains(type)) {
      throw new JobFailure("disk-image-create made no checksum of the %s file.".formatted(type));
    }
    ImageFiles.sync(file);
    return new DibFile(image.id(), host, type, Files.size(file), sha256);
  }

  /** A checksum file names what it is of, for {@code sha256sum -c}. */
  private static void nameInPlace(Path checksum, Path draft, String place) throws IOException {
    if (Files.exists(checksum)) {
      String text = Files.readString(checksum);
      Files.writeString(checksum, text.replace(draft.toString(), place));
    }
  }
}
