package org.nodepool.api;

import com.sun.management.UnixOperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Optional;

/** How many connections a process of this size may have. */
public final class MostConnections {
  private static final int USUAL = 20_000;
  private static final int HEAP_BYTES_EACH = 16 * 1024;

  /** Open files that are none: of the database, builds, uploads, jars. */
  private static final long OTHER_FILES = 500;

  private final long heap;
  private final long files;

  /**
   * @param heap the most that there can be, in bytes
   * @param files the most that can be open at one time
   */
  MostConnections(long heap, long files) {
    this.heap = heap;
    this.files = files;
  }

  /** Of this process. */
  public static MostConnections here() {
    long files =
        ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean unix
            ? unix.getMaxFileDescriptorCount()
            : Long.MAX_VALUE;
    return new MostConnections(Runtime.getRuntime().maxMemory(), files);
  }

  /** Without a setting. */
  public int usual() {
    return (int) Math.max(1, Math.min(USUAL, Math.min(ofHeap(), ofFiles())));
  }

  /** Why so many are more than there is room for; empty when there is. */
  public Optional<String> misfit(int set) {
    if (set > ofFiles()) {
      return Optional.of(
          "%d is more than the open files of this process allow, which are %d (ulimit -n)"
              .formatted(set, files));
    }
    return set > ofHeap()
        ? Optional.of(
            "%d is more than the heap allows, which is %d MiB: each takes 16 KiB of it"
                .formatted(set, heap >> 20))
        : Optional.empty();
  }

  private long ofHeap() {
    return heap / HEAP_BYTES_EACH;
  }

  private long ofFiles() {
    return files - OTHER_FILES;
  }
}
