package org.nodepool.provider.qemu;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The directory of one machine, {@code servers/<uuid>}: {@code server} (what it is), {@code
 * base.qcow2} (the image, a hard link), {@code disk.qcow2} (what differs from it), {@code config}
 * (the config drive), {@code console.log} (the serial port), {@code qemu.log}, {@code run/control},
 * and {@code net} for one that goes out.
 *
 * @param uuid also the machine's, and its external id
 */
record MachineDirectory(Path path, String uuid) {
  static final String CONTROL_SOCKET = "run/control";

  private static final String SERVER = "server";
  private static final Duration DEATH_LIMIT = Duration.ofSeconds(10);
  private static final long PAUSE_MS = 10;

  /** What the machine is; empty when that cannot be read. */
  Optional<Machine> machine() {
    try {
      return Machine.of(Files.readString(path.resolve(SERVER)));
    } catch (IOException | UncheckedIOException e) {
      return Optional.empty();
    }
  }

  void write(Machine machine) throws IOException {
    Files.writeString(path.resolve(SERVER), machine.toJson());
  }

  Path base() {
    return path.resolve("base.qcow2");
  }

  Path disk() {
    return path.resolve("disk.qcow2");
  }

  Path log() {
    return path.resolve("qemu.log");
  }

  Console console() {
    return new Console(path.resolve("console.log"), path.resolve("console.before"));
  }

  /** The config drive, as OpenStack's are. */
  void writeConfigDrive(String name, String publicKey) throws IOException {
    Path latest = Files.createDirectories(path.resolve("config/openstack/latest"));
    JsonObject meta =
        new JsonObject()
            .put("uuid", uuid)
            .put("hostname", name)
            .put("name", name)
            .put("public_keys", new JsonObject().put("nodepool", publicKey + "\n"));
    Path file = latest.resolve("meta_data.json");
    Files.writeString(file, meta.encode());
    // whoever the machine runs as
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
    try (Stream<Path> directories = Files.walk(path.resolve("config"))) {
      for (Path directory : (Iterable<Path>) directories.filter(Files::isDirectory)::iterator) {
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
      }
    }
  }

  /**
   * The machine's process. Only the table of processes knows: a number that was noted may be
   * another's by now, or a lie of the machine's.
   */
  Optional<HostProcesses.Found> process() throws IOException {
    return HostProcesses.all(this::isOurs).stream().findFirst();
  }

  private boolean isOurs(HostProcesses.Found process) {
    return QemuCommand.uuidOf(process).filter(uuid::equals).isPresent();
  }

  boolean isRunning() throws IOException {
    return process().isPresent();
  }

  /** The last line that QEMU said, for people. */
  String complaint() throws IOException {
    return lastLine(log());
  }

  /** Of the last 16 kB; empty when nothing was said. */
  static String lastLine(Path log) throws IOException {
    return new String(Console.end(log, 16_000), UTF_8)
        .lines()
        .map(String::strip)
        .filter(line -> !line.isEmpty())
        .reduce("", (before, line) -> line);
  }

  /** Ends what runs of it. Blocks until it has ended, a few seconds at most. */
  void kill() throws IOException {
    long end = System.nanoTime() + DEATH_LIMIT.toNanos();
    while (true) {
      var ours = HostProcesses.all(process -> isOurs(process) || Outside.isOf(this).test(process));
      if (ours.isEmpty()) {
        return;
      }
      if (System.nanoTime() > end) {
        throw new IOException("process %d does not end".formatted(ours.get(0).pid()));
      }
      ours.forEach(process -> process.handle().destroyForcibly());
      Pauses.pause(PAUSE_MS);
    }
  }

  /** Removes all its files, and what is in it; no link is followed. */
  static void remove(Path directory) throws IOException {
    Files.walkFileTree(
        directory,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.deleteIfExists(file);
            return FileVisitResult.CONTINUE;
          }

          /** Another process removes it, too. */
          @Override
          public FileVisitResult visitFileFailed(Path file, IOException failure)
              throws IOException {
            if (failure instanceof NoSuchFileException) {
              return FileVisitResult.CONTINUE;
            }
            throw failure;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path dir, IOException failure)
              throws IOException {
            if (failure != null && !(failure instanceof NoSuchFileException)) {
              throw failure;
            }
            Files.deleteIfExists(dir);
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
