package org.nodepool.ssh;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.nodepool.programs.Program;
import org.nodepool.programs.Running;

/**
 * A private key that logs in, without a passphrase, as a file that only its owner may read. Blocks
 * for as long as ssh-keygen takes.
 */
public final class SshKey {
  private static final String NAME = "id_ed25519";
  private static final Duration LIMIT = Duration.ofSeconds(30);
  private static final int LONGEST_BYTES = 64 * 1024;
  private static final Pattern PUBLIC =
      Pattern.compile("[a-z0-9@.-]+ [A-Za-z0-9+/]+=*(?: [^\\n]*)?");

  private static final Set<PosixFilePermission> OWNERS =
      EnumSet.of(
          PosixFilePermission.OWNER_READ,
          PosixFilePermission.OWNER_WRITE,
          PosixFilePermission.OWNER_EXECUTE);

  private final Path file;

  private SshKey(Path file) {
    this.file = file;
  }

  /**
   * The key in that file.
   *
   * @throws SshFailure when it cannot be one
   */
  public static SshKey of(Path privateKey) throws IOException {
    Path file = privateKey.toAbsolutePath();
    if (!Files.isRegularFile(file) || !Files.isReadable(file)) {
      throw new SshFailure("The private key %s is no file that can be read.".formatted(file));
    }
    if (!OWNERS.containsAll(Files.getPosixFilePermissions(file))) {
      throw new SshFailure(
          "The private key %s may be read by others than its owner (chmod 600)".formatted(file)
              + ": ssh does not take such a key.");
    }
    return new SshKey(file);
  }

  /**
   * The pair {@code id_ed25519} and {@code id_ed25519.pub} in that directory, the same for all
   * processes; made by the first of them that asks.
   *
   * @param directory exists, of a file system with hard links
   */
  public static SshKey ownPair(Path directory) throws IOException, InterruptedException {
    Path file = directory.resolve(NAME);
    if (Files.notExists(file)) {
      make(file);
    }
    SshKey key = of(file);
    Path shown = directory.resolve(NAME + ".pub");
    if (Files.notExists(shown)) {
      Path draft = Files.createTempFile(directory, "." + NAME, ".pub");
      Files.writeString(draft, key.publicKey() + "\n");
      Files.move(draft, shown, StandardCopyOption.ATOMIC_MOVE);
    }
    return key;
  }

  private static void make(Path file) throws IOException, InterruptedException {
    Path drafts = Files.createTempDirectory(file.getParent(), "." + NAME);
    Path draft = drafts.resolve(NAME);
    try {
      said("-q", "-t", "ed25519", "-N", "", "-C", "nodepool", "-f", draft.toString());
      try (FileChannel channel = FileChannel.open(draft)) {
        channel.force(true);
      }
      Files.createLink(file, draft);
    } catch (FileAlreadyExistsException e) {
      // another process was first, and its key is the one
    } finally {
      Files.deleteIfExists(draft);
      Files.deleteIfExists(drafts.resolve(NAME + ".pub"));
      Files.delete(drafts);
    }
  }

  /**
   * As a line of {@code authorized_keys}, without its end.
   *
   * @throws SshFailure when the file holds no key, or one that needs a passphrase
   */
  public String publicKey() throws IOException, InterruptedException {
    String said = said("-y", "-P", "", "-f", file.toString());
    if (!PUBLIC.matcher(said).matches()) {
      throw new SshFailure("ssh-keygen tells no public key for " + file);
    }
    return said;
  }

  /** What ssh-keygen printed, without the end of its last line. */
  private static String said(String... arguments) throws IOException, InterruptedException {
    List<String> line = new ArrayList<>(List.of("ssh-keygen"));
    line.addAll(List.of(arguments));
    Running running = new Program(line).read().start();
    running.killAfter(LIMIT);
    String said = new String(running.output().readNBytes(LONGEST_BYTES), UTF_8).strip();
    if (running.end(LIMIT) != 0) {
      throw new SshFailure("ssh-keygen failed: " + Reply.forPeople(said));
    }
    return said;
  }

  Path file() {
    return file;
  }
}
