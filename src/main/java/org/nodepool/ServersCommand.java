package org.nodepool;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.io.IOException;
import java.io.PrintStream;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.nodepool.config.PoolConfig;
import org.nodepool.provider.Compute;
import org.nodepool.provider.Compute.Server;
import org.nodepool.provider.Providers;

/** What is done with the servers of providers, which outlive the service. */
final class ServersCommand {
  private static final long LIMIT_SECONDS = 120;
  private static final int THREADS = 2;

  private final Providers providers;
  private final PrintStream out;
  private final boolean isToRemove;

  private ServersCommand(Providers providers, PrintStream out, boolean isToRemove) {
    this.providers = providers;
    this.out = out;
    this.isToRemove = isToRemove;
  }

  /**
   * Prints the servers of all providers that run some, a line each, and what cannot be looked at.
   * Blocks.
   *
   * @param isToRemove whether they are deleted, whoever's they are; each is printed when it is
   */
  static void run(PoolConfig pool, PrintStream out, boolean isToRemove)
      throws InterruptedException {
    Vertx vertx = Vertx.vertx();
    try {
      Providers providers =
          new Providers(
              vertx,
              Installation.hostName(),
              () -> pool,
              Service.DRIVERS,
              name -> vertx.createSharedWorkerExecutor(name, THREADS));
      ServersCommand command = new ServersCommand(providers, out, isToRemove);
      for (String provider : pool.providers().keySet()) {
        if (providers.hasServers(provider)) {
          command.look(provider);
        }
      }
    } finally {
      vertx.close();
    }
  }

  private void look(String provider) throws InterruptedException {
    Compute servers = providers.find(provider).orElseThrow().servers();
    try {
      for (Server server : awaited(servers.list())) {
        if (isToRemove) {
          awaited(servers.delete(server.externalId()));
        }
        out.println((isToRemove ? "deleted " : "") + line(provider, server));
      }
    } catch (IOException e) {
      out.println(provider + ": " + e.getMessage());
    }
  }

  private static String line(String provider, Server server) {
    return String.join(
        " ",
        provider,
        server.externalId(),
        server.name() == null ? "-" : server.name(),
        server.mark() == null ? "-" : server.mark().subject().path(),
        server.state() == Compute.State.RUNNING && server.address() != null
            ? "%s:%d".formatted(server.address(), server.port())
            : server.state().name().toLowerCase(Locale.ROOT));
  }

  private static <T> T awaited(Future<T> asked) throws IOException, InterruptedException {
    try {
      return asked.toCompletionStage().toCompletableFuture().get(LIMIT_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new IOException(e.getCause().getMessage(), e.getCause());
    } catch (TimeoutException e) {
      throw new IOException("no answer within %d s".formatted(LIMIT_SECONDS), e);
    }
  }
}
