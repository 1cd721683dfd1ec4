package org.nodepool.provider.qemu;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The lock of this host under which machines are started, so that two processes do not count the
 * same memory, or choose the same address. It ends with its process.
 */
final class HostLock {
  private static final Duration LIMIT = Duration.ofMinutes(1);
  private static final long PAUSE_MS = 10;
  private static final Path FILE = Path.of("/run/lock/nodepool-servers.lock");

  /** A file's lock is the process's; this one is its threads'. */
  private static final ReentrantLock OURS = new ReentrantLock();

  private HostLock() {}

  /** What is done while it is held. */
  interface Work<T> {
    T run() throws IOException;
  }

  /**
   * Does that while it is held, for which it waits a minute at most. Blocks.
   *
   * @throws IOException when it was not to be had
   */
  static <T> T holding(Work<T> work) throws IOException {
    long end = System.nanoTime() + LIMIT.toNanos();
    if (!isOurs()) {
      throw tooLong();
    }
    try (FileChannel channel = open()) { // the lock ends with it
      while (channel.tryLock() == null) {
        if (System.nanoTime() > end) {
          throw tooLong();
        }
        Pauses.pause(PAUSE_MS);
      }
      return work.run();
    } finally {
      OURS.unlock();
    }
  }

  private static boolean isOurs() throws IOException {
    try {
      return OURS.tryLock(LIMIT.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while it waited for the host's lock", e);
    }
  }

  private static IOException tooLong() {
    return new IOException("another process starts servers on this host, and does not end");
  }

  /** Whoever made it, all users may lock it. */
  private static FileChannel open() throws IOException {
    try {
      return FileChannel.open(FILE, StandardOpenOption.WRITE);
    } catch (NoSuchFileException e) {
      try {
        Files.createFile(FILE);
        Files.setPosixFilePermissions(FILE, PosixFilePermissions.fromString("rw-rw-rw-"));
      } catch (FileAlreadyExistsException other) {
        // another process was quicker
      }
      return FileChannel.open(FILE, StandardOpenOption.WRITE);
    }
  }
}
