package org.nodepool.provider.qemu;

import static java.util.stream.Collectors.toSet;

import io.vertx.core.Future;
import io.vertx.core.WorkerExecutor;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import org.nodepool.config.DriverConfig.Qemu;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Limits;
import org.nodepool.programs.Program;
import org.nodepool.programs.Running;
import org.nodepool.provider.CallNotes;
import org.nodepool.provider.Compute;
import org.nodepool.provider.Driver;
import org.nodepool.provider.ImageStore.NewImage;
import org.nodepool.provider.ImageStore.Observer;
import org.nodepool.provider.files.DirectoryImages;

/** The machines of a provider as its servers. */
final class QemuServers implements Compute {
  private static final Duration POWER_DOWN_LIMIT = Duration.ofMinutes(2);
  private static final Duration FLATTEN_LIMIT = Duration.ofMinutes(30);

  /** Of no other file than its own base, whatever it says itself. */
  private static final String DISK =
      "driver=qcow2,file.driver=file,file.filename=disk.qcow2,"
          + "backing.driver=qcow2,backing.file.driver=file,backing.file.filename=base.qcow2";

  private static final Duration LOOK = Duration.ofMillis(200);

  private final String provider;
  private final Qemu config;
  private final DirectoryImages images;
  private final Machines machines;
  private final Launch launch;
  private final WorkerExecutor executor;
  private final CallNotes notes;

  QemuServers(String provider, Qemu config, DirectoryImages images, Driver.Tools tools) {
    this.provider = provider;
    this.config = config;
    this.images = images;
    this.machines = new Machines(config.directory());
    this.launch = new Launch(provider, config, machines);
    this.executor = tools.executor();
    this.notes = tools.notes();
  }

  @Override
  public Future<Server> create(NewServer server) {
    return blocking(
        "start a server",
        () -> {
          Optional<MachineDirectory> earlier = earlier(server);
          if (earlier.isPresent() && earlier.get().isRunning()) {
            return server(earlier.get(), true);
          }
          if (earlier.isPresent()) { // it was cut off in the middle
            delete(earlier.get());
          }
          Failpoint.CREATE_SERVER.before();
          MachineDirectory started = launch.start(server, images.file(server.imageId()));
          Failpoint.CREATE_SERVER.after();
          return server(started, true);
        });
  }

  private Optional<MachineDirectory> earlier(NewServer server) throws IOException {
    return machines.all().stream()
        .filter(
            each ->
                each.machine()
                    .filter(m -> m.mark().equals(server.mark()) && m.name().equals(server.name()))
                    .isPresent())
        .findFirst();
  }

  @Override
  public Future<List<Server>> list() {
    return blocking(
        "list servers",
        () -> {
          List<Server> servers = new ArrayList<>();
          Set<String> running = running();
          for (MachineDirectory machine : machines.all()) {
            servers.add(server(machine, running.contains(machine.uuid())));
          }
          return servers;
        });
  }

  /** The uuids of the machines of this host that run. */
  private static Set<String> running() throws IOException {
    return HostProcesses.all(process -> QemuCommand.uuidOf(process).isPresent()).stream()
        .flatMap(process -> QemuCommand.uuidOf(process).stream())
        .collect(toSet());
  }

  private static Server server(MachineDirectory directory, boolean isRunning) {
    State state = isRunning ? State.RUNNING : State.ENDED;
    return directory
        .machine()
        .map(
            machine ->
                new Server(
                    directory.uuid(),
                    machine.name(),
                    machine.mark(),
                    state,
                    machine.address(),
                    machine.port(),
                    machine.created()))
        .orElseGet(() -> new Server(directory.uuid(), null, null, state, null, 0, null));
  }

  /** Cuts the consoles of all machines that have become too long. */
  Future<Void> boundConsoles() {
    return executor.executeBlocking(
        () -> {
          for (MachineDirectory machine : machines.all()) {
            machine.console().bound();
          }
          return null;
        },
        false);
  }

  @Override
  public Future<Void> delete(String externalId) {
    return blocking(
        "delete a server",
        () -> {
          Failpoint.DELETE_SERVER.before();
          delete(machines.of(externalId));
          Failpoint.DELETE_SERVER.after();
          return null;
        });
  }

  private void delete(MachineDirectory machine) throws IOException {
    machine.kill();
    machines.remove(machine);
  }

  @Override
  public Future<byte[]> console(String externalId) {
    return blocking("read a console", () -> there(externalId).console().end());
  }

  private MachineDirectory there(String externalId) {
    return machines
        .find(externalId)
        .orElseThrow(
            () ->
                new ProviderFailure(
                    "Provider %s has no server %s.".formatted(provider, externalId)));
  }

  @Override
  public Future<Void> snapshot(String externalId, NewImage image, Observer observer) {
    String imageId = images.externalId(image, "qcow2");
    return observer
        .created(imageId)
        .compose(
            v ->
                blocking(
                    "make an image of a server",
                    () -> {
                      MachineDirectory machine = there(externalId);
                      powerDown(machine, observer);
                      Path part =
                          images.begin(imageId, image, new JsonObject().put("type", "qcow2"));
                      Failpoint.TAKE_SNAPSHOT.before();
                      flatten(machine, part, observer);
                      Failpoint.TAKE_SNAPSHOT.after();
                      images.publish(imageId);
                      return null;
                    }));
  }

  /** By the power button, so that the guest writes what it has in mind. */
  private static void powerDown(MachineDirectory machine, Observer observer) throws IOException {
    observer.note("the server is shut down");
    HostProcesses.Found process =
        machine
            .process()
            .orElseThrow(
                () ->
                    new ProviderFailure(
                        "The server has ended by itself, and its disk may not be whole."));
    ControlSocket.execute(process.pid(), "system_powerdown");
    long end = System.nanoTime() + POWER_DOWN_LIMIT.toNanos();
    while (machine.isRunning()) {
      observer.checkGoesOn();
      if (System.nanoTime() > end) {
        throw new ProviderFailure(
            "The server did not shut down within %d s.".formatted(POWER_DOWN_LIMIT.toSeconds()));
      }
      Pauses.pause(LOOK.toMillis());
    }
  }

  /**
   * To a file without a backing one. As the user who ran the machine: he may have written into the
   * disk that it begins with another file of this host.
   */
  private void flatten(MachineDirectory machine, Path target, Observer observer)
      throws IOException {
    observer.note("its disk is copied");
    Path log = machine.path().resolve("flatten.log");
    Files.createFile(target);
    List<String> line = new ArrayList<>(Users.as(config.runAs(), false));
    if (config.runAs() != null) {
      Users.give(target, config.runAs());
    }
    line.addAll(List.of(Launch.QEMU_IMG, "convert", "--image-opts", DISK, "-O", "qcow2"));
    // as builds are made, for whoever reads them
    line.addAll(List.of("-o", "compat=0.10", target.toString()));
    Running copying = new Program(line).in(machine.path()).writingTo(log).endingWithUs().start();
    long end = System.nanoTime() + FLATTEN_LIMIT.toNanos();
    try {
      while (!copying.hasEnded(LOOK)) {
        observer.checkGoesOn();
        if (System.nanoTime() > end) {
          throw new ProviderFailure(
              "The disk was not copied within %d min.".formatted(FLATTEN_LIMIT.toMinutes()));
        }
      }
      if (copying.status() != 0) {
        throw new IOException("qemu-img convert: " + MachineDirectory.lastLine(log));
      }
      Users.give(target, Files.getOwner(machine.path()).getName());
      Launch.qemuImg(machine, "check", "-q", "-f", "qcow2", target.toString());
      try (FileChannel whole = FileChannel.open(target, StandardOpenOption.READ)) {
        whole.force(true);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    } finally {
      copying.kill();
    }
  }

  @Override
  public Future<Limits> limits() {
    return blocking(
        "count servers",
        () ->
            new Limits(
                config.maxServers() == null ? null : Math.max(0, config.maxServers()),
                machines.all().size(),
                HostMemory.totalMib(),
                HostMemory.usedMib(launch.accelerator())));
  }

  private <T> Future<T> blocking(String act, Callable<T> work) {
    return executor
        .executeBlocking(
            () -> {
              try {
                return work.call();
              } catch (IOException e) {
                throw new ProviderAway(
                    "Provider %s cannot %s: %s.".formatted(provider, act, e.getMessage()), e);
              }
            },
            false)
        .onSuccess(v -> notes.succeeded(provider))
        .onFailure(e -> notes.failed(provider, e.getMessage()));
  }
}
