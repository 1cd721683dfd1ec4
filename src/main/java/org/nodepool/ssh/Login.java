package org.nodepool.ssh;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.nodepool.programs.OutputLines.Line;
import org.nodepool.ssh.Client.Answer;

/**
 * A user who got in. Each call is a connection of its own; what is done on the machine is not ended
 * with it. To be used by the thread of its {@link Ssh}.
 */
public final class Login {
  // The names go from find to tar and through no hands of ours. No name is followed to anywhere:
  // find gives regular files alone, and tar opens nothing else. $1 is the directory, what follows
  // starts ssh.
  private static final String SEND =
      """
      set -o pipefail
      (cd -- "$1" && find . -maxdepth 1 -type f -print0 |
        tar --create --format=gnu --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \\
          --no-recursion --null --verbatim-files-from --files-from=-) | "${@:2}"
      """;

  // (the end of an archive may be followed by padding)
  private static final String RECEIVE =
      "umask 022; mkdir -p -- %1$s && cd -- %1$s && tar -xf - && cat >/dev/null";

  /**
   * So long a connection is tried again that was not made: a server takes few at once whose users
   * it does not know yet (dropbear 5 of one address), looks for its banner among them, and may be
   * started anew in the first minute of a machine.
   */
  private static final Duration CONNECT_LIMIT = Duration.ofMinutes(1);

  private static final Duration CONNECT_PAUSE = Duration.ofSeconds(2);

  private final Client client;
  private final String user;

  Login(Client client, String user) {
    this.client = client;
    this.user = user;
  }

  public String user() {
    return user;
  }

  /**
   * Copies the regular files of a directory, and not what lies deeper. They are root's there, read
   * by all, and run by all if somebody may run them here. Small machines have no sftp, so tar does
   * it, at the machine's end with sudo if the user is not root.
   *
   * @param to absolute; made there if it is missing. Other files in it stay
   * @throws SshFailure when not all of it is there then, with the words of who refused
   */
  public void copy(Path directory, String to, Duration limit)
      throws IOException, InterruptedException {
    if (!to.startsWith("/")) {
      throw new IllegalArgumentException("not absolute: " + to);
    }
    String receive = RECEIVE.formatted(ShellWords.quote(to));
    if (!user.equals("root")) {
      receive = "sudo -n sh -c " + ShellWords.quote(receive);
    }
    String received = receive;
    Deadline deadline = new Deadline(limit);
    Answer answer =
        connected(
            deadline,
            () -> {
              Reply reply = new Reply(line -> {});
              return client.run(sent(directory, received, reply), reply, deadline.left(limit));
            });
    boolean isSent = answer.program() != null && answer.program() == 0;
    if (!isSent || !answer.hasSucceeded()) {
      boolean isLate = deadline.isOver() && !answer.isNotConnected();
      String why = isLate ? "it took more than " + limit : answer.why();
      throw new SshFailure(
          "%s could not be copied to %s at %s: %s".formatted(directory, to, client.target(), why));
    }
  }

  private List<String> sent(Path directory, String receive, Reply reply) {
    String remote = "sh -c " + ShellWords.quote(reply.askedByReading(receive));
    List<String> line = new ArrayList<>(List.of("bash", "-c", SEND, "copy"));
    line.add(directory.toAbsolutePath().toString());
    line.addAll(client.line(user, remote));
    return line;
  }

  private interface Asked {
    Answer ask() throws IOException, InterruptedException;
  }

  /** The answer, or why there was no connection all the time. */
  private Answer connected(Deadline deadline, Asked asked)
      throws IOException, InterruptedException {
    Deadline connecting = new Deadline(CONNECT_LIMIT);
    Answer answer = asked.ask();
    while (answer.isNotConnected()) {
      client.pause(deadline.left(CONNECT_PAUSE));
      if (connecting.isOver() || deadline.isOver()) {
        return answer;
      }
      Answer next = asked.ask();
      boolean isCutOff = next.status() == null && next.sshSaid().isEmpty() && deadline.isOver();
      if (isCutOff) { // why there was none says the one before
        return answer;
      }
      answer = next;
    }
    return answer;
  }

  /**
   * Runs a command without input; gives its exit status.
   *
   * @param output given each line that it prints, errors too, as it comes, on the caller's thread;
   *     nothing is hidden in it
   * @throws SshFailure when it took longer than the limit, or the connection was lost before its
   *     end; it may go on there
   */
  public int run(Command command, Consumer<Line> output, Duration limit)
      throws IOException, InterruptedException {
    Deadline deadline = new Deadline(limit);
    Answer answer =
        connected(
            deadline,
            () ->
                client.runScript(user, command.script(), new Reply(output), deadline.left(limit)));
    if (answer.status() != null) {
      return answer.status();
    }
    if (answer.isNotConnected()) {
      throw new SshFailure(
          "There was no connection to %s, and nothing was run: %s"
              .formatted(client.target(), answer.why()));
    }
    if (deadline.isOver()) {
      throw new SshFailure(
          "The command at %s took more than %s.".formatted(client.target(), limit));
    }
    // not the tail of what was printed, which may have secrets
    String said = answer.sshSaid().isEmpty() ? "" : ": " + answer.sshSaid();
    throw new SshFailure(
        "The connection to %s was lost before the command ended%s"
            .formatted(client.target(), said));
  }
}
