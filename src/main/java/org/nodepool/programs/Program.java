package org.nodepool.programs;

import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * A program that is to be started. It gets a session, and so a process group, of its own: a Ctrl-C
 * in the service's terminal does not reach it, and it can be killed with all that it started. It
 * reads nothing, what it prints goes away, and of the service's environment it has what {@link
 * Environment} allows, unless it is told otherwise. To be used by one thread.
 */
public final class Program {
  private static final Duration TRIAL_LIMIT = Duration.ofSeconds(10);

  private final List<String> line;
  private final ProcessBuilder builder = new ProcessBuilder();
  private boolean endsWithUs;

  /**
   * @param line the program, looked for in the PATH of its environment, and its arguments
   */
  public Program(List<String> line) {
    this.line = List.copyOf(line);
    builder
        .redirectErrorStream(true)
        .redirectInput(Redirect.from(new File("/dev/null")))
        .redirectOutput(Redirect.DISCARD);
    withOnly(Environment.inherited(System.getenv()));
  }

  /**
   * Whether there is such a program.
   *
   * @param path where to look for it, as in the variable PATH
   */
  public static boolean isInstalled(String program, String path) {
    return Arrays.stream(path.split(File.pathSeparator))
        .filter(dir -> !dir.isEmpty())
        .anyMatch(dir -> Files.isExecutable(Path.of(dir, program)));
  }

  /** Its working directory; else it is the service's. */
  public Program in(Path directory) {
    builder.directory(directory.toFile());
    return this;
  }

  /** All of its environment. */
  public Program withOnly(Map<String, String> variables) {
    builder.environment().clear();
    builder.environment().putAll(variables);
    return this;
  }

  /** What it prints, errors too, is for {@link Running#output}, and has to be read there. */
  public Program read() {
    builder.redirectOutput(Redirect.PIPE);
    return this;
  }

  /** What it prints, errors too, is written to the end of that file. */
  public Program appendingTo(Path file) {
    builder.redirectOutput(Redirect.appendTo(file.toFile()));
    return this;
  }

  /** What it prints, errors too, becomes that file. */
  public Program writingTo(Path file) {
    builder.redirectOutput(file.toFile());
    return this;
  }

  /** It reads what is written to {@link Running#input}, which has to be closed. */
  public Program fed() {
    builder.redirectInput(Redirect.PIPE);
    return this;
  }

  /** It is told to end, by SIGTERM, when the service is killed; where the system can do that. */
  public Program endingWithUs() {
    endsWithUs = true;
    return this;
  }

  /**
   * Starts it.
   *
   * @throws IOException when there is no such program, or no process can be started
   */
  public Running start() throws IOException {
    List<String> whole = new ArrayList<>(List.of("setsid"));
    if (endsWithUs && canEndWithUs()) {
      whole.addAll(List.of("setpriv", "--pdeathsig", "TERM"));
    }
    whole.addAll(line);
    builder.command(whole);
    return new Running(endsWithUs ? startFromThreadOfItsOwn() : builder.start());
  }

  private static boolean canEndWithUs() {
    try {
      return new Program(List.of("setpriv", "--pdeathsig", "TERM", "true")).run(TRIAL_LIMIT) == 0;
    } catch (IOException | InterruptedException e) {
      return false;
    }
  }

  /** To the kernel, the parent whose death ends the child is the thread that made it. */
  private Process startFromThreadOfItsOwn() throws IOException {
    var started = new CompletableFuture<Process>();
    var parent =
        new Thread(
            () -> {
              try {
                started.complete(builder.start());
                started.join().onExit().join();
              } catch (IOException | RuntimeException e) {
                started.completeExceptionally(e);
              }
            },
            "parent of " + line.get(0));
    parent.setDaemon(true);
    parent.start();
    try {
      return started.join();
    } catch (CompletionException e) {
      throw new IOException(e.getCause().getMessage(), e.getCause());
    }
  }

  /**
   * Starts it and waits for its end; gives its exit status. Blocks.
   *
   * @throws IOException as {@link #start}, and when it took longer; then it was killed
   */
  public int run(Duration limit) throws IOException, InterruptedException {
    return start().end(limit);
  }
}
