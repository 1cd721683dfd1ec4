package org.nodepool;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.vertx.core.DeploymentOptions;
import io.vertx.core.Future;
import io.vertx.core.VerticleBase;
import io.vertx.core.Vertx;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Path;
import java.util.List;

/**
 * A server that does nothing but answer, in a process of its own, on as many event loops as the
 * service has: by it one sees what the machine alone costs.
 */
final class BareServer implements AutoCloseable {
  private final Process process;
  private final int port;

  private BareServer(Process process, int port) {
    this.process = process;
    this.port = port;
  }

  /** Returns when it listens. */
  static BareServer start() throws IOException {
    String java = Path.of(System.getProperty("java.home"), "bin/java").toString();
    Process process =
        new ProcessBuilder(
                List.of(
                    java,
                    "-Xmx160m",
                    ServiceProcess.QUICK,
                    "-cp",
                    "target/test-classes:target/nodepool.jar",
                    BareServer.class.getName()))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
    BufferedReader said =
        new BufferedReader(new InputStreamReader(process.getInputStream(), UTF_8));
    return new BareServer(process, Integer.parseInt(said.readLine()));
  }

  int port() {
    return port;
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }

  public static void main(String[] arguments) {
    Vertx vertx = Vertx.vertx();
    int loops = Runtime.getRuntime().availableProcessors();
    vertx.deployVerticle(Listener::new, new DeploymentOptions().setInstances(loops)).await();
    System.out.println(Listener.port);
  }

  private static final class Listener extends VerticleBase {
    /** Of all: they share one that is chosen at random. */
    private static volatile int port;

    @Override
    public Future<?> start() {
      return vertx
          .createHttpServer()
          .requestHandler(request -> request.response().end())
          .listen(-1, "127.0.0.1")
          .onSuccess(server -> port = server.actualPort());
    }
  }
}
