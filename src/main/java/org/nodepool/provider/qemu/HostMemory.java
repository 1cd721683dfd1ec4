package org.nodepool.provider.qemu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The memory of this host, in MiB: what is free, less what guests may still take that run already,
 * whoever started them.
 */
final class HostMemory {
  private static final Pattern TOTAL = Pattern.compile("(?m)^MemTotal: +(\\d+) kB");
  private static final Pattern AVAILABLE = Pattern.compile("(?m)^MemAvailable: +(\\d+) kB");
  private static final Pattern RESIDENT = Pattern.compile("(?m)^VmRSS:\\s+(\\d+) kB");
  private static final int KIB = 1024;

  /** QEMU's option, of whoever's guest. */
  private static final Pattern RAM = Pattern.compile("(?:size=)?(\\d{1,7})([mMgG]?)(?:,.*)?");

  /** What is left to everything else. */
  private static final int RESERVE_MIB = 256;

  private HostMemory() {}

  static long totalMib() throws IOException {
    return mib(TOTAL, Files.readString(Path.of("/proc/meminfo")));
  }

  /** What a further machine may take; never below 0. */
  static long freeMib(Accelerator accelerator) throws IOException {
    long promised = 0;
    for (HostProcesses.Found guest : guests()) {
      promised += Math.max(0, wholeMib(guest, accelerator) - residentMib(guest));
    }
    long available = mib(AVAILABLE, Files.readString(Path.of("/proc/meminfo")));
    return Math.max(0, available - promised - RESERVE_MIB);
  }

  /** What all guests that run may take. */
  static long usedMib(Accelerator accelerator) throws IOException {
    return guests().stream().mapToLong(guest -> wholeMib(guest, accelerator)).sum();
  }

  private static List<HostProcesses.Found> guests() throws IOException {
    return HostProcesses.all(
        process ->
            process.arguments().get(0).endsWith(QemuCommand.PROGRAM)
                && process.valueOf("-m").filter(m -> RAM.matcher(m).matches()).isPresent());
  }

  private static long wholeMib(HostProcesses.Found guest, Accelerator accelerator) {
    Matcher ram = RAM.matcher(guest.valueOf("-m").orElseThrow());
    ram.matches();
    long mib = Long.parseLong(ram.group(1)) * (ram.group(2).equalsIgnoreCase("g") ? 1024 : 1);
    return mib + accelerator.overheadMib();
  }

  private static long residentMib(HostProcesses.Found guest) {
    try {
      return mib(
          RESIDENT, Files.readString(Path.of("/proc", Long.toString(guest.pid()), "status")));
    } catch (IOException e) { // it has ended
      return 0;
    }
  }

  private static long mib(Pattern what, String text) throws IOException {
    Matcher found = what.matcher(text);
    if (!found.find()) {
      throw new IOException("/proc does not say how much memory there is");
    }
    return Long.parseLong(found.group(1)) / KIB;
  }
}
