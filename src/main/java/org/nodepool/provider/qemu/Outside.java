package org.nodepool.provider.qemu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.nodepool.programs.Program;
import org.nodepool.programs.Running;

/**
 * The way of a machine to what is outside of this host, a {@code passt} of its own. Without the
 * mapping of its gateway it has no way to this host's loopback, which QEMU's own network shows to
 * every guest. It ends when the machine has.
 */
final class Outside {
  static final String PROGRAM = "passt";
  static final String NETDEV = "stream,id=net,server=off,addr.type=unix,addr.path=net/socket";

  /** Whom passt becomes when it is started by root, and is not told otherwise. */
  private static final String NOBODY = "nobody";

  private static final Duration LIMIT = Duration.ofSeconds(10);
  private static final long PAUSE_MS = 10;

  private Outside() {}

  /**
   * Starts it; returns when it listens. Blocks.
   *
   * @param runAs null: whoever the service is
   * @throws IOException when it does not start; the file {@code net.log} says why
   */
  static void start(MachineDirectory directory, Machine machine, String runAs) throws IOException {
    Path own = Files.createDirectory(directory.path().resolve("net"));
    String user = runAs != null ? runAs : NOBODY;
    boolean isRoot = Users.isRoot();
    if (isRoot) {
      Users.give(own, user);
    }
    List<String> line =
        new ArrayList<>(
            List.of(
                PROGRAM,
                "--foreground",
                "--one-off",
                "--no-map-gw",
                "--socket",
                "net/socket",
                "--pid",
                pidFile(directory),
                "-t",
                "%s/%d:22".formatted(machine.address(), machine.port())));
    if (isRoot) {
      line.addAll(List.of("--runas", user));
    }
    Running passt =
        new Program(line)
            .in(directory.path())
            .appendingTo(directory.path().resolve("net.log"))
            .start();
    long end = System.nanoTime() + LIMIT.toNanos();
    while (Files.notExists(own.resolve("socket"))) {
      if (!passt.isAlive() || System.nanoTime() > end) {
        passt.kill();
        throw new IOException(
            "%s did not start: %s"
                .formatted(
                    PROGRAM, MachineDirectory.lastLine(directory.path().resolve("net.log"))));
      }
      Pauses.pause(PAUSE_MS);
    }
  }

  /** Whether a process is that of this machine. The file's path tells, even if there is none. */
  static Predicate<HostProcesses.Found> isOf(MachineDirectory directory) {
    return process ->
        process.has("--pid", pidFile(directory)) && process.program().startsWith(PROGRAM);
  }

  private static String pidFile(MachineDirectory directory) {
    return directory.path().resolve("net/pid").toString();
  }
}
