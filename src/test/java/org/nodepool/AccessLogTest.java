package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One line a request; logback-test.xml writes them to a file. */
class AccessLogTest {
  private static final Path LOG = Scratch.dir("access.log");
  private static final String LOGIN = Http.basic("admin:" + TestService.PASSWORD);

  private final String id = UUID.randomUUID().toString();
  private final TestService service = TestService.shared();
  private final int port = service.http().port();

  @Test
  void a_line_tells_what_was_asked_and_answered() throws IOException {
    service.empty();
    assertThat(line("GET", "/v1/nodes?x=%20"))
        .matches("GET /v1/nodes\\?x=%20 400 \\d+ ms \\d+ B 127[.\\d]+ - " + id);
    assertThat(line("GET", "/v1/nodes"))
        .matches("GET /v1/nodes 200 \\d+ ms 2 B 127[.\\d]+ - " + id);
    assertThat(line("DELETE", "/v1/nodes/999999", "Authorization", LOGIN))
        .matches("DELETE /v1/nodes/999999 404 \\d+ ms \\d+ B 127[.\\d]+ admin " + id);
    assertThat(line("OPTIONS", "/v1/nodes"))
        .matches("OPTIONS /v1/nodes 204 \\d+ ms 0 B 127[.\\d]+ - " + id);
  }

  @Test
  void refusals_have_their_lines_and_no_user_who_was_not_verified() throws IOException {
    String secret = "hunter2";
    for (String login : List.of(Http.basic(secret + ":x"), Http.basic("admin:" + secret), secret)) {
      assertThat(line("DELETE", "/v1/nodes/1", "Authorization", login))
          .matches("DELETE /v1/nodes/1 401 \\d+ ms \\d+ B 127[.\\d]+ - " + id);
    }
    assertThat(line("GET", "/nope")).matches("GET /nope 404 .*");
    assertThat(line("PATCH", "/v1/nodes")).matches("PATCH /v1/nodes 405 .*");
    assertThat(line("GET", "/v1/nodes/%zz")).matches("GET /v1/nodes/%zz 400 .*");
    try (Wire wire = new Wire(port)) {
      wire.send(
          "PUT /v1/nodes/1 HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: %s\r\nAuthorization: %s\r\n"
                  .formatted(id, LOGIN)
              + "Content-Length: 99999999\r\n\r\n");
      assertThat(wire.read("PUT", "/v1/nodes/1").header("X-Request-Id")).isEqualTo(id);
    }
    // the answer is here before its line is
    Poll.until("its line is there", () -> newest().startsWith("PUT"));
    assertThat(newest()).matches("PUT /v1/nodes/1 413 \\d+ ms \\d+ B 127[.\\d]+ admin " + id);
    try (Wire wire = new Wire(port)) {
      wire.send(
          "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: %s\r\nTransfer-Encoding: x\r\n\r\n"
              .formatted(id));
      assertThat(wire.readUnchecked().header("X-Request-Id")).isEqualTo(id);
    }
    Poll.until("its line is there", () -> newest().startsWith("OPTIONS"));
    assertThat(newest()).matches("OPTIONS \\* 400 \\d+ ms [1-9]\\d* B 127[.\\d]+ - " + id);
    assertThat(Files.readString(LOG)).doesNotContain(secret);
  }

  @Test
  void a_stream_has_its_line_at_its_end() throws IOException {
    try (Wire wire = new Wire(port)) {
      wire.ask("GET", "/v1/events", "X-Request-Id", id);
      assertThat(new String(wire.chunk())).isEqualTo(": listening\n\n");
      assertThat(lines()).isEmpty();
    }
    assertThat(newest()).matches("GET /v1/events 200 \\d+ ms 13 B 127[.\\d]+ - " + id + " aborted");
  }

  @Test
  void a_request_that_is_never_finished_has_a_line_without_a_status() throws IOException {
    try (Wire wire = new Wire(port)) {
      wire.send(
          "PUT /v1/nodes/1 HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: %s\r\nAuthorization: %s\r\n"
                  .formatted(id, LOGIN)
              + "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n");
      assertThat(wire.readUnchecked().status()).isEqualTo(100);
    }
    assertThat(newest())
        .matches("PUT /v1/nodes/1 - \\d+ ms 0 B 127[.\\d]+ admin " + id + " aborted");
  }

  @Test
  void nobody_writes_lines_of_his_own() throws IOException {
    try (Wire wire = new Wire(port)) {
      wire.send(
          "GET /a\u009b2J\u00f6 HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: " + id + "\r\n\r\n");
      wire.readUnchecked();
    }
    assertThat(newest()).startsWith("GET /a\\u009b2J\\u00f6 4").matches("[ -~]+");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "a b", "a;b", "\"x\"", "<x>", "\u00f6", "../x", "x\ty", "%0a", "a,b"})
  void an_id_that_could_be_more_than_a_name_is_replaced(String given) throws IOException {
    assertThat(idOf(given)).matches("[0-9a-f]{8}-\\d+");
  }

  @Test
  void an_id_that_is_a_name_is_kept_and_others_are_never_the_same() throws IOException {
    for (String given : List.of("x", "A-z_0.9", "y".repeat(64))) {
      assertThat(idOf(given)).isEqualTo(given);
    }
    assertThat(idOf("y".repeat(65))).isNotEqualTo(idOf("y".repeat(65))).hasSizeLessThan(30);
  }

  @Test
  void every_answer_has_the_id() throws IOException {
    try (Wire wire = new Wire(port)) {
      for (String path : List.of("/v1/nodes", "/nope", "/v1/nodes/x", "/%zz", "/healthz")) {
        for (String method : List.of("GET", "HEAD", "OPTIONS", "PUT", "FOO")) {
          assertThat(wire.ask(method, path, "X-Request-Id", id).header("X-Request-Id"))
              .as(method + " " + path)
              .isEqualTo(id);
        }
      }
    }
  }

  private String idOf(String given) throws IOException {
    try (Wire wire = new Wire(port)) {
      return wire.ask("GET", "/v1/nodes", "X-Request-Id", given).header("X-Request-Id");
    }
  }

  /** The line of a request. */
  private String line(String method, String path, String... headers) throws IOException {
    int before = lines().size();
    String[] all = Arrays.copyOf(headers, headers.length + 2);
    all[headers.length] = "X-Request-Id";
    all[headers.length + 1] = id;
    try (Wire wire = new Wire(port)) {
      wire.ask(method, path, all);
    }
    Poll.until("its line is there", () -> lines().size() > before);
    return newest();
  }

  private String newest() {
    Poll.until("a line is there", () -> !lines().isEmpty());
    List<String> lines = lines();
    return lines.get(lines.size() - 1);
  }

  /** Those of this test. */
  private List<String> lines() {
    try {
      return Files.readAllLines(LOG).stream().filter(line -> line.contains(id)).toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
