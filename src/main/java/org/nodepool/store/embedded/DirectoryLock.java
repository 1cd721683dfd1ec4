package org.nodepool.store.embedded;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** That a directory is one process's own; it ends with the process, however that ends. */
public final class DirectoryLock {
  /** Mutable, unlike our other statics: file locks belong to the process, and so must this. */
  private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

  private final Path dir;
  private final FileChannel channel;

  /** Another instance, in this JVM or another, has the directory. */
  public static final class Taken extends IOException {
    private Taken(String what, Path dir) {
      super("the %s %s is in use by another instance".formatted(what, dir));
    }
  }

  private DirectoryLock(Path dir, FileChannel channel) {
    this.dir = dir;
    this.channel = channel;
  }

  /**
   * Takes the directory, by a lock on its file {@code lock}.
   *
   * <p>Closing any channel of a file drops all locks this process has on it, as POSIX has it. So a
   * second try in this JVM must be refused before it opens the file, or the refusal itself would
   * let a third one, in another JVM, in.
   *
   * @param dir a real path
   * @param what it is, for the message
   * @throws Taken if another instance has it
   */
  public static DirectoryLock take(Path dir, String what) throws IOException {
    if (!HELD.add(dir)) {
      throw new Taken(what, dir);
    }
    DirectoryLock lock = null;
    try {
      Path file = dir.resolve("lock");
      lock =
          new DirectoryLock(
              dir, FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE));
      if (lock.tryLock() == null) {
        throw new Taken(what, dir);
      }
      return lock;
    } catch (IOException e) {
      if (lock != null) {
        lock.release();
      }
      HELD.remove(dir);
      throw e;
    }
  }

  /** Null if it is taken. */
  private FileLock tryLock() throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException e) { // by this class in another class loader
      return null;
    }
  }

  /** Lets others have it. */
  public void release() throws IOException {
    try {
      channel.close();
    } finally {
      HELD.remove(dir);
    }
  }
}
