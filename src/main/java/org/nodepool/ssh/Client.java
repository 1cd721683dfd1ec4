package org.nodepool.ssh;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.nodepool.programs.Program;
import org.nodepool.programs.Running;

/** Runs the OpenSSH client, one at a time, in the directory of the machine's host keys. */
final class Client {
  private static final String LOG = "ssh.log";

  /** A link to it: ssh takes % and $ in a path for variables, and there is no way around it. */
  private static final String KEY = "key";

  private static final int LONGEST_LOG_BYTES = 16 * 1024;
  private static final String OTHER_HOST_KEY = "Host key verification failed.";

  /** What ssh (OpenSSH 9.2) says before there is a session, in which alone something is run. */
  private static final Pattern NOT_CONNECTED =
      Pattern.compile(
          "(?:kex_exchange_identification: |ssh: connect to host "
              + "|Connection timed out during banner exchange).*");

  /**
   * How long a program may still take when the node's answer is whole: on a node, what a command
   * left running in the background keeps ssh waiting.
   */
  private static final Duration END_LIMIT = Duration.ofSeconds(5);

  // Nothing is asked for, nothing but the key is tried, nothing of ours is offered or forwarded,
  // no file of the user's or the host's is read. A machine that is silent for half a minute is
  // gone.
  private static final List<String> OPTIONS =
      List.of(
          "BatchMode=yes",
          "IdentitiesOnly=yes",
          "IdentityAgent=none",
          "PreferredAuthentications=publickey",
          "PasswordAuthentication=no",
          "KbdInteractiveAuthentication=no",
          "HostKeyAlias=" + HostKeys.ALIAS,
          "GlobalKnownHostsFile=/dev/null",
          "UpdateHostKeys=no",
          "ConnectTimeout=10",
          "ConnectionAttempts=1",
          "ServerAliveInterval=10",
          "ServerAliveCountMax=3",
          "ForwardAgent=no",
          "ForwardX11=no",
          "ClearAllForwardings=yes",
          "PermitLocalCommand=no",
          "ControlMaster=no",
          "ControlPath=none",
          "LogLevel=ERROR");

  private final Target target;
  private final SshKey key;
  private final HostKeys hostKeys;
  private final Stop stop;

  Client(Target target, SshKey key, HostKeys hostKeys, Stop stop) {
    this.target = target;
    this.key = key;
    this.hostKeys = hostKeys;
    this.stop = stop;
  }

  /**
   * How a program ended that ran ssh.
   *
   * @param status of the command on the node; null when none was told
   * @param program the program's own exit status; null when it was killed
   * @param sshSaid the last line of what ssh itself said, for people; may be empty
   * @param tail the last lines of what came from the node, for people; may be empty
   */
  record Answer(Integer status, Integer program, String sshSaid, String tail) {
    /** Whether the command on the node did. */
    boolean hasSucceeded() {
      return status != null && status == 0;
    }

    /** Whether nothing was begun on the node, for nobody answered there, or hung up at once. */
    boolean isNotConnected() {
      return status == null && NOT_CONNECTED.matcher(sshSaid).matches();
    }

    String why() {
      if (!sshSaid.isEmpty()) {
        return sshSaid;
      }
      return tail.isEmpty() ? "nothing was said" : tail;
    }
  }

  Target target() {
    return target;
  }

  /** Waits so long, or until a stop. */
  void pause(Duration length) throws InterruptedException {
    stop.pause(length);
  }

  /**
   * The words that start ssh.
   *
   * @param user was checked
   * @param remote for the user's login shell
   */
  List<String> line(String user, String remote) {
    List<String> line = new ArrayList<>(List.of("ssh", "-T", "-F", "none", "-E", LOG));
    Stream.of(OPTIONS, hostKeys.options())
        .flatMap(List::stream)
        .forEach(option -> line.addAll(List.of("-o", option)));
    line.addAll(List.of("-i", KEY, "-l", user));
    line.addAll(List.of("-p", Integer.toString(target.port()), "--", target.ip(), remote));
    return line;
  }

  /** Runs a shell text on the node; it is sent and not named, so no list of processes has it. */
  Answer runScript(String user, String script, Reply reply, Duration limit)
      throws IOException, InterruptedException {
    return run(new Program(line(user, "sh")).fed(), reply.askedBy(script), reply, limit);
  }

  /** Runs a program that begins with ssh or feeds one, and reads nothing. */
  Answer run(List<String> line, Reply reply, Duration limit)
      throws IOException, InterruptedException {
    return run(new Program(line), null, reply, limit);
  }

  private Answer run(Program program, String fed, Reply reply, Duration limit)
      throws IOException, InterruptedException {
    stop.check();
    Path log = hostKeys.directory().resolve(LOG);
    Path link = hostKeys.directory().resolve(KEY);
    Files.deleteIfExists(log);
    Files.deleteIfExists(link);
    Files.createSymbolicLink(link, key.file());
    Running running =
        program
            .in(hostKeys.directory())
            .withOnly(Map.of("PATH", System.getenv("PATH")))
            .read()
            .start();
    Integer status;
    try {
      running.killAfter(limit);
      stop.ends(running::kill);
      if (fed != null) {
        feed(running, fed);
      }
      reply.read(running.output());
      boolean isOver = running.hasEnded(reply.status() == null ? limit : END_LIMIT);
      status = isOver ? running.status() : null;
    } finally {
      stop.endsNothing();
      if (running.isAlive()) {
        running.kill();
      }
    }
    stop.check();
    String said = lastLine(log);
    if (said.equals(OTHER_HOST_KEY) && hostKeys.areKnown()) {
      throw new SshFailure(
          "The host key of %s is not the one that was learned before.".formatted(target));
    }
    return new Answer(reply.status(), status, said, reply.tail());
  }

  /** On a thread of its own: what does not read at once must not keep us from reading. */
  private static void feed(Running running, String text) {
    Thread feeder =
        new Thread(
            () -> {
              try (OutputStream input = running.input()) {
                input.write(text.getBytes(UTF_8));
              } catch (IOException e) {
                // it has ended, and its answer says why
              }
            },
            "input of ssh " + running.pid());
    feeder.setDaemon(true);
    feeder.start();
  }

  private static String lastLine(Path log) throws IOException {
    if (Files.notExists(log)) {
      return "";
    }
    try (var in = Files.newInputStream(log)) {
      String said = new String(in.readNBytes(LONGEST_LOG_BYTES), UTF_8);
      return said.lines().map(Reply::forPeople).reduce("", (before, line) -> line);
    }
  }
}
