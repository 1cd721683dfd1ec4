package org.nodepool;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.util.stream.Collectors.joining;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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

  /** What is loaded and kept for later is no leak. */
  private static final long MOST_MORE_KB = 24 * 1024;

  private static final Pattern HEAP = Pattern.compile("heap +total \\d+K, used (\\d+)K");
  private static final Pattern DIRECT =
      Pattern.compile("Other \\(reserved=\\d+KB, committed=(\\d+)KB");

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
            Memory.A_BODY_BEHIND_A_STREAM_THAT_HAS_ONE);
  }

  private static Stream<Flood> floods() {
    return IS_WHOLE ? Stream.of(Flood.values()) : Stream.of(Flood.TABLES);
  }

  private final AtomicBoolean isOver = new AtomicBoolean();
  private final AtomicInteger opened = new AtomicInteger();
  private final Queue<Wire> wires = new ConcurrentLinkedQueue<>();
  private final ExecutorService attackers = Executors.newCachedThreadPool();

  @AfterEach
  void end() {
    isOver.set(true);
    attackers.shutdownNow();
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void memory_is_not_used_up_by_strangers_and_others_are_answered(Memory attack) throws Exception {
    try (BareServer bare = BareServer.start();
        ServiceProcess service =
            ServiceProcess.in("attack")
                .jvm("-Xmx160m", "-XX:+ExitOnOutOfMemoryError", "-XX:NativeMemoryTracking=summary")
                .start()) {
      long before = memoryKb(service);
      List<Future<?>> floods = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        floods.add(attackers.submit(() -> flood(service.port(), attack.bytes, CONNECTIONS / 3)));
      }

      Poll.until("all have come", () -> opened.get() >= CONNECTIONS);
      Asks asks;
      try {
        asks = asks(service.port(), bare.port());
      } catch (IOException | AssertionError e) {
        throw new AssertionError("it does not answer; it said: " + service.err(), e);
      }

      isOver.set(true);
      for (Future<?> flood : floods) {
        flood.get();
      }
      Poll.until("all connections are given up", () -> connections(service) < 50);
      assertThat(service.http().get("/v1/nodes").status()).isEqualTo(200);
      long more = memoryKb(service) - before;
      tell(attack, asks + ", then " + more / 1024 + " MiB more than before");
      assertThat(asks.ofService()).isLessThan(asks.most());
      assertThat(more).isLessThan(MOST_MORE_KB);
      assertThat(service.err()).doesNotContain("OutOfMemory", "ERROR", "Exception");
      assertThat(service.terminate()).isLessThan(Duration.ofSeconds(10));
    }
  }

  /** What each attacker asks all the while, each time another, and how it may be answered. */
  private enum Flood {
    TABLES("GET", "/v1/nodes?limit=%d", 200, 503, "Accept: text/plain"),
    FILTERS("GET", "/v1/nodes?hostname=host-%d.example.org&state=ready", 200, 503),
    FIELDS("GET", "/v1/nodes?fields=id,hostname&limit=%d", 200, 503),
    SUMMARIES("GET", "/v1/nodes/summary?by=hostname&id=%d&id=2", 200, 503),
    GUESSES("DELETE", "/v1/nodes/%d", 401, 429, "Authorization: " + Http.basic("admin:a guess")),
    GUESSES_FROM_ONE_ADDRESS("DELETE", "/v1/nodes/%d", 401, 429, GUESSES.headers),
    REBINDING("GET", "/v1/nodes/%d", 421, 503);

    private final String method;
    private final String path;
    private final int status;
    private final int statusUnderLoad;
    private final String[] headers;

    Flood(String method, String path, int status, int statusUnderLoad, String... headers) {
      this.method = method;
      this.path = path;
      this.status = status;
      this.statusUnderLoad = statusUnderLoad;
      this.headers = headers;
    }

    private String from() {
      return this == GUESSES_FROM_ONE_ADDRESS ? "127.0.0.9" : Wire.ownAddress();
    }

    private String request(String target) {
      String host = this == REBINDING ? "attacker.example.org" : "localhost";
      return method
          + " "
          + target
          + " HTTP/1.1\r\nHost: "
          + host
          + "\r\n"
          + Stream.of(headers).map(header -> header + "\r\n").collect(joining())
          + "\r\n";
    }
  }

  @ParameterizedTest
  @MethodSource("floods")
  void a_flood_holds_up_nobody_else_and_keeps_the_right_login_out_of_nothing(Flood attack)
      throws Exception {
    try (BareServer bare = BareServer.start();
        ServiceProcess service =
            ServiceProcess.in("attack").jvm("-Xmx256m", "-XX:+ExitOnOutOfMemoryError").start()) {
      service.sql(NODES);
      Poll.until(
          "they are there",
          () -> {
            Http.Answer nodes = service.http().get("/v1/nodes");
            return nodes.status() == 200 && nodes.ids().size() == 10_000;
          });
      List<Future<?>> askers = new ArrayList<>();
      for (int i = 0; i < 500; i++) {
        int first = 1 + i * 20;
        askers.add(attackers.submit(() -> ask(service.port(), attack, first)));
      }

      Asks asks = asks(service.port(), bare.port());
      long began = System.nanoTime();
      String right = Http.basic("admin:" + service.password());
      try (Wire wire = new Wire(service.port())) {
        wire.patience(120_000);
        assertThat(wire.ask("DELETE", "/v1/nodes/99999", "Authorization", right).status())
            .isEqualTo(404);
      }
      long loginMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);

      isOver.set(true);
      for (Wire wire : wires) { // those that wait for their turn would wait for minutes
        wire.close();
      }
      for (Future<?> asker : askers) {
        asker.get();
      }
      tell(attack, asks + ", the right login took " + loginMs + " ms");
      assertThat(asks.ofService()).isLessThan(asks.most());
      // what the attackers have asked for may still be made
      Poll.until(
          "others are served", () -> service.http().get("/v1/nodes?limit=3").status() == 200);
      assertThat(service.err()).doesNotContain("OutOfMemory", "ERROR", "Exception");
    }
  }

  private Void ask(int port, Flood attack, int first) throws Exception {
    try (Wire wire = new Wire(port, attack.from())) {
      wires.add(wire);
      wire.patience(120_000);
      for (int i = 0; !isOver.get(); i++) {
        String target = attack.path.formatted(first + i % 20);
        wire.send(attack.request(target));
        // to hold each against the contract would take the attackers all their time
        assertThat(wire.readUnchecked().status()).isIn(attack.status, attack.statusUnderLoad);
      }
    } catch (IOException e) {
      if (!isOver.get()) {
        throw e;
      }
    }
    return null;
  }

  private static void tell(Object attack, String told) {
    System.out.printf("attack: %s for %d s: %s%n", attack, SECONDS, told);
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
   * How long {@code /healthz} took, and a bare server's answer, by turns, each on a connection of
   * its own; within that many ms 99 % came.
   */
  private record Asks(int number, long ofService, long ofBare) {
    /** A machine that is slow by itself is so for both. */
    private long most() {
      return MOST_MS + 4 * ofBare;
    }

    @Override
    public String toString() {
      return "%d asks of /healthz, 99 %% within %d ms (a bare server's: %d ms)"
          .formatted(number, ofService, ofBare);
    }
  }

  /** The first ask waits behind all that the attackers have sent at once, and does not count. */
  private static Asks asks(int service, int bare) throws IOException {
    ask(service);
    List<Long> ofService = new ArrayList<>();
    List<Long> ofBare = new ArrayList<>();
    long end = System.nanoTime() + SECONDS * 1_000_000_000;
    while (System.nanoTime() < end || ofService.size() < FEWEST_ASKS) {
      ofService.add(ask(service));
      ofBare.add(ask(bare));
    }
    return new Asks(ofService.size(), most(ofService), most(ofBare));
  }

  private static long most(List<Long> took) {
    Collections.sort(took);
    return took.get(took.size() * 99 / 100);
  }

  private static long ask(int port) throws IOException {
    long began = System.nanoTime();
    try (Wire wire = new Wire(port)) {
      wire.patience(60_000);
      wire.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
      assertThat(wire.readUnchecked().status()).isEqualTo(200);
    }
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
  }

  /** What it holds on its heap after a collection, and outside of it by itself, in KiB. */
  private static long memoryKb(ServiceProcess service) throws Exception {
    String pid = Long.toString(service.pid());
    String jcmd = Path.of(System.getProperty("java.home"), "bin/jcmd").toString();
    ServiceProcess.run(jcmd, pid, "GC.run");
    return kb(HEAP, ServiceProcess.run(jcmd, pid, "GC.heap_info"))
        + kb(DIRECT, ServiceProcess.run(jcmd, pid, "VM.native_memory", "summary"));
  }

  private static long kb(Pattern what, String text) {
    Matcher found = what.matcher(text);
    assertThat(found.find()).as(text).isTrue();
    return Long.parseLong(found.group(1));
  }

  private static double connections(ServiceProcess service) throws IOException {
    return Arrays.stream(service.http().get("/metrics").body().split("\n"))
        .filter(line -> line.startsWith("nodepool_connections "))
        .mapToDouble(line -> Double.parseDouble(line.substring(line.indexOf(' '))))
        .sum();
  }
}
