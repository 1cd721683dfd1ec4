package org.nodepool.ssh;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.util.stream.Collectors.joining;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The keys by which one machine is known, in a directory that is its own and outlives the process.
 * They are learned once: from the machine's console, or at the first login that a command proved.
 * From then on no other key is taken.
 *
 * <p>Keys that a machine shows while it lets nobody in are forgotten again: many make theirs anew
 * during the first boot. To be used by one thread.
 */
public final class HostKeys {
  /** Under this name known_hosts has them, whatever address the machine has. */
  static final String ALIAS = "node";

  // As cloud-init prints them.
  private static final String BEGIN = "-----BEGIN SSH HOST KEY KEYS-----";
  private static final String END = "-----END SSH HOST KEY KEYS-----";
  private static final Set<String> TYPES =
      Set.of(
          "ssh-ed25519",
          "ecdsa-sha2-nistp256",
          "ecdsa-sha2-nistp384",
          "ecdsa-sha2-nistp521",
          "ssh-rsa");
  private static final Pattern KEY =
      Pattern.compile("([a-z0-9-]{1,30}) ([A-Za-z0-9+/]{40,3000}={0,2})(?: .*)?");

  private static final int MOST_LINES = 50;
  private static final int LONGEST_LINE = 4_000;

  private final Path directory;

  /**
   * @param directory exists; nothing else uses it but {@link Ssh} to the same machine
   */
  public HostKeys(Path directory) {
    this.directory = directory;
  }

  Path directory() {
    return directory;
  }

  private Path known() {
    return directory.resolve("known_hosts");
  }

  private Path shown() {
    return directory.resolve("known_hosts.new");
  }

  /** Whether they were learned. */
  public boolean areKnown() {
    return Files.exists(known());
  }

  /**
   * Learns them from what the machine printed, unless they are known already; whether they are
   * known then. The last block of keys that is whole counts, and of it what is a key.
   *
   * @param console may be of any size and content
   */
  public boolean learn(String console) throws IOException {
    if (areKnown()) {
      return true;
    }
    List<String> keys = printed(console);
    if (keys.isEmpty()) {
      return false;
    }
    Files.writeString(
        shown(), keys.stream().map(key -> ALIAS + " " + key + "\n").collect(joining()));
    keep();
    return true;
  }

  private static List<String> printed(String console) {
    int end = console.lastIndexOf(END);
    int begin = console.lastIndexOf(BEGIN, end);
    if (end < 0 || begin < 0) {
      return List.of();
    }
    return console
        .substring(begin, end)
        .lines()
        .limit(MOST_LINES)
        .filter(line -> line.length() <= LONGEST_LINE)
        .map(line -> key(line.strip()))
        .flatMap(Optional::stream)
        .distinct()
        .toList();
  }

  /** The type and the key alone: a comment is the machine's to choose. */
  private static Optional<String> key(String line) {
    Matcher key = KEY.matcher(line);
    return key.matches() && TYPES.contains(key.group(1)) && isOf(key.group(1), key.group(2))
        ? Optional.of(key.group(1) + " " + key.group(2))
        : Optional.empty();
  }

  /** A key begins with the length and the name of its type (RFC 4253, 6.6). */
  private static boolean isOf(String type, String base64) {
    try {
      byte[] key = Base64.getDecoder().decode(base64);
      byte[] name = type.getBytes(US_ASCII);
      byte[] start = ByteBuffer.allocate(4 + name.length).putInt(name.length).put(name).array();
      return key.length > start.length
          && Arrays.equals(key, 0, start.length, start, 0, start.length);
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  /** For an ssh that runs in the directory. */
  List<String> options() {
    return areKnown()
        ? List.of("StrictHostKeyChecking=yes", "UserKnownHostsFile=known_hosts")
        : List.of("StrictHostKeyChecking=accept-new", "UserKnownHostsFile=known_hosts.new");
  }

  /** What was shown is what is known from now on. */
  void keep() throws IOException {
    if (!areKnown()) {
      Files.move(shown(), known(), StandardCopyOption.ATOMIC_MOVE);
    }
  }

  /** What was shown, and led to no login, is shown by nobody any more. */
  void forgetShown() throws IOException {
    Files.deleteIfExists(shown());
  }
}
