package org.nodepool.provider.qemu;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * The processes of this host with their arguments, whoever started them. (Java shows the arguments
 * of this user's alone.)
 */
final class HostProcesses {
  private static final Path PROC = Path.of("/proc");

  private HostProcesses() {}

  /**
   * A process.
   *
   * @param handle is of this very process, and not of one that gets its number later
   */
  record Found(ProcessHandle handle, List<String> arguments) {
    long pid() {
      return handle.pid();
    }

    /** The name of the file that it runs; empty when that is not to be seen. Arguments may lie. */
    String program() {
      try {
        Path file = Files.readSymbolicLink(PROC.resolve(Long.toString(pid())).resolve("exe"));
        return file.getFileName().toString();
      } catch (IOException e) {
        return "";
      }
    }

    /** Whether one argument is the option, and the next one that. */
    boolean has(String option, String value) {
      return valueOf(option).filter(value::equals).isPresent();
    }

    /** The argument after the option. */
    Optional<String> valueOf(String option) {
      int at = arguments.indexOf(option);
      return at < 0 || at + 1 >= arguments.size()
          ? Optional.empty()
          : Optional.of(arguments.get(at + 1));
    }
  }

  /** Those of which that is true, in no order. */
  static List<Found> all(Predicate<Found> property) throws IOException {
    List<Found> found = new ArrayList<>();
    try (DirectoryStream<Path> numbers = Files.newDirectoryStream(PROC, "[0-9]*")) {
      for (Path number : numbers) {
        process(Long.parseLong(number.getFileName().toString()))
            .filter(property)
            .ifPresent(found::add);
      }
    }
    return found;
  }

  /** The process of that number; empty when there is none. */
  private static Optional<Found> process(long pid) {
    return ProcessHandle.of(pid)
        .flatMap(handle -> arguments(pid).map(arguments -> new Found(handle, arguments)));
  }

  private static Optional<List<String>> arguments(long pid) {
    try {
      byte[] line = Files.readAllBytes(PROC.resolve(Long.toString(pid)).resolve("cmdline"));
      return Optional.of(List.of(new String(line, ISO_8859_1).split("\0", -1)));
    } catch (IOException e) { // it has ended
      return Optional.empty();
    }
  }
}
