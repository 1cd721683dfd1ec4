package org.nodepool.provider.qemu;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.UserPrincipal;
import java.nio.file.attribute.UserPrincipalLookupService;
import java.nio.file.attribute.UserPrincipalNotFoundException;
import java.time.Duration;
import java.util.List;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.programs.Program;
import org.nodepool.programs.Running;

/** The users of this host. */
final class Users {
  private static final Path OURS = Path.of("/proc/self");
  private static final int ROOT = 0;
  private static final Duration LIMIT = Duration.ofSeconds(10);
  private static final int MOST_BYTES = 1_000;

  private Users() {}

  static boolean isRoot() throws IOException {
    return Files.getAttribute(OURS, "unix:uid").equals(ROOT);
  }

  /**
   * The words before a command that that user is to run, with no more rights than he has.
   *
   * @param user null: whoever the service is, and no words
   * @param isToBind whether it may take a port of the system's
   */
  static List<String> as(String user, boolean isToBind) throws IOException {
    if (user == null) {
      return List.of();
    }
    String capabilities = isToBind ? "-all,+net_bind_service" : "-all";
    return List.of(
        "setpriv",
        "--reuid=" + user,
        "--regid=" + group(user),
        "--init-groups",
        "--no-new-privs",
        "--inh-caps=" + capabilities,
        "--ambient-caps=" + capabilities,
        "--bounding-set=" + capabilities);
  }

  /**
   * The number of a user's own group.
   *
   * @throws ProviderFailure when there is no such user
   */
  private static int group(String user) throws IOException {
    Running id = new Program(List.of("id", "-g", "--", user)).read().start();
    String said = new String(id.output().readNBytes(MOST_BYTES), US_ASCII).strip();
    try {
      if (id.end(LIMIT) == 0) {
        return Integer.parseInt(said);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
    throw isMissing(user);
  }

  private static ProviderFailure isMissing(String user) {
    return new ProviderFailure("There is no user %s on this host (run-as).".formatted(user));
  }

  /**
   * Makes a file or directory that user's.
   *
   * @throws ProviderFailure when there is no such user
   */
  static void give(Path file, String user) throws IOException {
    UserPrincipalLookupService users = file.getFileSystem().getUserPrincipalLookupService();
    try {
      UserPrincipal owner = users.lookupPrincipalByName(user);
      Files.getFileAttributeView(file, PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS)
          .setOwner(owner);
    } catch (UserPrincipalNotFoundException e) {
      throw isMissing(user);
    }
  }
}
