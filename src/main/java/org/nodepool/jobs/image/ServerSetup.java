package org.nodepool.jobs.image;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.vertx.core.Future;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.config.PoolConfig.ProviderImage;
import org.nodepool.jobs.SecretMask;
import org.nodepool.jobs.run.JobRun;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.provider.Compute;
import org.nodepool.provider.Compute.Server;
import org.nodepool.provider.Compute.State;
import org.nodepool.ssh.Command;
import org.nodepool.ssh.HostKeys;
import org.nodepool.ssh.Login;
import org.nodepool.ssh.Ssh;
import org.nodepool.ssh.SshFailure;
import org.nodepool.ssh.SshKey;
import org.nodepool.ssh.Target;

/**
 * Sets a server up by a script, as Nodepool does: somebody gets in, the files of script-dir are
 * copied, the image's script runs with the name of the server. All methods block.
 */
public final class ServerSetup {
  private static final String SCRIPTS = "/opt/nodepool-scripts";

  /** Those who are let in by the images that people use, after the one who is configured. */
  private static final List<String> USERS =
      List.of("root", "ubuntu", "fedora", "cloud-user", "centos", "debian");

  private static final String VARIABLES = "NODEPOOL_";

  /** Of the service's own variables that begin so. */
  private static final Set<String> SECRETS = Set.of("NODEPOOL_API_PASSWORD", "NODEPOOL_DBURI");

  private static final Duration COPY_LIMIT = Duration.ofMinutes(10);
  private static final Duration SYNC_LIMIT = Duration.ofMinutes(10);
  private static final Duration ASK_LIMIT = Duration.ofSeconds(30);
  private static final int CONSOLE_LINES = 20;
  private static final int LONGEST_LINE = 1_000;

  private final Supplier<Path> scriptDir;
  private final Path attempts;
  private final Map<String, String> variables;
  private final SecretMask mask;

  /**
   * @param scriptDir as it is configured now; null when it is not
   * @param attempts where each attempt has a directory with the keys of its server
   * @param environment of the service
   */
  public ServerSetup(Supplier<Path> scriptDir, Path attempts, Map<String, String> environment) {
    this.scriptDir = scriptDir;
    this.attempts = attempts;
    this.variables = new TreeMap<>(environment);
    variables.keySet().removeIf(name -> !name.startsWith(VARIABLES) || SECRETS.contains(name));
    this.mask = new SecretMask(variables);
  }

  /**
   * The key that the server is to let in, as a line of authorized_keys. Fails as {@link #run} for
   * what can be seen before there is a server.
   */
  String publicKey(ProviderConfig provider, ProviderImage image, JobRun run)
      throws IOException, InterruptedException {
    scripts(image);
    return step("read the key", run, () -> key(provider, image).publicKey());
  }

  private static SshKey key(ProviderConfig provider, ProviderImage image)
      throws IOException, InterruptedException {
    Path own = image.nodes().privateKey();
    if (own != null) {
      return SshKey.of(own);
    }
    Path directory = provider.driver().directory();
    if (directory == null) {
      throw new JobFailure(
          "Image %s has no private-key in nodepool.yaml, and provider %s none of its own."
              .formatted(image.name(), provider.name()));
    }
    return SshKey.ownPair(Files.createDirectories(directory));
  }

  /** Sets it up. Fails with {@link JobFailure}, which names the step and what was said. */
  void run(Server server, Compute servers, ProviderConfig provider, ProviderImage image, JobRun run)
      throws IOException, InterruptedException {
    Path scripts = scripts(image);
    Path own = Files.createDirectories(attempts.resolve(run.job().attemptUuid()));
    HostKeys hostKeys = new HostKeys(own);
    Ssh ssh = new Ssh(new Target(server.address(), server.port()), key(provider, image), hostKeys);
    run.onStop(ssh::stop);
    Login login =
        step(
            "log in",
            run,
            () ->
                ssh.login(
                    users(image),
                    provider.driver().bootTimeout(),
                    () -> isAlive(server, servers, hostKeys)));
    run.log().note("%s is let in".formatted(login.user()));
    step(
        "copy scripts",
        run,
        () -> {
          login.copy(scripts, SCRIPTS, COPY_LIMIT);
          return null;
        });
    step("run " + image.setup(), run, () -> runScript(login, server, image, run));
    int status = step("sync", run, () -> login.run(Command.of("sync"), line -> {}, SYNC_LIMIT));
    if (status != 0) {
      throw new JobFailure("sync ended with status %d.".formatted(status));
    }
  }

  private Path scripts(ProviderImage image) {
    Path scripts = scriptDir.get();
    if (scripts == null) {
      throw new JobFailure("script-dir is not set in nodepool.yaml.");
    }
    Path script = scripts.resolve(image.setup()).normalize();
    if (!scripts.equals(script.getParent()) || !Files.isRegularFile(script)) {
      throw new JobFailure("There is no file %s in script-dir.".formatted(image.setup()));
    }
    return scripts;
  }

  private static List<String> users(ProviderImage image) {
    Set<String> users = new LinkedHashSet<>();
    users.add(image.nodes().username());
    users.addAll(USERS);
    return List.copyOf(users);
  }

  private interface Step<T> {
    T take() throws IOException, InterruptedException;
  }

  private static <T> T step(String name, JobRun run, Step<T> step)
      throws IOException, InterruptedException {
    run.progress(null, name);
    run.log().note(name);
    try {
      return step.take();
    } catch (SshFailure e) {
      throw new JobFailure("It could not %s: %s".formatted(name, e.getMessage()));
    }
  }

  /** Looks at its console, too: a key that was printed there is known before the first login. */
  private static boolean isAlive(Server server, Compute servers, HostKeys hostKeys) {
    String id = server.externalId();
    boolean isThere =
        awaited(servers.list()).stream()
            .anyMatch(each -> each.externalId().equals(id) && each.state() != State.ENDED);
    if (isThere && !hostKeys.areKnown()) {
      try {
        hostKeys.learn(new String(awaited(servers.console(id)), UTF_8));
      } catch (IOException e) {
        throw new JobFailure("The keys of the server cannot be written: " + e.getMessage());
      }
    }
    return isThere;
  }

  private static <T> T awaited(Future<T> asked) {
    try {
      return asked
          .toCompletionStage()
          .toCompletableFuture()
          .get(ASK_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      throw e.getCause() instanceof RuntimeException known
          ? known
          : new IllegalStateException(e.getCause());
    } catch (TimeoutException e) {
      throw new JobFailure("The provider did not say what its server does.");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new JobFailure("The service is being stopped.");
    }
  }

  private Void runScript(Login login, Server server, ProviderImage image, JobRun run)
      throws IOException, InterruptedException {
    String[] last = {""};
    Command command = Command.of("./" + image.setup(), server.name()).with(variables).in(SCRIPTS);
    int status =
        login.run(
            command,
            line -> {
              String text = mask.hide(line.text(), line.cutBytes());
              run.log().line(text);
              last[0] = text.isBlank() ? last[0] : text.strip();
            },
            run.limit());
    if (status != 0) {
      throw new JobFailure(
          "%s ended with status %d%s"
              .formatted(image.setup(), status, last[0].isEmpty() ? "." : ": " + last[0]));
    }
    return null;
  }

  /** Its last lines, for the log of the job. */
  void noteConsole(byte[] console, JobRun run) {
    List<String> lines =
        new String(console, UTF_8).lines().filter(line -> !line.isBlank()).toList();
    if (!lines.isEmpty()) {
      run.log().note("the console of the server ended so:");
      lines
          .subList(Math.max(0, lines.size() - CONSOLE_LINES), lines.size())
          .forEach(line -> run.log().line(cut(mask.hide(line))));
    }
  }

  private static String cut(String line) {
    return line.substring(0, Math.min(line.length(), LONGEST_LINE));
  }

  /** Removes what that attempt kept here. */
  void forget(String attempt) throws IOException {
    Path own = attempts.resolve(attempt);
    if (Files.isDirectory(own)) {
      try (Stream<Path> files = Files.list(own)) {
        for (Path file : files.toList()) {
          Files.deleteIfExists(file);
        }
      }
      Files.deleteIfExists(own);
    }
  }
}
