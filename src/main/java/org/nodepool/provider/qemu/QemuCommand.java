package org.nodepool.provider.qemu;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The command line of a machine's QEMU. Its paths begin at the machine's directory. */
final class QemuCommand {
  static final String PROGRAM = "qemu-system-x86_64";
  private static final String UUID = "-uuid";

  /** Below it a port is for whom the system lets. */
  private static final int FIRST_FREE_PORT = 1024;

  /** The seccomp filter; with it QEMU starts no program, and gets no more rights than it has. */
  private static final String SANDBOX =
      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

  private QemuCommand() {}

  /** The uuid of the machine whose QEMU that process is. */
  static Optional<String> uuidOf(HostProcesses.Found process) {
    return process.valueOf(UUID).filter(uuid -> process.program().startsWith(PROGRAM));
  }

  /**
   * @param runAs null: whoever the service is
   * @param isOut whether it goes out, by way of {@link Outside}, and is reached so; else QEMU
   *     listens for it
   */
  static List<String> of(
      String uuid, Machine machine, Accelerator accelerator, String runAs, boolean isOut)
      throws IOException {
    List<String> line = new ArrayList<>(List.of("nice", "-n", "5"));
    line.addAll(Users.as(runAs, machine.port() < FIRST_FREE_PORT));
    line.add(PROGRAM);
    line.addAll(List.of("-name", machine.name(), UUID, uuid));
    line.addAll(List.of("-nodefaults", "-no-user-config", "-display", "none"));
    line.addAll(List.of("-machine", "q35,vmport=off"));
    line.addAll(accelerator.options());
    line.addAll(
        List.of("-smp", "1", "-m", Integer.toString(machine.ramMib()), "-boot", "strict=on"));
    line.addAll(
        List.of(
            "-drive",
            "file=disk.qcow2,if=none,id=disk,format=qcow2,cache=unsafe,discard=unmap",
            "-device",
            "virtio-blk-pci,drive=disk,bootindex=1"));
    line.addAll( // QEMU itself makes a small FAT disk of the directory: no tool is needed
        List.of(
            "-blockdev",
            "driver=vvfat,node-name=config,dir=config,label=config-2,floppy=on,read-only=on",
            "-device",
            "virtio-blk-pci,drive=config"));
    line.addAll(
        List.of(
            "-netdev",
            isOut ? Outside.NETDEV : isolated(machine),
            "-device",
            "virtio-net-pci,netdev=net,romfile="));
    line.addAll( // opened for appending, so that it may be cut while the machine runs
        List.of(
            "-chardev",
            "file,id=console,path=console.log,append=on",
            "-serial",
            "chardev:console"));
    line.addAll(List.of("-qmp", "unix:" + MachineDirectory.CONTROL_SOCKET + ",server=on,wait=off"));
    line.addAll(List.of("-sandbox", SANDBOX));
    return line;
  }

  /** Nothing goes out, not even to this host, which the open one shows as 10.0.2.2. */
  private static String isolated(Machine machine) {
    return "user,id=net,restrict=on,ipv6=off,hostfwd=tcp:%s:%d-:22"
        .formatted(machine.address(), machine.port());
  }
}
