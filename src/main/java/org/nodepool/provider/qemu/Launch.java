package org.nodepool.provider.qemu;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.nodepool.config.DriverConfig.Listen;
import org.nodepool.config.DriverConfig.Qemu;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Failpoint;
import org.nodepool.programs.Program;
import org.nodepool.programs.Running;
import org.nodepool.provider.Compute.NewServer;

/** Starts machines. Every method blocks. */
final class Launch {
  /** Of an image that does not say how much it needs. */
  private static final int USUAL_RAM_MIB = 512;

  /**
   * Not 22: a node there would keep an sshd of the host's, that listens everywhere, from starting.
   */
  private static final int SSH_PORT = 2222;

  static final String QEMU_IMG = "qemu-img";

  /** Of places of which another program was quicker to take each. */
  private static final int MOST_TRIES = 20;

  private static final Duration QEMU_IMG_LIMIT = Duration.ofMinutes(1);
  private static final Duration START_LIMIT = Duration.ofSeconds(30);
  private static final Duration ROOM_PAUSE = Duration.ofSeconds(5);
  private static final long PAUSE_MS = 20;

  private final String provider;
  private final Qemu config;
  private final Machines machines;
  private Accelerator accelerator;

  Launch(String provider, Qemu config, Machines machines) {
    this.provider = provider;
    this.config = config;
    this.machines = machines;
  }

  /** Looked for at the first use, by a program. */
  synchronized Accelerator accelerator() {
    if (accelerator == null) {
      accelerator = Accelerator.ofHost(config.runAs());
    }
    return accelerator;
  }

  private record Place(String address, int port) {}

  /** QEMU refused, or did not live; why is in its log. */
  private static final class Ended extends IOException {
    private static final long serialVersionUID = 1;

    private Ended(String message) {
      super(message);
    }
  }

  /**
   * Starts a machine; returns when its QEMU answers, so that its disks are open and its port is
   * bound.
   *
   * @param image a file in the provider's directory
   */
  MachineDirectory start(NewServer server, Path image) throws IOException {
    if (!Files.isRegularFile(image)) {
      throw new ProviderFailure(
          "Provider %s has no image %s any more.".formatted(provider, server.imageId()));
    }
    checkPrograms();
    int ramMib = server.ramMib() == null ? USUAL_RAM_MIB : server.ramMib();
    return HostLock.holding(() -> startAlone(server, image, ramMib));
  }

  private MachineDirectory startAlone(NewServer server, Path image, int ramMib) throws IOException {
    List<MachineDirectory> there = machines.all();
    checkRoom(there.size(), ramMib);
    Set<Place> taken = new HashSet<>();
    there.forEach(each -> each.machine().map(Launch::place).ifPresent(taken::add));
    for (int tries = 0; tries < MOST_TRIES; tries++) {
      Place place =
          places()
              .filter(candidate -> !taken.contains(candidate) && isFree(candidate))
              .findFirst()
              .orElseThrow(() -> noRoom("no address and port is free"));
      Optional<MachineDirectory> started = start(server, image, ramMib, place);
      if (started.isPresent()) {
        return started.get();
      }
      taken.add(place);
    }
    throw noRoom("others take each address and port that was free");
  }

  private void checkPrograms() {
    String path = System.getenv().getOrDefault("PATH", "");
    Stream<String> needed = Stream.of(QemuCommand.PROGRAM, QEMU_IMG);
    (config.isOut() ? Stream.concat(needed, Stream.of(Outside.PROGRAM)) : needed)
        .filter(program -> !Program.isInstalled(program, path))
        .findFirst()
        .ifPresent(
            program -> {
              throw new ProviderFailure(
                  "%s is not installed on this host. As root, run './run.sh --setup'."
                      .formatted(program));
            });
  }

  private static Place place(Machine machine) {
    return new Place(machine.address(), machine.port());
  }

  private void checkRoom(int there, int ramMib) throws IOException {
    if (config.maxServers() != null && there >= config.maxServers()) {
      throw noRoom(
          config.maxServers() <= 0
              ? "max-servers is %d, so no server is started".formatted(config.maxServers())
              : "all %d servers that it may have (max-servers) are there".formatted(there));
    }
    long wanted = ramMib + accelerator().overheadMib();
    long free = HostMemory.freeMib(accelerator());
    if (wanted > free) {
      throw noRoom("a server takes %d MiB of memory, and %d MiB are free".formatted(wanted, free));
    }
  }

  private ProviderAway noRoom(String why) {
    return new ProviderAway(
        "Provider %s has no room: %s.".formatted(provider, why), null, ROOM_PAUSE);
  }

  /** The lowest ones first. */
  private Stream<Place> places() {
    Listen listen = config.listen();
    return listen == null
        ? IntStream.range(0, 250 * 250)
            .mapToObj(i -> new Place("127.64.%d.%d".formatted(i / 250, i % 250 + 2), SSH_PORT))
        : IntStream.rangeClosed(listen.firstPort(), listen.lastPort())
            .mapToObj(port -> new Place(listen.address(), port));
  }

  /** Only the system knows what other programs use. */
  private static boolean isFree(Place place) {
    try (ServerSocket socket = new ServerSocket()) {
      socket.setReuseAddress(true);
      socket.bind(new InetSocketAddress(InetAddress.getByName(place.address()), place.port()));
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /** Empty when somebody else was quicker to take the place. */
  private Optional<MachineDirectory> start(NewServer server, Path image, int ramMib, Place place)
      throws IOException {
    Machine machine =
        new Machine(
            server.name(),
            server.imageId(),
            ramMib,
            place.address(),
            place.port(),
            server.mark(),
            Instant.now());
    MachineDirectory directory = machines.make(machine);
    boolean isStarted = false;
    try {
      prepare(directory, server, image);
      if (config.isOut()) {
        Outside.start(directory, machine, config.runAs());
      }
      run(directory, machine);
      isStarted = true;
      return Optional.of(directory);
    } catch (IOException e) {
      directory.kill();
      if (!isFree(place)) {
        return Optional.empty();
      }
      if (e instanceof Ended) {
        throw new ProviderFailure(
            "Provider %s cannot start a server: %s".formatted(provider, e.getMessage()));
      }
      throw e;
    } finally {
      if (!isStarted) {
        directory.kill();
        machines.remove(directory);
      }
    }
  }

  private void prepare(MachineDirectory directory, NewServer server, Path image)
      throws IOException {
    Files.createDirectory(directory.path().resolve("run"));
    // the image may go while machines run on it: a link of our own keeps the file
    try {
      Files.createLink(directory.base(), image);
    } catch (UnsupportedOperationException | FileSystemException e) {
      Files.copy(image, directory.base());
    }
    qemuImg(
        directory, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "base.qcow2", "disk.qcow2");
    directory.writeConfigDrive(server.name(), server.publicKey());
    Files.createFile(directory.console().file());
    if (config.runAs() != null) {
      // never the base, which is the image itself: no machine may change that
      for (Path own :
          List.of(directory.path().resolve("run"), directory.disk(), directory.console().file())) {
        Users.give(own, config.runAs());
      }
    }
  }

  /** Runs qemu-img in the machine's directory. */
  static void qemuImg(MachineDirectory directory, String... arguments) throws IOException {
    List<String> line = Stream.concat(Stream.of(QEMU_IMG), Stream.of(arguments)).toList();
    int status;
    try {
      status =
          new Program(line).in(directory.path()).writingTo(directory.log()).run(QEMU_IMG_LIMIT);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
    if (status != 0) {
      throw new IOException("qemu-img %s: %s".formatted(arguments[0], directory.complaint()));
    }
  }

  private void run(MachineDirectory directory, Machine machine) throws IOException {
    List<String> line =
        QemuCommand.of(directory.uuid(), machine, accelerator(), config.runAs(), config.isOut());
    Failpoint.START_SERVER.before();
    Running qemu = new Program(line).in(directory.path()).writingTo(directory.log()).start();
    Failpoint.START_SERVER.after();
    long end = System.nanoTime() + START_LIMIT.toNanos();
    while (!answers(qemu.pid())) {
      if (!qemu.isAlive()) {
        throw new Ended("QEMU ended: " + directory.complaint());
      }
      if (System.nanoTime() > end) {
        throw new IOException("QEMU did not answer within " + START_LIMIT.toSeconds() + " s");
      }
      Pauses.pause(PAUSE_MS);
    }
  }

  private static boolean answers(long pid) {
    try {
      ControlSocket.execute(pid, "query-status");
      return true;
    } catch (IOException e) {
      return false;
    }
  }
}
