package org.nodepool;

import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.net.NetServer;
import io.vertx.core.net.NetSocket;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Stands before the database on the loopback interface, as the network between does, and fails when
 * it is told to. Its methods return when it is done.
 */
public class DatabaseProxy {
  /** A client, and its connection to the database. */
  private record Pair(NetSocket client, NetSocket database) {}

  private final Context context;
  private final NetServer server;

  // all of the context's thread alone
  private final Set<Pair> pairs = new HashSet<>();
  private boolean isRefusing;
  private boolean isStalled;

  public DatabaseProxy(Vertx vertx, String host, int port) {
    context = vertx.getOrCreateContext();
    CompletableFuture<NetServer> listening = new CompletableFuture<>();
    context.runOnContext(
        v ->
            vertx
                .createNetServer()
                .connectHandler(client -> connect(vertx, client, host, port))
                .listen(0, "127.0.0.1")
                .onComplete(listening::complete, listening::completeExceptionally));
    server = listening.join();
  }

  private void connect(Vertx vertx, NetSocket client, String host, int port) {
    if (isRefusing) {
      client.close();
      return;
    }
    client.pause();
    vertx
        .createNetClient()
        .connect(port, host)
        .onSuccess(database -> join(new Pair(client, database)))
        .onFailure(e -> client.close());
  }

  private void join(Pair pair) {
    pairs.add(pair);
    pair.database.handler(pair.client::write);
    pair.client.handler(bytes -> forward(bytes, pair.client, pair.database));
    pair.client.closeHandler(v -> end(pair));
    pair.database.closeHandler(v -> end(pair));
    if (isStalled) {
      pair.database.pause();
    } else {
      pair.client.resume();
    }
  }

  private void end(Pair pair) {
    pairs.remove(pair);
    pair.client.close();
    pair.database.close();
  }

  /** What a client sends; on the way to the database. */
  protected void forward(Buffer bytes, NetSocket client, NetSocket database) {
    database.write(bytes);
  }

  public final int port() {
    return server.actualPort();
  }

  /** Closes every connection there is; how many they were. New ones are accepted. */
  final int cut() {
    return onContext(
        () -> {
          Set<Pair> all = Set.copyOf(pairs);
          all.forEach(this::end);
          return all.size();
        });
  }

  /** Closes every connection there is, and each new one at once. */
  final void refuse() {
    onContext(() -> isRefusing = true);
    cut();
  }

  /** Ends {@link #refuse}. */
  final void accept() {
    onContext(() -> isRefusing = false);
  }

  /** Lets no byte through in either direction; nothing is lost. */
  final void stall() {
    onContext(
        () -> {
          isStalled = true;
          pairs.forEach(
              pair -> {
                pair.client.pause();
                pair.database.pause();
              });
          return null;
        });
  }

  /** Ends {@link #stall}. */
  final void go() {
    onContext(
        () -> {
          isStalled = false;
          pairs.forEach(
              pair -> {
                pair.client.resume();
                pair.database.resume();
              });
          return null;
        });
  }

  private <T> T onContext(Supplier<T> work) {
    CompletableFuture<T> done = new CompletableFuture<>();
    context.runOnContext(v -> done.complete(work.get()));
    return done.orTimeout(10, TimeUnit.SECONDS).join();
  }
}
