package org.nodepool.ssh;

import java.io.IOException;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.nodepool.FreePort;
import org.nodepool.Poll;
import org.nodepool.programs.Program;
import org.nodepool.programs.Running;

/**
 * A real SSH server (dropbear) on an address of its own, as a node has it, with the users root and
 * tester. They, their homes and what sudo allows are seen in its mount namespace alone, and all
 * that they start ends with it.
 */
final class SshServer {
  private static final Duration LIMIT = Duration.ofMinutes(1);

  /** $1 is its directory, $2 where it listens. */
  private static final String START =
      """
      mount --bind "$1/passwd" /etc/passwd &&
      { [ ! -e "$1/sudoers" ] || mount --bind "$1/sudoers" /etc/sudoers; } &&
      exec dropbear -r "$1/hostkey" -p "$2" -F -E -s
      """;

  private final Path dir;
  private final Target target = new Target("127.99.7.1", FreePort.next());
  private Running running;

  /**
   * @param dir its own, empty
   */
  SshServer(Path dir) throws Exception {
    this.dir = dir;
    List<String> users = new ArrayList<>();
    for (String user : List.of("root:0", "tester:1000")) {
      String[] parts = user.split(":");
      Path ssh = Files.createDirectories(home(parts[0]).resolve(".ssh"));
      users.add("%1$s:*:%2$s:%2$s::%3$s:/bin/sh".formatted(parts[0], parts[1], ssh.getParent()));
    }
    Files.write(dir.resolve("passwd"), users);
    // tester goes through it to its home
    Files.setPosixFilePermissions(dir, PosixFilePermissions.fromString("rwxr-xr-x"));
    makeHostKey();
  }

  private Path home(String user) {
    return dir.resolve("home-" + user);
  }

  Target target() {
    return target;
  }

  /** These lines, and no others, let the user in. */
  SshServer lettingIn(String user, String... keys) throws IOException {
    Files.write(home(user).resolve(".ssh/authorized_keys"), List.of(keys));
    return this;
  }

  /** What sudo allows tester; else nothing is. */
  SshServer withSudo(String rule) throws IOException {
    Path sudoers = dir.resolve("sudoers");
    Files.writeString(sudoers, "root ALL=(ALL:ALL) ALL\n" + rule + "\n");
    Files.setPosixFilePermissions(sudoers, PosixFilePermissions.fromString("r--r-----"));
    return this;
  }

  /** As a machine does that is installed anew. */
  void makeHostKey() throws Exception {
    Path key = dir.resolve("hostkey");
    Files.deleteIfExists(key);
    String[] line = {"dropbearkey", "-t", "ed25519", "-f", key.toString()};
    if (new Program(List.of(line)).run(LIMIT) != 0) {
      throw new AssertionError("dropbearkey failed (package dropbear-bin)");
    }
  }

  /** The public part, as the machine prints it on its console. */
  String hostKey() throws Exception {
    Path said = dir.resolve("hostkey.said");
    String[] line = {"dropbearkey", "-y", "-f", dir.resolve("hostkey").toString()};
    new Program(List.of(line)).writingTo(said).run(LIMIT);
    return Files.readAllLines(said).stream()
        .filter(key -> key.startsWith("ssh-"))
        .findFirst()
        .orElseThrow();
  }

  SshServer start() throws IOException {
    running =
        new Program(
                List.of(
                    "unshare",
                    "--mount",
                    "--pid",
                    "--fork",
                    "--kill-child",
                    "--mount-proc",
                    "sh",
                    "-c",
                    START,
                    "sshd",
                    dir.toString(),
                    target.ip() + ":" + target.port()))
            // it hands LANG on
            .withOnly(Map.of("PATH", System.getenv("PATH")))
            .appendingTo(dir.resolve("log"))
            .endingWithUs()
            .start();
    Poll.until("it listens", this::listens);
    return this;
  }

  private boolean listens() throws IOException {
    if (!running.isAlive()) {
      throw new AssertionError("it ended: " + Files.readString(dir.resolve("log")));
    }
    try (var socket = new Socket(target.ip(), target.port())) {
      return socket.isConnected();
    } catch (IOException e) {
      return false;
    }
  }

  /** Ends the connections that there are, without a word; the server goes on. */
  void cutConnections() {
    ProcessHandle.of(running.pid()).stream()
        .flatMap(ProcessHandle::children)
        .flatMap(ProcessHandle::children)
        .forEach(ProcessHandle::destroyForcibly);
  }

  void close() throws Exception {
    if (running != null) {
      running.kill();
      running.end(LIMIT);
    }
  }
}
