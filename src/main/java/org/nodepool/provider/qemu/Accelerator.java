package org.nodepool.provider.qemu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.nodepool.programs.Program;

/** How QEMU runs a guest's processor: by the host's, or in software. */
enum Accelerator {
  KVM(List.of("-accel", "kvm", "-cpu", "host"), 0),
  /** Its buffer of translated code would grow to 1 GiB by itself. */
  TCG(List.of("-accel", "tcg,tb-size=32", "-cpu", "max"), 60);

  private static final Pattern EXTENSIONS = Pattern.compile("(?m)^flags\\b.*\\b(vmx|svm)\\b");

  private static final Duration LIMIT = Duration.ofSeconds(10);

  private final List<String> options;
  private final int overheadMib;

  Accelerator(List<String> options, int overheadMib) {
    this.options = options;
    this.overheadMib = overheadMib;
  }

  List<String> options() {
    return options;
  }

  /** What a machine takes beyond its guest's memory. */
  int overheadMib() {
    return overheadMib;
  }

  /**
   * The host's. That /dev/kvm opens proves nothing: there are hosts on which it does, a machine is
   * made, and its kernel never starts. The flags of the processor tell.
   *
   * @param runAs who is to use it; null: whoever the service is
   */
  static Accelerator ofHost(String runAs) {
    try {
      boolean has = EXTENSIONS.matcher(Files.readString(Path.of("/proc/cpuinfo"))).find();
      return has && mayUse(runAs) ? KVM : TCG;
    } catch (IOException e) {
      return TCG;
    }
  }

  private static boolean mayUse(String user) throws IOException {
    List<String> line = new ArrayList<>(Users.as(user, false));
    line.addAll(List.of("test", "-r", "/dev/kvm", "-a", "-w", "/dev/kvm"));
    try {
      return new Program(line).run(LIMIT) == 0;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
