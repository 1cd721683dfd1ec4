package org.nodepool.config;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashSet;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What Linux tells of the files that processes have open. */
final class OpenFiles {
  private static final Path PROC = Path.of("/proc");
  private static final Pattern FLAGS = Pattern.compile("(?m)^flags:\\s*([0-7]+)$");
  private static final long ACCESS_MODE = 3;
  private static final Integer ROOT = 0;

  private OpenFiles() {}

  /** Whether those of all processes can be seen: root's privilege. False when it is not known. */
  static boolean areAllSeen() {
    try {
      return Files.getAttribute(PROC.resolve("self"), "unix:uid").equals(ROOT);
    } catch (IOException e) {
      return false;
    }
  }

  /**
   * Whether a process has the file open for writing, by its name. One that may not be looked at
   * counts as not: root sees all, any other user only its own.
   *
   * @param fileKey the file's, {@link BasicFileAttributes#fileKey}
   */
  static boolean isBeingWritten(Path file, Object fileKey) {
    Set<Path> names = names(file);
    try (DirectoryStream<Path> processes = Files.newDirectoryStream(PROC, "[0-9]*")) {
      for (Path process : processes) {
        if (hasOpenForWriting(process, names, fileKey)) {
          return true;
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      return false; // not Linux
    }
    return false;
  }

  /** Its own, and that of what a symbolic link leads to. */
  private static Set<Path> names(Path file) {
    Set<Path> names = new HashSet<>(Set.of(file.getFileName()));
    try {
      names.add(file.toRealPath().getFileName());
    } catch (IOException e) {
      // gone meanwhile
    }
    return names;
  }

  private static boolean hasOpenForWriting(Path process, Set<Path> names, Object fileKey) {
    try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(process.resolve("fd"))) {
      for (Path descriptor : descriptors) {
        if (isOpenForWriting(process, descriptor, names, fileKey)) {
          return true;
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      return false; // ended, or not to be looked at
    }
    return false;
  }

  private static boolean isOpenForWriting(
      Path process, Path descriptor, Set<Path> names, Object fileKey) {
    try {
      if (!names.contains(Files.readSymbolicLink(descriptor).getFileName())) {
        return false; // not to be touched: on a dead network mount that would hang for ever
      }
      var attributes = Files.readAttributes(descriptor, BasicFileAttributes.class);
      if (!fileKey.equals(attributes.fileKey())) {
        return false;
      }
      Path info = process.resolve("fdinfo").resolve(descriptor.getFileName());
      Matcher flags = FLAGS.matcher(Files.readString(info));
      return flags.find() && (Long.parseLong(flags.group(1), 8) & ACCESS_MODE) != 0;
    } catch (IOException e) {
      return false; // closed meanwhile
    }
  }
}
