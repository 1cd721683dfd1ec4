package org.nodepool.jobs.build;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.nodepool.config.PoolConfig;
import org.nodepool.config.PoolConfig.DiskImage;
import org.nodepool.model.DibImage;
import org.nodepool.programs.Environment;

/** How disk-image-create is called, and what it is given of the service's environment. */
final class BuildCommand {
  private static final String SYSTEM_PATH =
      "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

  private final Path cacheDir;
  private final Map<String, String> environment;

  /**
   * @param cacheDir diskimage-builder's
   * @param environment the service's
   */
  BuildCommand(Path cacheDir, Map<String, String> environment) {
    this.cacheDir = cacheDir;
    this.environment = environment;
  }

  /** Where programs are looked for, as in the variable PATH. */
  String path() {
    return environment.getOrDefault("PATH", "") + ":" + SYSTEM_PATH;
  }

  /**
   * The command line of Nodepool 0.1.0 with 0.4.0's checksums.
   *
   * @param file the image's path without extension
   */
  static List<String> line(DiskImage diskImage, Path file, List<String> types) {
    List<String> command = new ArrayList<>();
    command.addAll(List.of("disk-image-create", "-x", "-t", String.join(",", types)));
    command.addAll(List.of("--checksum", "--no-tmpfs"));
    if (types.contains("qcow2")) {
      command.addAll(List.of("--qemu-img-options", "compat=0.10"));
    }
    command.addAll(List.of("-o", file.toString()));
    command.addAll(diskImage.elements());
    return command;
  }

  /** All that the program is given, with the variables of nodepool.yaml. */
  Map<String, String> variables(DibImage image, DiskImage diskImage, PoolConfig config, Path tmp)
      throws IOException {
    Map<String, String> variables = Environment.inherited(environment);
    variables.put("PATH", path());
    // bash shows what is not ASCII as it is, and a secret can be found in it
    variables.putIfAbsent("LANG", "C.UTF-8");
    Files.createDirectories(cacheDir.resolve("lock"));
    variables.put("DIB_IMAGE_CACHE", cacheDir.toString());
    variables.put("DIB_LOCKFILES", cacheDir.resolve("lock").toString());
    if (!diskImage.release().isEmpty()) {
      variables.put("DIB_RELEASE", diskImage.release());
    }
    variables.put("DIB_IMAGE_NAME", image.imageName());
    variables.put("DIB_IMAGE_FILENAME", image.filename());
    if (config.elementsPath() != null) {
      variables.put("ELEMENTS_PATH", config.elementsPath());
    }
    if (config.scriptDir() != null) {
      variables.put("NODEPOOL_SCRIPTDIR", config.scriptDir().toString());
    }
    variables.putAll(diskImage.envVars());
    // diskimage-builder looks at both, and the sweep must know where it works
    variables.put("TMPDIR", tmp.toString());
    variables.put("TMP_DIR", tmp.toString());
    return variables;
  }
}
