package org.nodepool.config;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What Linux tells of the files that processes have open. */
final class OpenFiles {
  private static final Path PROC = Path.of("/proc");
  private static final Pattern FLAGS = Pattern.compile("(?m)^flags:\\s*([0-7]+)$");
  private static final long ACCESS_MODE = 3;

  private OpenFiles() {}

  /**
   * Whether a process has the file open for writing. One that may not be looked at counts as not:
   * root sees all, any other user only its own.
   */
  static boolean isBeingWritten(Object fileKey) {
    try (DirectoryStream<Path> processes = Files.newDirectoryStream(PROC, "[0-9]*")) {
      for (Path process : processes) {
        if (hasOpenForWriting(process, fileKey)) {
          return true;
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      return false; // not Linux
    }
    return false;
  }

  private static boolean hasOpenForWriting(Path process, Object fileKey) {
    try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(process.resolve("fd"))) {
      for (Path descriptor : descriptors) {
        if (isOpenForWriting(process, descriptor, fileKey)) {
          return true;
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      return false; // ended, or not to be looked at
    }
    return false;
  }

  private static boolean isOpenForWriting(Path process, Path descriptor, Object fileKey) {
    try {
      String target = Files.readSymbolicLink(descriptor).toString();
      if (!target.startsWith("/") || target.startsWith("/dev/")) {
        return false; // sockets, pipes, devices: most of them all, and not to be touched
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
