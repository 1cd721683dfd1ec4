package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Behind proxies that are trusted, and others; the names that the service is asked for by. */
class ProxiesTest {
  private static final Path DIR = Scratch.dir("test-service-proxies");
  private static final Path LOG = Scratch.dir("access.log");
  private static final String LOGIN = Http.basic("admin:" + TestService.PASSWORD);
  private static final String PROXY = "127.9.0.1";

  private static TestService service;
  private static int port;

  @BeforeAll
  static void start() throws Exception {
    service =
        TestService.start(
            DIR, "server: {port: 0, trusted_proxies: [127.9.0.0/16, 10.1.1.1, '2001:db8::/32']}");
    port = service.http().port();
  }

  @AfterAll
  static void stop() {
    service.stop();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "127.9.0.1 | 192.0.2.1                          | 192.0.2.1",
        "127.9.0.1 | 6.6.6.6, 192.0.2.1                 | 192.0.2.1",
        "127.9.0.1 | 6.6.6.6, 192.0.2.1, 10.1.1.1       | 192.0.2.1",
        "127.9.0.1 | 192.0.2.1, 2001:db8::7             | 192.0.2.1",
        "127.9.0.1 | 10.1.1.1, 10.1.1.1                 | 10.1.1.1",
        "127.9.0.1 | 192.0.2.1:4711                     | 192.0.2.1",
        "127.9.0.1 | [2001:db9::1]:4711                 | 2001:db9:0:0:0:0:0:1",
        "127.9.0.1 | unknown                            | 127.9.0.1",
        "127.9.0.1 | 192.0.2.1, _hidden, 10.1.1.1       | 10.1.1.1",
        "127.9.0.1 | localhost                          | 127.9.0.1",
        "127.9.0.1 | \", 192.0.2.1                      | 192.0.2.1",
        "127.8.0.1 | 192.0.2.1                          | 127.8.0.1",
      })
  void the_client_is_the_rightmost_address_that_is_no_trusted_proxy(
      String from, String forwarded, String client) throws IOException {
    String id = "proxied-" + System.nanoTime();
    try (Wire wire = new Wire(port, from)) {
      wire.ask("GET", "/v1/nodes?limit=1", "X-Request-Id", id, "X-Forwarded-For", forwarded);
      wire.ask("GET", "/v1/nodes", "X-Request-Id", id, "X-Forwarded-For", forwarded);
    }
    Poll.until("both lines are there", () -> lines(id).size() == 2);
    assertThat(lines(id)).allMatch(line -> line.contains(" B " + client + " - "));
  }

  private static List<String> lines(String id) {
    try {
      return Files.readAllLines(LOG).stream().filter(line -> line.endsWith(id)).toList();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void guesses_are_counted_by_client_and_not_by_proxy() throws IOException {
    for (int i = 0; i < 25; i++) {
      try (Wire wire = new Wire(port, PROXY)) {
        String[] headers = {
          "Authorization", Http.basic("admin:" + i), "X-Forwarded-For", "192.0.2." + (i % 2)
        };
        assertThat(wire.ask("DELETE", "/v1/nodes/1", headers).status()).isEqualTo(401);
      }
    }
    try (Wire wire = new Wire(port, PROXY)) {
      long began = System.nanoTime();
      String[] headers = {"Authorization", LOGIN, "X-Forwarded-For", "192.0.2.9"};
      assertThat(wire.ask("DELETE", "/v1/nodes/999999", headers).status()).isEqualTo(404);
      assertThat(System.nanoTime() - began).isLessThan(400_000_000L);
    }
  }

  @Test
  void links_begin_with_the_prefix_of_a_trusted_proxy_alone() throws IOException {
    service.node("directory", 2);
    service.node("directory", 2);
    try (Wire wire = new Wire(port, PROXY)) {
      Http.Answer list = wire.ask("GET", "/v1/nodes?limit=1", "X-Forwarded-Prefix", "/pool/a/");
      assertThat(list.header("Link")).startsWith("</pool/a/v1/nodes?");
      Http.Answer root = wire.ask("GET", "/v1", "X-Forwarded-Prefix", "/pool");
      assertThat(root.json().getJsonObject("links").getString("nodes")).isEqualTo("/pool/v1/nodes");
      Http.Answer build =
          wire.ask(
              "POST",
              "/v1/dib_images/tiny/build",
              "Authorization",
              LOGIN,
              "X-Forwarded-Prefix",
              "/pool");
      assertThat(build.header("Location")).startsWith("/pool/v1/dib_images/");
      assertThat(build.header("Link")).startsWith("</pool/v1/jobs/");
      for (String none : List.of("//evil.example", "/a b", "evil", "/<x>", "/a/../b?")) {
        assertThat(wire.ask("GET", "/v1/nodes?limit=1", "X-Forwarded-Prefix", none).header("Link"))
            .as(none)
            .startsWith("</v1/nodes?");
      }
    }
    try (Wire wire = new Wire(port)) {
      assertThat(wire.ask("GET", "/v1/nodes?limit=1", "X-Forwarded-Prefix", "/evil").header("Link"))
          .startsWith("</v1/nodes?");
    }
  }

  @Test
  void the_origin_is_that_which_the_client_of_the_proxy_sees() throws IOException {
    try (Wire wire = new Wire(port, PROXY)) {
      assertThat(write(wire, "https://pool.example.org", "pool.example.org", "https"))
          .isEqualTo(404);
      assertThat(write(wire, "http://pool.example.org", "pool.example.org", "https"))
          .isEqualTo(403);
      assertThat(write(wire, "https://evil.example.org", "pool.example.org", "https"))
          .isEqualTo(403);
    }
    try (Wire wire = new Wire(port)) {
      assertThat(write(wire, "https://pool.example.org", "pool.example.org", "https"))
          .isEqualTo(403);
    }
  }

  private static int write(Wire wire, String origin, String host, String proto) throws IOException {
    return wire.ask(
            "DELETE",
            "/v1/nodes/999999",
            "Authorization",
            LOGIN,
            "Origin",
            origin,
            "X-Forwarded-Host",
            host,
            "X-Forwarded-Proto",
            proto)
        .status();
  }

  @Test
  void where_forwarded_counts_the_others_do_not() throws Exception {
    TestService other =
        TestService.start(
            Scratch.dir("test-service-forwarded"),
            "server: {port: 0, trusted_proxies: [127.9.0.0/16], forwarded: forwarded}");
    try (Wire wire = new Wire(other.http().port(), PROXY)) {
      String id = "forwarded-" + System.nanoTime();
      wire.ask(
          "GET",
          "/v1/nodes?limit=1",
          "X-Request-Id",
          id,
          "X-Forwarded-For",
          "6.6.6.6",
          "Forwarded",
          "for=6.6.6.7, for=\"[2001:db9::1]:80\";proto=https, FOR=127.9.0.2");
      String swallowing = "swallowing-" + id;
      wire.ask(
          "GET",
          "/v1/nodes?limit=1",
          "X-Request-Id",
          swallowing,
          "Forwarded",
          "for=6.6.6.6;x=\", for=192.0.2.1");
      String odd = "odd-" + id;
      wire.ask(
          "GET",
          "/v1/nodes?limit=1",
          "X-Request-Id",
          odd,
          "Forwarded",
          "for=6.6.6.6, for=192.0.2.1;by=\"a;for=6.6.6.6\"");
      Poll.until("the lines are there", () -> lines(id).size() == 3);
      assertThat(lines(id).get(0)).contains(" B 2001:db9:0:0:0:0:0:1 - ");
      assertThat(lines(swallowing).get(0)).contains(" B 127.9.0.1 - ");
      assertThat(lines(odd).get(0)).contains(" B 192.0.2.1 - ");
    } finally {
      other.stop();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"evil.example.org", "evil.example.org:80", "localhost.evil", "a1.2.3.4"})
  void a_name_that_is_none_of_ours_is_misdirected_for_every_request(String host)
      throws IOException {
    for (String request : List.of("GET /v1/nodes", "GET /v1/nodes?limit=1", "PUT /v1/nodes/1")) {
      try (Wire wire = new Wire(port)) {
        wire.send(request + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
        Http.Answer answer = wire.read(request.split(" ")[0], request.split(" ")[1]);
        assertThat(answer.status()).as(request).isEqualTo(421);
        assertThat(answer.slug()).isEqualTo("misdirected");
      }
    }
    try (Wire wire = new Wire(port, PROXY)) { // it has looked itself
      wire.send("GET /v1/nodes HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
      assertThat(wire.read("GET", "/v1/nodes").status()).isEqualTo(200);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"localhost", "LOCALHOST:8080", "127.0.0.1", "[::1]:80", "10.9.8.7:1"})
  void an_address_and_the_names_of_this_machine_are_ours(String host) throws IOException {
    for (String name : List.of(host, Installation.hostName())) {
      try (Wire wire = new Wire(port)) {
        wire.send("GET /v1/nodes HTTP/1.1\r\nHost: " + name + "\r\n\r\n");
        assertThat(wire.read("GET", "/v1/nodes").status()).as(name).isEqualTo(200);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"proxy.example.org", "10.0.0.0/33", "'::1/129'", "10.0.0/8", "'*'"})
  void what_is_no_network_stops_the_start(String network) {
    assertThatThrownBy(
            () ->
                TestService.start(
                    Scratch.dir("test-service-no-network"),
                    "server: {port: 0, trusted_proxies: [%s]}".formatted(network)))
        .hasMessageContaining("is neither an address nor a network such as 10.0.0.0/8");
  }
}
