package org.nodepool;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Duration;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What proxies and standard clients need of an answer, to the letter. */
class HttpLetterTest {
  private static final String LOGIN = Http.basic("admin:" + TestService.PASSWORD);

  private final TestService service = TestService.shared();
  private final int port = service.http().port();

  @BeforeEach
  void empty() {
    service.empty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "GET /v1/nodes", "GET /v1/nodes?limit=1", "GET /nope", "GET /%zz", "PUT /v1/nodes/1",
        "PATCH /v1/nodes", "OPTIONS /v1/nodes", "HEAD /v1/jobs", "GET /v1/jobs/1/log",
            "GET /metrics"
      })
  void every_answer_has_the_time_and_what_caches_and_browsers_need(String request)
      throws IOException {
    try (Wire wire = new Wire(port)) {
      String[] parts = request.split(" ");
      Http.Answer answer = wire.ask(parts[0], parts[1]);
      ZonedDateTime date =
          ZonedDateTime.parse(answer.header("Date"), DateTimeFormatter.RFC_1123_DATE_TIME);
      assertThat(Duration.between(date, ZonedDateTime.now()).abs())
          .isLessThan(Duration.ofSeconds(10));
      assertThat(answer.headers().allValues("Date")).hasSize(1);
      assertThat(answer.header("X-Content-Type-Options")).isEqualTo("nosniff");
      assertThat(answer.header("Cache-Control")).isEqualTo("no-cache");
      String type = answer.header("Content-Type");
      assertThat(answer.header("Content-Security-Policy"))
          .isEqualTo(
              type == null || type.equals("application/json")
                  ? null
                  : "default-src 'none'; frame-ancestors 'none'");
    }
  }

  @Test
  void names_of_headers_are_in_their_usual_case() throws IOException {
    long image = service.image("directory", 2, null);
    for (String head :
        List.of(
            "GET /v1/nodes",
            "GET /v1/nodes?limit=1",
            "GET /nope",
            "PUT /v1/nodes/1",
            "PATCH /v1/nodes",
            "DELETE /v1/images/" + image)) {
      try (Wire wire = new Wire(port)) {
        wire.send(
            head
                + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: "
                + LOGIN
                + "\r\n\r\n");
        String answer = new String(wire.rest(), ISO_8859_1);
        assertThat(answer).contains("\r\nConnection: close\r\n");
        answer
            .split("\r\n\r\n")[0]
            .lines()
            .skip(1)
            .forEach(line -> assertThat(line).as(head).matches("[A-Z][^:]*: .*"));
      }
    }
  }

  @Test
  void a_first_line_of_8000_bytes_is_taken_and_one_more_is_too_long() throws IOException {
    String path = "/" + "a".repeat(8_000 - "GET / HTTP/1.1".length());
    try (Wire wire = new Wire(port)) {
      assertThat(wire.ask("GET", path).status()).isEqualTo(404);
      Http.Answer answer = wire.ask("GET", path + "a");
      assertThat(answer.status()).isEqualTo(414);
      assertThat(answer.slug()).isEqualTo("uri-too-long");
      assertThat(wire.rest()).isEmpty();
    }
  }

  @Test
  void a_hundred_fields_are_taken_and_one_more_is_too_many() throws IOException {
    String ninetyNine = "X: a\r\n".repeat(99);
    try (Wire wire = new Wire(port)) {
      wire.send("GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\n" + ninetyNine + "\r\n");
      assertThat(wire.read("GET", "/v1/nodes").status()).isEqualTo(200);
      wire.send("GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\nY: b\r\n" + ninetyNine + "\r\n");
      Http.Answer answer = wire.read("GET", "/v1/nodes");
      assertThat(answer.status()).isEqualTo(431);
      assertThat(answer.slug()).isEqualTo("too-many-fields");
      assertThat(wire.rest()).isEmpty();
    }
  }

  @Test
  void another_version_of_http_is_refused() throws IOException {
    for (String version : List.of("HTTP/2.0", "HTTP/1.2", "HTTP/0.9")) {
      try (Wire wire = new Wire(port)) {
        wire.send("GET /v1/nodes " + version + "\r\nHost: localhost\r\n\r\n");
        Http.Answer answer = wire.read("GET", "/v1/nodes");
        assertThat(answer.status()).isEqualTo(505);
        assertThat(answer.slug()).isEqualTo("http-version-not-supported");
      }
    }
  }

  @Test
  void requests_with_bodies_behind_others_are_answered_in_order_and_none_twice()
      throws IOException {
    String node = "/v1/nodes/" + service.node("directory", 2);
    String put =
        "PUT "
            + node
            + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: "
            + LOGIN
            + "\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    String chunks = "1\r\na\r\n".repeat(2_000);
    try (Wire wire = new Wire(port)) {
      wire.send(
          put
              + "Content-Length: 10\r\n\r\nstate=hold"
              + put
              + "Transfer-Encoding: chunked\r\n\r\nc\r\nstate=ready&\r\n"
              + chunks
              + "0\r\n\r\n"
              + put
              + "Content-Length: 11\r\n\r\nstate=nope!"
              + "GET "
              + node
              + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nxyz"
              + "GET "
              + node
              + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
      assertThat(wire.read("PUT", node).status()).isEqualTo(200);
      assertThat(wire.read("PUT", node).status()).isEqualTo(200);
      assertThat(wire.read("PUT", node).status()).isEqualTo(400);
      assertThat(wire.read("GET", node).json().getString("state")).isEqualTo("ready");
      assertThat(wire.read("GET", node).json().getString("state")).isEqualTo("ready");
    }
  }

  @Test
  void http_1_0_keeps_its_connection_when_nothing_is_new() throws IOException {
    try (Wire wire = new Wire(port)) {
      String get = "GET /v1/nodes HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n";
      wire.send(get + "\r\n");
      String seen = wire.read("GET", "/v1/nodes").header("ETag");
      for (int i = 0; i < 3; i++) {
        wire.send(get + "If-None-Match: " + seen + "\r\n\r\n");
        assertThat(wire.read("GET", "/v1/nodes").status()).isEqualTo(304);
      }
    }
  }

  @Test
  void chunks_may_have_extensions() throws IOException {
    long node = service.node("directory", 2);
    try (Wire wire = new Wire(port)) {
      wire.send(
          "PUT /v1/nodes/"
              + node
              + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: "
              + LOGIN
              + "\r\nContent-Type: application/x-www-form-urlencoded"
              + "\r\nTransfer-Encoding: chunked\r\n\r\na;x=y;z=\"a b\"\r\nstate=hold\r\n0;e\r\n\r\n");
      assertThat(wire.read("PUT", "/v1/nodes/" + node).status()).isEqualTo(200);
      assertThat(wire.ask("GET", "/v1/nodes").status()).isEqualTo(200);
    }
  }

  @Test
  void http_1_0_knows_no_expectation() throws IOException {
    long node = service.node("directory", 2);
    try (Wire wire = new Wire(port)) {
      wire.send(
          "PUT /v1/nodes/"
              + node
              + " HTTP/1.0\r\nHost: localhost\r\nExpect: 100-continue\r\n"
              + "Content-Type: application/x-www-form-urlencoded\r\nAuthorization: "
              + LOGIN
              + "\r\nContent-Length: 10\r\n\r\nstate=hold");
      assertThat(wire.read("PUT", "/v1/nodes/" + node).status()).isEqualTo(200);
    }
  }

  @Test
  void a_stream_of_http_1_0_ends_by_close_and_tells_proxies_not_to_keep_it_back()
      throws IOException {
    for (String keep : List.of("", "Connection: keep-alive\r\n")) {
      try (Wire wire = new Wire(port)) {
        wire.send("GET /v1/events HTTP/1.0\r\nHost: localhost\r\n" + keep + "\r\n");
        Http.Answer head = wire.readStreamHead();
        assertThat(head.status()).isEqualTo(200);
        assertThat(head.header("Transfer-Encoding")).isNull();
        assertThat(head.header("X-Accel-Buffering")).isEqualTo("no");
        assertThat(head.header("Connection")).isIn(null, "close");
      }
    }
  }

  @Test
  void events_of_a_kind_that_there_is_not_are_refused() throws IOException {
    try (Wire wire = new Wire(port)) {
      Http.Answer answer = wire.ask("GET", "/v1/events?kind=nodes");
      assertThat(answer.status()).isEqualTo(400);
      assertThat(answer.json().getString("detail"))
          .isEqualTo(
              "There are no events of kind 'nodes'; allowed: node, image, dib_image, job, progress.");
    }
  }

  @Test
  void a_write_is_done_only_if_the_row_is_as_the_client_has_seen_it() throws IOException {
    String node = "/v1/nodes/" + service.node("directory", 2);
    try (Wire wire = new Wire(port)) {
      String seen = wire.ask("GET", node).header("ETag");
      assertThat(put(wire, node, "If-Match", "\"other\"").status()).isEqualTo(412);
      assertThat(put(wire, node, "If-Match", "W/" + seen).status()).isEqualTo(412);
      assertThat(put(wire, node, "If-None-Match", seen).status()).isEqualTo(412);
      Http.Answer refused = put(wire, node, "If-None-Match", "*");
      assertThat(refused.slug()).isEqualTo("precondition-failed");
      assertThat(wire.ask("GET", node).header("ETag")).isEqualTo(seen);

      assertThat(put(wire, node, "If-Match", "\"other\", " + seen).status()).isEqualTo(200);
      assertThat(put(wire, node, "If-Match", seen).status()).isEqualTo(412); // it is held now
      assertThat(put(wire, node, "If-Match", "*").status()).isEqualTo(200);
      // what would fail anyhow fails so
      assertThat(put(wire, "/v1/nodes/999999", "If-Match", "\"x\"").status()).isEqualTo(404);
      String gone = "/v1/nodes/" + service.node("directory", 4);
      assertThat(put(wire, gone, "If-Match", "\"x\"").status()).isEqualTo(409);
    }
  }

  @Test
  void a_deletion_is_done_only_if_the_row_is_as_the_client_has_seen_it() throws IOException {
    for (String row :
        List.of(
            "/v1/nodes/" + service.node("directory", 2),
            "/v1/images/" + service.image("directory", 2, null),
            "/v1/dib_images/" + service.dibImage("tiny", 2, null))) {
      try (Wire wire = new Wire(port)) {
        String seen = wire.ask("GET", row).header("ETag");
        assertThat(delete(wire, row, "If-Match", "\"other\"").status()).isEqualTo(412);
        assertThat(delete(wire, row, "If-None-Match", seen).status()).isEqualTo(412);
        assertThat(wire.ask("GET", row).header("ETag")).isEqualTo(seen);
        assertThat(delete(wire, row, "If-Match", seen).status()).isEqualTo(204);
      }
    }
  }

  private static Http.Answer put(Wire wire, String path, String... condition) throws IOException {
    return wire.ask(
        "PUT",
        path,
        "state=hold".getBytes(ISO_8859_1),
        "Authorization",
        LOGIN,
        "Content-Type",
        "application/x-www-form-urlencoded",
        condition[0],
        condition[1]);
  }

  private static Http.Answer delete(Wire wire, String path, String... condition)
      throws IOException {
    return wire.ask("DELETE", path, "Authorization", LOGIN, condition[0], condition[1]);
  }
}
