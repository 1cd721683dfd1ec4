package org.nodepool;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;

import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What most who poll ask is answered past the router, as the router would. */
@RunsBesideOthers
class FastPathTest {
  /** The same to whoever reads it, and nothing that the fast path would touch. */
  private static final String[] UNUSUAL = {"Accept", "application/json;q=0.9"};

  private final TestService service = TestService.shared();
  private final int port = service.http().port();
  private long node;

  @BeforeEach
  void rows() {
    service.empty();
    for (int i = 0; i < 60; i++) {
      node = service.node("p" + i % 3, i % 6);
    }
    service.image("directory", 2, "x");
    service.dibImage("tiny", 2, null);
    aJob().in(service);
  }

  @Test
  void both_ways_give_the_same_answer() throws IOException {
    long job = service.http().get("/v1/jobs").ids().get(0);
    List<String> paths =
        List.of(
            "/v1/nodes",
            "/v1/images",
            "/v1/dib_images",
            "/v1/jobs",
            "/v1/nodes/" + node,
            "/v1/jobs/" + job,
            "/v1/nodes/999999999",
            "/v1/nodes/0",
            "/v1/nodes/007",
            "/v1/nodes/abc",
            "/v1/nodes/9999999999999999999999",
            "/v1/nodes/",
            "/v1/nodes/1/2",
            "/v1/nodes?",
            "/v1/nodes?state=ready",
            "/v1/nodes/summary",
            "/v1",
            "/v1/other/1",
            "//v1/nodes");
    for (String path : paths) {
      String tag = ask(path, UNUSUAL).header("ETag");
      for (String[] headers :
          List.of(
              new String[] {},
              new String[] {"Accept-Encoding", "gzip"},
              new String[] {"If-None-Match", tag == null ? "\"x\"" : tag},
              new String[] {"If-None-Match", tag == null ? "*" : "\"y\", W/" + tag},
              new String[] {"If-None-Match", "*", "Accept-Encoding", "gzip, br"},
              new String[] {"If-None-Match", "nonsense"},
              new String[] {"X-Request-Id", "not acceptable"},
              new String[] {"Content-Length", "0"},
              new String[] {"Prefer", "respond-async", "If-None-Match", "nonsense"},
              new String[] {"Prefer", "wait=9", "If-None-Match", "\"y\""},
              new String[] {"Prefer", "wait=0", "If-None-Match", tag == null ? "\"x\"" : tag},
              new String[] {"Prefer", "wait=9"})) {
        Http.Answer shortly = ask(path, headers);
        Http.Answer longly = ask(path, both(headers, UNUSUAL));

        assertThat(described(shortly))
            .as(path + " " + List.of(headers))
            .isEqualTo(described(longly));
      }
    }
  }

  @Test
  void both_ways_hold_what_the_client_has_already() throws IOException {
    for (String path : List.of("/v1/nodes", "/v1/jobs", "/v1/nodes/" + node)) {
      String[] headers = {"Prefer", "wait=1", "If-None-Match", ask(path).header("ETag")};

      long began = System.nanoTime();
      Http.Answer shortly = ask(path, headers);

      assertThat(Duration.ofNanos(System.nanoTime() - began)).isGreaterThan(Duration.ofMillis(900));
      assertThat(shortly.status()).isEqualTo(304);
      assertThat(described(shortly))
          .as(path)
          .isEqualTo(described(ask(path, both(headers, UNUSUAL))));
    }
  }

  @Test
  void what_is_usual_is_not_seen_by_the_router_which_would_log_it() throws IOException {
    for (String path :
        List.of("/v1/nodes", "/v1/images", "/v1/dib_images", "/v1/jobs", "/v1/nodes/" + node)) {
      long before = logged(path);

      ask(path);
      ask(path, "Accept-Encoding", "gzip");
      ask(path, "Content-Length", "0");
      ask(path, "Accept", "application/json", "If-None-Match", "*");
      ask(path, "Prefer", "wait=1", "If-None-Match", "\"x\"");
      ask(path, UNUSUAL);

      Poll.until("the last has its line", () -> logged(path) > before);
      assertThat(logged(path)).as(path).isEqualTo(before + 1);
    }
  }

  /** How many lines the log of requests has of that path. */
  private static long logged(String path) throws IOException {
    return Files.readAllLines(Scratch.dir("access.log"), ISO_8859_1).stream()
        .filter(line -> line.startsWith("GET " + path + " "))
        .count();
  }

  @Test
  void what_is_not_usual_works_as_ever() throws IOException {
    try (Wire wire = new Wire(port)) {
      assertThat(wire.ask("GET", "/v1/nodes", "Content-Length", "0").status()).isEqualTo(200);
      assertThat(wire.ask("HEAD", "/v1/nodes").status()).isEqualTo(200);
      assertThat(wire.ask("DELETE", "/v1/nodes").status()).isEqualTo(405);
      assertThat(wire.ask("GET", "/v1/nodes", "a body".getBytes()).status()).isEqualTo(200);
      assertThat(wire.ask("GET", "/v1/nodes", "Accept", "image/png").status()).isEqualTo(406);
      assertThat(
              wire.ask(
                      "GET", "/v1/nodes/" + node, "Accept", "*/*", "Accept", "application/json;q=0")
                  .status())
          .isEqualTo(406);
      assertThat(wire.ask("GET", "/v1/nodes", "Accept", "text/plain").header("Content-Type"))
          .startsWith("text/plain");
      wire.send("GET /v1/nodes HTTP/1.0\r\nHost: localhost\r\n\r\n");
      assertThat(wire.read("GET", "/v1/nodes").status()).isEqualTo(200);
    }
    try (Wire wire = new Wire(port)) {
      wire.send("GET /v1/nodes HTTP/1.1\r\nHost: a b\r\n\r\n");
      assertThat(wire.readUnchecked().status()).isEqualTo(400);
    }
  }

  @Test
  void polls_are_counted_by_route_and_status() throws IOException {
    double before = count("/v1/nodes/:id", 200) + count("/v1/nodes", 200);
    for (int i = 0; i < 5; i++) {
      ask("/v1/nodes/" + node);
      ask("/v1/nodes");
    }

    // counted when the answer has ended, which a client may know sooner
    Poll.until(
        "they are counted",
        () -> count("/v1/nodes/:id", 200) + count("/v1/nodes", 200) == before + 10);
    double missing = count("/v1/nodes/:id", 404);
    ask("/v1/nodes/999999999");
    Poll.until("it is counted", () -> count("/v1/nodes/:id", 404) == missing + 1);
    String metrics = service.http().get("/metrics").body();
    assertThat(metrics)
        .contains("nodepool_probes_total", "nodepool_refreshes_total", "nodepool_differences_total")
        .contains("nodepool_jobs{kind=\"build\",state=\"queued\"} 1.0")
        .contains("nodepool_connections ", "nodepool_database_under_way ")
        .contains("nodepool_event_loop_delay_seconds_max{loop=");
  }

  private double count(String route, int status) {
    String wanted =
        "nodepool_requests_seconds_count{held=\"false\",method=\"GET\",route=\"%s\",status=\"%d\"} "
            .formatted(route, status);
    return service
        .http()
        .get("/metrics")
        .body()
        .lines()
        .filter(line -> line.startsWith(wanted))
        .mapToDouble(line -> Double.parseDouble(line.substring(wanted.length())))
        .sum();
  }

  private static String[] both(String[] one, String[] other) {
    List<String> all = new ArrayList<>(List.of(one));
    all.addAll(List.of(other));
    return all.toArray(String[]::new);
  }

  private Http.Answer ask(String path, String... headers) throws IOException {
    try (Wire wire = new Wire(port)) {
      return wire.ask("GET", path, headers);
    }
  }

  private static Map<String, Object> described(Http.Answer answer) {
    Map<String, Object> all = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    answer.headers().map().forEach(all::put);
    all.remove("X-Request-Id");
    all.remove("Date");
    all.put("status", answer.status());
    all.put("body", answer.body());
    return all;
  }
}
