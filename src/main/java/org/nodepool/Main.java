package org.nodepool;

import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.nodepool.api.MostConnections;
import org.nodepool.config.ApiConfig;
import org.nodepool.config.ApiConfig.Role;
import org.nodepool.config.ConfigException;
import org.nodepool.config.Configuration;
import org.nodepool.config.DbUri;
import org.nodepool.config.PoolConfig;
import org.nodepool.config.PoolFile;
import org.nodepool.model.Failpoint;
import org.nodepool.store.Database;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/** The command line; the only place that ends the process. */
@Command(
    name = "nodepool",
    description = "Looks after a CI system's test nodes and their disk images.",
    mixinStandardHelpOptions = true)
public final class Main implements Callable<Integer> {
  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "api.yaml (default: ${DEFAULT-VALUE})",
      defaultValue = "conf/api.yaml",
      scope = ScopeType.INHERIT)
  private Path config;

  private Main() {}

  /**
   * Runs the service until a signal stops it. Exit status: 1 it does not start, 2 bad arguments,
   * 143 or 130 after SIGTERM or SIGINT, as the shell has it.
   */
  public static void main(String[] args) {
    OutOfMemory.watchThreads();
    System.exit(new CommandLine(new Main()).execute(args));
  }

  /** Starts the service. */
  @Override
  public Integer call() {
    return orSayWhyNot("nodepool does not start", () -> serve(System.getenv(), System.out));
  }

  @Command(name = "check", description = "Reads the configuration: ok, or every mistake.")
  int check() {
    return orSayWhyNot(
        "not checked",
        () -> {
          Configuration configuration =
              Configuration.read(config, System.getenv(), Service::mistakes);
          warn(configuration.warnings());
          System.out.println("ok");
        });
  }

  /** What is to be done to the database: one of them. */
  private static final class SchemaAct {
    @Option(
        names = "--remove",
        required = true,
        description = "drop our tables; those of the pool stay")
    private boolean remove;

    @Option(
        names = "--new-id",
        required = true,
        description =
            "give a copied database an id of its own, by which images at providers are known")
    private boolean newId;
  }

  @Command(
      name = "schema",
      description = "Changes what is ours in the database. Stop the service first.")
  int schema(@ArgGroup(exclusive = true, multiplicity = "1") SchemaAct act) {
    return orSayWhyNot(
        act.newId ? "the id stays as it is" : "nothing more is removed",
        () -> {
          Configuration configuration = Configuration.read(config, System.getenv());
          Path dataDir = configuration.api().database().dataDir();
          Optional<Database.Address> external = configuration.database().map(Main::address);
          System.out.println(
              act.newId
                  ? SchemaCommand.newId(dataDir, external)
                  : SchemaCommand.remove(dataDir, external));
        });
  }

  @Command(
      name = "servers",
      description = "Lists the servers of providers that this host runs; they outlive the service.")
  int servers(
      @Option(
              names = "--remove",
              description = "delete them, whoever's they are; services must be stopped")
          boolean remove) {
    return orSayWhyNot(
        remove ? "nothing is deleted" : "not all are looked at",
        () -> {
          Configuration read = Configuration.read(config, System.getenv());
          if (!remove || Files.notExists(read.api().stateDir())) {
            ServersCommand.run(read.pool(), System.out, remove);
            return;
          }
          Installation stopped = Installation.open(read.api().stateDir());
          try {
            ServersCommand.run(read.pool(), System.out, true);
          } finally {
            stopped.close();
          }
        });
  }

  private interface Act {
    void run() throws ConfigException, IOException, InterruptedException;
  }

  private static int orSayWhyNot(String inVain, Act act) {
    try {
      act.run();
      return 0;
    } catch (ConfigException e) {
      warn(e.warnings());
      e.mistakes().forEach(System.err::println);
    } catch (IOException e) {
      System.err.println(inVain + ": " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return 1;
  }

  private static void warn(List<String> warnings) {
    warnings.forEach(warning -> System.err.println("warning: " + warning));
  }

  private void serve(Map<String, String> environment, PrintStream out)
      throws ConfigException, IOException, InterruptedException {
    warnOfFailpoint();
    Configuration configuration;
    PoolFile file;
    do { // what was half-written may have lacked the database
      configuration = Configuration.read(config, environment, Service::mistakes);
      file =
          PoolFile.open(
              configuration.api().nodepoolConfFile(),
              configuration.clouds(),
              configuration.poolHasDatabase());
    } while (!file.current().equals(configuration.pool()));
    ApiConfig api = configuration.api();
    PoolConfig pool = configuration.pool();
    warn(configuration.warnings());
    boolean answers = api.roles().contains(Role.API);
    if (answers) {
      warnOfPlainHttp(api.server());
      warnOfMisfit(api.server());
    }
    Optional<Database.Address> external = configuration.database().map(Main::address);
    Service service = Service.start(api, file, external, environment);
    CountDownLatch stopped = new CountDownLatch(1);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  service.stop();
                  stopped.countDown();
                },
                "stop"));
    if (answers) {
      greet(api, pool, service, out);
    } else {
      out.printf("nodepool runs jobs as a worker on %s%n", Installation.hostName());
    }
    out.flush();
    stopped.await();
  }

  private static void warnOfFailpoint() throws IOException {
    String armed = Failpoint.armed();
    if (armed == null) {
      return;
    }
    if (!Failpoint.names().contains(armed)) {
      throw new IOException(
          "there is no failpoint %s to halt at (%s)".formatted(armed, Failpoint.PROPERTY));
    }
    warn(List.of("a test's failpoint is armed: the process halts at " + armed));
  }

  private static Database.Address address(DbUri uri) {
    return new Database.Address(
        uri.host(), uri.port(), uri.unixSocket(), uri.database(), uri.user(), uri.password());
  }

  private static void warnOfPlainHttp(ApiConfig.Server server) throws IOException {
    String host = server.host();
    if (server.tls() == null && !InetAddress.getByName(host).isLoopbackAddress()) {
      System.err.println(
          "warning: api.yaml: server.host: %s is not this machine alone, and plain HTTP shows the"
                  .formatted(host)
              + " password to everybody on the way; set server.tls, or put a proxy with TLS before it");
    }
  }

  private static void warnOfMisfit(ApiConfig.Server server) {
    Optional.ofNullable(server.maxConnections())
        .flatMap(MostConnections.here()::misfit)
        .ifPresent(misfit -> warn(List.of("api.yaml: server.max_connections: " + misfit)));
  }

  private static void greet(ApiConfig api, PoolConfig pool, Service service, PrintStream out) {
    String host = api.server().host();
    String url =
        "%s://%s:%d"
            .formatted(
                api.server().tls() == null ? "http" : "https",
                host.contains(":") ? "[" + host + "]" : host,
                service.port());
    String password =
        service.passwordFile() == null
            ? "the one that is configured"
            : "in " + service.passwordFile();
    String login =
        service.passwordFile() == null
            ? "-u " + api.apiUser()
            : "-u \"%s:$(cat %s)\"".formatted(api.apiUser(), service.passwordFile());
    String diskImage = pool.diskImages().keySet().stream().findFirst().orElse("NAME");
    out.printf(
        """
        nodepool answers at %s  (user %s, password %s)
        Try:
          curl %s/v1/dib_images
          curl -i %s -X POST %s/v1/dib_images/%s/build
          curl -N %s/v1/events
        """,
        url, api.apiUser(), password, url, login, url, diskImage, url);
  }
}
