package org.nodepool;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Strangers against the packaged service, which has little memory. Longer with {@code ./run.sh
 * attack}, which takes minutes for each attack.
 */
@RunsAlone("it takes the machine")
class AttackIT {
  private static final long SECONDS =
      Long.getLong("nodepool.attack.seconds", Extent.isLong() ? 20 : 4);
  private static final boolean IS_WHOLE =
      Extent.isLong() || Long.getLong("nodepool.attack.seconds") != null;
  private static final int CONNECTIONS = 3_000;
  private static final int FEWEST_ASKS = 100;
  private static final long PAUSE_MS = 10;

  /** Attackers and service share the processors: without bounds it was 9 s, or for ever. */
  private static final long MOST_MS = 2_000;

  private static final String NODES =
      "INSERT INTO node (provider_name, label_name, target_name, hostname, external_id, ip, state,"
          + " state_time) SELECT CONCAT('provider-', seq % 7), 'a-label', 'a-target',"
          + " CONCAT('host-', seq, '.example.org'), UUID(), '203.0.113.7', 2, seq"
          + " FROM seq_1_to_10000";

  /** What each connection sends, without a login, and then keeps quiet. */
  private enum Memory {
    BODIES_THAT_LACK_A_BYTE(
        "PUT /v1/nodes/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65536\r\n\r\n"
            + "x".repeat(65_535)),
    BODIES_IN_TINY_CHUNKS(
        "PUT /v1/nodes/1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "1\r\nx\r\n".repeat(10_000)),
    HALF_A_HEAD_OF_SHORT_FIELDS(
        "GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\n" + "a:b\r\n".repeat(1_500)),
    HALF_A_HEAD_OF_LONG_FIELDS(
        "GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\n"
            + ("a: " + "b".repeat(3_900) + "\r\n").repeat(2)),
    HALF_A_FIRST_LINE("GET /" + "a".repeat(7_900)),
    PIPELINED_REQUESTS_BEHIND_ONE_THAT_WAITS(
        "GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: *\r\nPrefer: wait=5\r\n\r\n"
            + "GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(150)),
    A_BODY_BEHIND_A_REQUEST_THAT_WAITS(
        "GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: *\r\nPrefer: wait=5\r\n\r\n"
            + "PUT /v1/nodes/1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "1\r\nx\r\n".repeat(10_000)),
    A_BODY_BEHIND_A_STREAM_THAT_HAS_ONE(
        "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"
            + "PUT /v1/nodes/1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "1\r\nx\r\n".repeat(10_000));

    private final byte[] bytes;

    Memory(String text) {
      bytes = text.getBytes(ISO_8859_1);
    }
  }

  /** One of each kind, or all. */
  private static Stream<Memory> shapes() {
    return IS_WHOLE
        ? Stream.of(Memory.values())
        : Stream.of(
            Memory.BODIES_IN_TINY_CHUNKS,
            Memory.HALF_A_HEAD_OF_SHORT_FIELDS,
            Memory.A_BODY_BEHIND_A_REQUEST_THAT_WAITS);
  }

  private static Stream<Expensive> expensive() {
    return IS_WHOLE ? Stream.of(Expensive.values()) : Stream.of(Expensive.TABLES);
  }

  private final AtomicBoolean isOver = new AtomicBoolean();
  private final AtomicInteger opened = new AtomicInteger();
  private final ExecutorService attackers = Executors.newCachedThreadPool();

  @AfterEach
  void end() {
    isOver.set(true);
    attackers.shutdownNow();
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void memory_is_not_used_up_by_strangers_and_others_are_answered(Memory attack) throws Exception {
    try (ServiceProcess service =
        ServiceProcess.in("attack").jvm("-Xmx160m", "-XX:+ExitOnOutOfMemoryError").start()) {
      List<Future<?>> floods = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        floods.add(attackers.submit(() -> flood(service.port(), attack.bytes, CONNECTIONS / 3)));
      }

      Poll.until("all have come", () -> opened.get() >= CONNECTIONS);
      long[] took;
      try {
        took = asks(service);
      } catch (IOException | AssertionError e) {
        throw new AssertionError("it does not answer; it said: " + service.err(), e);
      }

      isOver.set(true);
      for (Future<?> flood : floods) {
        flood.get();
      }
      tell(attack, took);
      assertThat(took[took.length * 99 / 100]).isLessThan(MOST_MS);
      Poll.until("all connections are given up", () -> connections(service) < 50);
      assertThat(service.http().get("/v1/nodes").status()).isEqualTo(200);
      assertThat(service.err()).doesNotContain("OutOfMemory", "ERROR", "Exception");
      assertThat(service.terminate()).isLessThan(Duration.ofSeconds(10));
    }
  }

  /** What is expensive to answer, each time in another way. */
  private enum Expensive {
    TABLES("/v1/nodes?limit=%d", "text/plain"),
    FILTERS("/v1/nodes?hostname=host-%d.example.org&state=ready", "application/json"),
    FIELDS("/v1/nodes?fields=id,hostname&limit=%d", "application/json"),
    SUMMARIES("/v1/nodes/summary?by=hostname&id=%d&id=2", "application/json");

    private final String path;
    private final String accept;

    Expensive(String path, String accept) {
      this.path = path;
      this.accept = accept;
    }
  }

  @ParameterizedTest
  @MethodSource("expensive")
  void what_is_expensive_holds_up_nobody_else(Expensive attack) throws Exception {
    try (ServiceProcess service =
        ServiceProcess.in("attack").jvm("-Xmx256m", "-XX:+ExitOnOutOfMemoryError").start()) {
      service.sql(NODES);
      Poll.until("they are there", () -> service.http().get("/v1/nodes").ids().size() == 10_000);
      List<Future<?>> askers = new ArrayList<>();
      for (int i = 0; i < 500; i++) {
        int first = 1 + i * 20;
        askers.add(attackers.submit(() -> ask(service.port(), attack, first)));
      }

      long[] took = asks(service);

      isOver.set(true);
      for (Future<?> asker : askers) {
        asker.get();
      }
      tell(attack, took);
      assertThat(took[took.length * 99 / 100]).isLessThan(MOST_MS);
      assertThat(service.http().get("/v1/nodes?limit=3").status()).isEqualTo(200);
      assertThat(service.err()).doesNotContain("OutOfMemory", "ERROR", "Exception");
    }
  }

  private Void ask(int port, Expensive attack, int first) throws Exception {
    try (Wire wire = new Wire(port)) {
      wire.patience(120_000);
      for (int i = 0; !isOver.get(); i++) {
        String path = attack.path.formatted(first + i % 20);
        assertThat(wire.ask("GET", path, "Accept", attack.accept).status()).isIn(200, 503);
      }
    }
    return null;
  }

  private static void tell(Object attack, long[] took) {
    System.out.printf(
        "attack: %s for %d s: %d asks of /healthz, 99 %% within %d ms, the last within %d ms%n",
        attack, SECONDS, took.length, took[took.length * 99 / 100], took[took.length - 1]);
  }

  /** Keeps so many connections that have sent it, and replaces some all the while. */
  private Void flood(int port, byte[] bytes, int connections) throws Exception {
    Deque<SocketChannel> open = new ArrayDeque<>();
    while (!isOver.get()) {
      try {
        SocketChannel channel = SocketChannel.open();
        open.add(channel);
        opened.incrementAndGet();
        channel.connect(new InetSocketAddress("127.0.0.1", port));
        channel.configureBlocking(false);
        channel.write(ByteBuffer.wrap(bytes));
      } catch (IOException e) { // refused, or cut
        Thread.sleep(PAUSE_MS);
      }
      if (open.size() >= connections) {
        open.removeFirst().close();
        Thread.sleep(PAUSE_MS);
      }
    }
    for (SocketChannel channel : open) {
      channel.close();
    }
    return null;
  }

  /**
   * Asks all the while; how long each answer took, in ms, the shortest first. The first one waits
   * behind all that the attackers have sent at once, and does not count.
   */
  private static long[] asks(ServiceProcess service) throws IOException {
    ask(service);
    List<Long> took = new ArrayList<>();
    long end = System.nanoTime() + SECONDS * 1_000_000_000;
    while (System.nanoTime() < end || took.size() < FEWEST_ASKS) {
      took.add(ask(service));
    }
    return took.stream().mapToLong(Long::longValue).sorted().toArray();
  }

  private static long ask(ServiceProcess service) throws IOException {
    long began = System.nanoTime();
    try (Wire wire = new Wire(service.port())) {
      wire.patience(60_000);
      assertThat(wire.ask("GET", "/healthz").status()).isEqualTo(200);
    }
    return (System.nanoTime() - began) / 1_000_000;
  }

  private static double connections(ServiceProcess service) throws IOException {
    return Arrays.stream(service.http().get("/metrics").body().split("\n"))
        .filter(line -> line.startsWith("nodepool_connections "))
        .mapToDouble(line -> Double.parseDouble(line.substring(line.indexOf(' '))))
        .sum();
  }
}
