package org.nodepool.provider.qemu;

import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;
import org.nodepool.model.AttemptEnd.ProviderFailure;

/**
 * The machines of one provider, by their directories. One is there whole or not at all: it is made
 * under a name that is no machine's, and gets such a name before it goes.
 */
final class Machines {
  private static final Pattern UUID_TEXT =
      Pattern.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");

  /** Of one that is being made, or removed. */
  private static final String HALF = ".half-";

  private final Path servers;

  /**
   * @param directory the provider's
   */
  Machines(Path directory) {
    this.servers = directory.resolve("servers");
  }

  /** Those that are there, by uuid. */
  List<MachineDirectory> all() throws IOException {
    List<MachineDirectory> all = new ArrayList<>();
    try (DirectoryStream<Path> directories = Files.newDirectoryStream(servers)) {
      for (Path directory : directories) {
        String name = directory.getFileName().toString();
        if (UUID_TEXT.matcher(name).matches()) {
          all.add(new MachineDirectory(directory, name));
        }
      }
    } catch (NoSuchFileException e) {
      // no machine was ever made
    }
    all.sort(Comparator.comparing(MachineDirectory::uuid));
    return all;
  }

  /**
   * The place of the machine of that id, which need not be there.
   *
   * @throws ProviderFailure when it is no id of a machine: it comes from a row
   */
  MachineDirectory of(String externalId) {
    if (!UUID_TEXT.matcher(externalId).matches()) {
      throw new ProviderFailure(
          "'%s' is not the id of a server of this host."
              .formatted(externalId.replaceAll("\\p{Cntrl}", "?")));
    }
    return new MachineDirectory(servers.resolve(externalId), externalId);
  }

  /** The machine of that id, if it is there. */
  Optional<MachineDirectory> find(String externalId) {
    return Optional.of(of(externalId)).filter(found -> Files.isDirectory(found.path()));
  }

  /** Makes the directory of a new machine, which is all that there is of it. */
  MachineDirectory make(Machine machine) throws IOException {
    Files.createDirectories(servers);
    sweepHalves();
    String uuid = UUID.randomUUID().toString();
    Path half = Files.createDirectory(servers.resolve(HALF + uuid));
    try {
      new MachineDirectory(half, uuid).write(machine);
      // others, whom it may run as, look up no more than what they know the name of
      Files.setPosixFilePermissions(half, PosixFilePermissions.fromString("rwx--x--x"));
      return new MachineDirectory(
          Files.move(half, servers.resolve(uuid), StandardCopyOption.ATOMIC_MOVE), uuid);
    } catch (IOException e) {
      try {
        MachineDirectory.remove(half);
      } catch (IOException left) { // it goes with the next start
        e.addSuppressed(left);
      }
      throw e;
    }
  }

  /** Removes a machine, which has ended; fine when it is not there. */
  void remove(MachineDirectory machine) throws IOException {
    Path half = servers.resolve(HALF + UUID.randomUUID());
    try {
      Files.move(machine.path(), half, StandardCopyOption.ATOMIC_MOVE);
    } catch (NoSuchFileException e) {
      return;
    } catch (AtomicMoveNotSupportedException e) { // somebody mounted something there
      throw new IOException(
          "%s is not a directory of this file system".formatted(machine.uuid()), e);
    }
    MachineDirectory.remove(half);
  }

  /** Of processes that were killed. To be called under the host's lock. */
  private void sweepHalves() throws IOException {
    try (DirectoryStream<Path> halves = Files.newDirectoryStream(servers, HALF + "*")) {
      for (Path half : halves) {
        MachineDirectory.remove(half);
      }
    }
  }
}
