package org.nodepool.api;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.junit5.VertxExtension;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.nodepool.Poll;
import org.nodepool.RunsBesideOthers;

/** Connections beyond the limit, and those on which nothing goes on. */
@RunsBesideOthers
@ExtendWith(VertxExtension.class)
class ConnectionsTest {
  private static final String ALIVE = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  private static final Pattern CONTENT_LENGTH = Pattern.compile("(?i)\ncontent-length: (\\d+)");
  private static final int MOST = 4;

  private static final Duration SHORT = Duration.ofMillis(1_500);
  private static final Duration LONG = Duration.ofMinutes(5);

  private static final int LARGE = 16 * 1024 * 1024;

  private final List<Socket> sockets = new ArrayList<>();
  private Vertx vertx;

  @BeforeEach
  void given(Vertx vertx) {
    this.vertx = vertx;
  }

  @AfterEach
  void close() throws IOException {
    for (Socket socket : sockets) {
      socket.close();
    }
  }

  @Test
  void the_newest_beyond_the_limit_are_told_so_and_closed_until_another_ends() throws Exception {
    try (BareApi api = new BareApi(vertx, MOST, new Connections.Patience(LONG, LONG, LONG))) {
      List<Socket> first = new ArrayList<>();
      for (int i = 0; i < MOST; i++) {
        Socket socket = connect(api);
        assertThat(ask(socket, ALIVE)).startsWith("HTTP/1.1 200");
        first.add(socket);
      }
      for (int i = 0; i < MOST; i++) {
        Socket beyond = connect(api);
        String answer = ask(beyond, ALIVE);
        assertThat(answer)
            .startsWith("HTTP/1.1 503")
            .containsIgnoringCase("connection: close")
            .containsIgnoringCase("retry-after: 1")
            .contains("urn:nodepool:problem:unavailable")
            .contains("server.max_connections");
        awaitClosed(beyond);
      }
      assertThat(ask(first.get(0), ALIVE)).startsWith("HTTP/1.1 200");

      first.get(1).close();

      Poll.until(
          "there is a place again", () -> ask(connect(api), ALIVE).startsWith("HTTP/1.1 200"));
    }
  }

  @Test
  void those_beyond_the_limit_that_say_nothing_are_closed_soon_and_no_others() throws Exception {
    try (BareApi api = new BareApi(vertx, MOST, new Connections.Patience(LONG, LONG, LONG))) {
      List<Socket> first = new ArrayList<>();
      for (int i = 0; i < MOST; i++) {
        first.add(connect(api));
      }
      Socket silent = connect(api);
      Socket half = connect(api);
      send(half, "GET /healthz HTTP/1.1\r\nHost: ");

      awaitClosed(silent);
      awaitClosed(half);

      for (Socket socket : first) {
        assertThat(ask(socket, ALIVE)).startsWith("HTTP/1.1 200");
      }
    }
  }

  @Test
  void one_on_which_nothing_comes_is_closed() throws Exception {
    try (BareApi api = new BareApi(vertx, MOST, new Connections.Patience(LONG, SHORT, LONG))) {
      awaitClosed(connect(api));
    }
  }

  @Test
  void half_a_head_and_half_a_body_are_not_waited_for() throws Exception {
    try (BareApi api = new BareApi(vertx, MOST, new Connections.Patience(LONG, SHORT, LONG))) {
      Socket head = connect(api);
      send(head, "GET /healthz HTTP/1.1\r\nHost: ");
      Socket body = connect(api);
      send(
          body,
          "POST /v1/dib_images/x/build HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic YW5uOnJpZ2h0\r\n"
              + "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{");

      awaitClosed(head);
      awaitClosed(body);
    }
  }

  @Test
  void one_that_is_idle_is_closed_and_one_that_is_used_is_not() throws Exception {
    try (BareApi api = new BareApi(vertx, MOST, new Connections.Patience(SHORT, LONG, LONG))) {
      Socket idle = connect(api);
      Socket used = connect(api);
      assertThat(ask(idle, ALIVE)).startsWith("HTTP/1.1 200");

      Poll.within(
          Duration.ofSeconds(15),
          "the idle one is closed",
          () -> {
            assertThat(ask(used, ALIVE)).startsWith("HTTP/1.1 200");
            return isClosed(idle);
          });
    }
  }

  @Test
  void a_stream_of_events_is_not_idle() throws Exception {
    try (BareApi api = new BareApi(vertx, MOST, new Connections.Patience(SHORT, SHORT, SHORT))) {
      Socket events = connect(api);
      send(events, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
      Socket other = connect(api);
      assertThat(ask(other, ALIVE)).startsWith("HTTP/1.1 200");
      awaitClosed(other);

      read(events);
      assertThat(isClosed(events)).isFalse();
    }
  }

  @Test
  void a_client_that_asks_and_asks_and_reads_nothing_is_cut() throws Exception {
    try (BareApi api = new BareApi(vertx, MOST, new Connections.Patience(LONG, LONG, SHORT))) {
      Socket deaf = new Socket();
      sockets.add(deaf);
      deaf.setReceiveBufferSize(4096);
      deaf.connect(new InetSocketAddress("127.0.0.1", api.port()));
      deaf.setSoTimeout(100);
      send(deaf, "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(500));

      Poll.within(
          Duration.ofSeconds(20),
          "it is cut",
          () -> {
            try {
              send(deaf, "\r\n");
              return false;
            } catch (IOException e) {
              return true; // reset
            }
          });
      assertThat(ask(connect(api), ALIVE)).startsWith("HTTP/1.1 200");
    }
  }

  @Test
  void an_answer_that_is_taken_slowly_comes_as_a_whole(@TempDir Path dir) throws Exception {
    Connections.Patience patience = new Connections.Patience(SHORT, LONG, SHORT);
    for (Handler<HttpServerResponse> large : List.of(list(), log(dir))) {
      try (Answering server = new Answering(vertx, patience, large)) {
        Socket slow = narrow(server.port());
        send(slow, ALIVE);
        long began = System.nanoTime();
        for (int taken = 0; taken < LARGE; taken += LARGE / 256) {
          assertThat(slow.getInputStream().readNBytes(LARGE / 256).length).isEqualTo(LARGE / 256);
          TimeUnit.MILLISECONDS.sleep(25);
        }

        assertThat(Duration.ofNanos(System.nanoTime() - began))
            .isGreaterThan(SHORT.multipliedBy(2));
        awaitClosed(slow);
      }
    }
  }

  @Test
  void a_client_that_takes_nothing_of_an_answer_is_cut(@TempDir Path dir) throws Exception {
    Connections.Patience patience = new Connections.Patience(LONG, LONG, SHORT);
    for (Handler<HttpServerResponse> large : List.of(list(), log(dir))) {
      try (Answering server = new Answering(vertx, patience, large)) {
        send(narrow(server.port()), ALIVE);
        Poll.until("it is there", () -> server.open() == 1);

        Poll.within(Duration.ofSeconds(20), "it is cut", () -> server.open() == 0);
      }
    }
  }

  /** More than the kernel keeps of it. */
  private static Handler<HttpServerResponse> list() {
    return response -> response.end(Buffer.buffer(new byte[LARGE]));
  }

  private static Handler<HttpServerResponse> log(Path dir) throws IOException {
    Path file = Files.write(dir.resolve("log"), new byte[LARGE]);
    return response -> response.sendFile(file.toString());
  }

  /** A server that answers every request so. */
  private static final class Answering implements AutoCloseable {
    private final Connections.Total total = new Connections.Total(MOST, 1L << 30);
    private final HttpServer server;

    Answering(Vertx vertx, Connections.Patience patience, Handler<HttpServerResponse> answer) {
      Promise<HttpServer> listening = Promise.promise();
      vertx.runOnContext(v -> listen(vertx, patience, answer).onComplete(listening));
      server = listening.future().await();
    }

    private Future<HttpServer> listen(
        Vertx vertx, Connections.Patience patience, Handler<HttpServerResponse> answer) {
      HttpServerOptions options = Connections.options();
      Connections connections =
          new Connections(vertx, options, total, Proxies.NONE, Hosts.ANY, null, patience);
      return vertx
          .createHttpServer(options)
          .connectionHandler(connections::opened)
          .requestHandler(
              request -> {
                connections.admit(request);
                answer.handle(request.response());
              })
          .listen(0, "127.0.0.1");
    }

    int open() {
      return total.open();
    }

    int port() {
      return server.actualPort();
    }

    @Override
    public void close() {
      server.close().await();
    }
  }

  /** A connection on which little is under way. */
  private Socket narrow(int port) throws IOException {
    Socket socket = new Socket();
    sockets.add(socket);
    socket.setReceiveBufferSize(64 * 1024);
    socket.setSoTimeout(10_000);
    socket.connect(new InetSocketAddress("127.0.0.1", port));
    return socket;
  }

  private Socket connect(BareApi api) throws IOException {
    Socket socket = new Socket("127.0.0.1", api.port());
    socket.setSoTimeout(10_000);
    sockets.add(socket);
    return socket;
  }

  private static void send(Socket socket, String text) throws IOException {
    socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
  }

  private static String ask(Socket socket, String request) throws IOException {
    send(socket, request);
    return read(socket);
  }

  /** An answer with its body, as far as its length is said; what there was when it ends before. */
  private static String read(Socket socket) throws IOException {
    InputStream in = socket.getInputStream();
    StringBuilder answer = new StringBuilder();
    for (int c = in.read(); c >= 0; c = in.read()) {
      answer.append((char) c);
      if (answer.length() >= 4 && answer.substring(answer.length() - 4).equals("\r\n\r\n")) {
        Matcher length = CONTENT_LENGTH.matcher(answer);
        int body = length.find() ? Integer.parseInt(length.group(1)) : 0;
        return answer + new String(in.readNBytes(body), StandardCharsets.ISO_8859_1);
      }
    }
    return answer.toString();
  }

  private static void awaitClosed(Socket socket) {
    Poll.within(Duration.ofSeconds(15), "it is closed", () -> isClosed(socket));
  }

  private static boolean isClosed(Socket socket) throws IOException {
    socket.setSoTimeout(50);
    try {
      InputStream in = socket.getInputStream();
      return in.read() < 0;
    } catch (SocketTimeoutException e) {
      return false;
    } catch (IOException e) {
      return true; // reset
    } finally {
      socket.setSoTimeout(10_000);
    }
  }
}
