package org.nodepool;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.api.DeclaredRoutes;

/** What no well-behaved client sends: it is refused as what it is, and harms nothing. */
@RunsBesideOthers
@Tag("both-databases")
class OddRequestsTest {
  private static final String LOGIN = Http.basic("admin:" + TestService.PASSWORD);
  private static final int SEED = 20141124;
  private static final int REQUESTS = 1500;

  private static final List<String> METHODS =
      List.of(
          "GET",
          "GET",
          "HEAD",
          "POST",
          "POST",
          "PUT",
          "PUT",
          "DELETE",
          "PATCH",
          "OPTIONS",
          "TRACE",
          "BREW",
          "get",
          "CONNECT",
          "M-SEARCH",
          "A".repeat(100));

  private static final List<String> NAMES =
      List.of(
          "nope",
          "by-script",
          "by-nothing",
          "..",
          ".",
          "%2e%2e",
          "%2F",
          "a%2Fb",
          "%00",
          "%0A",
          "%C3%B6",
          "%FF",
          "%ED%A0%80",
          "%F0%9F%98%80",
          "%",
          "%4",
          "%zz",
          "*",
          "-1",
          "0",
          "01",
          "1.5",
          "99999999999999999999",
          "'or'1'='1",
          "{}",
          "a:b",
          "a;b=c",
          "~",
          "null",
          "x".repeat(1000));

  private static final List<String> QUERIES =
      List.of(
          "",
          "",
          "",
          "?",
          "?&",
          "?=",
          "?x",
          "?x=1",
          "?state=ready",
          "?record_only=true",
          "?record_only=maybe",
          "?record_only",
          "?%zz=1",
          "?%",
          "?a=%",
          "?kind=node",
          "?kind=build&kind=upload",
          "?state=hold&state=99",
          "?state=2",
          "?provider_name=directory&fields=id,state",
          "?fields=",
          "?fields=id;drop",
          "?limit=1",
          "?limit=0",
          "?limit=99999999999999999999",
          "?limit=3&marker=3&state=ready",
          "?marker=-1",
          "?marker=x&marker=y",
          "?by=state",
          "?by=state,provider_name&id=1",
          "?by=password",
          "?id=1'or'1'='1",
          "?hostname=%F0%9F%98%80&az=%00",
          "??",
          "?#",
          "?a[]=1",
          "?%00=%00",
          "?" + "a&".repeat(500));

  private static final List<String> TYPES =
      List.of(
          "application/x-www-form-urlencoded",
          "application/x-www-form-urlencoded",
          "application/json",
          "application/json",
          "text/plain",
          "multipart/form-data",
          ";",
          "/",
          "",
          "application/json; charset=utf-16",
          "application/json;;;",
          "\u00ff");

  private static final List<String> RIGHT_BODIES =
      List.of(
          "state=hold",
          "state=ready",
          "{\"state\":\"hold\"}",
          "{\"state\":\"ready\"}",
          "provider_name=directory",
          "{\"provider_name\":\"raw-directory\"}");

  private static final List<String> BODIES =
      List.of(
          "",
          "",
          "state=hold",
          "state=ready",
          "state=",
          "state",
          "{}",
          "{\"state\":\"hold\"}",
          "{\"state\":null}",
          "{\"state\":{}}",
          "[]",
          "[1",
          "\"",
          "null",
          "=",
          "&",
          "%",
          "a=%zz",
          "provider_name=nope",
          "provider_name=directory",
          "provider_name=cloud&image_name=x",
          "{\"provider_name\":\"directory\"}",
          "{\"provider_name\":[]}",
          "\u00ff\u00fe",
          "\0",
          "x".repeat(70_000),
          "state=" + "x".repeat(60_000),
          "{\"a\":".repeat(5_000));

  private static final List<String> HEADERS =
      List.of(
          "Accept: */*",
          "Accept: text/plain",
          "Accept: ;;;",
          "Accept: application/json;q=0, */*;q=0.1",
          "Accept: image/png",
          "Accept: \"",
          "Authorization: Basic",
          "Authorization: Bearer x",
          "X-Request-Id: a b",
          "X-Request-Id: mine-1",
          "Accept-Encoding: gzip",
          "Range: x",
          "Range: bytes=0-1",
          "If-None-Match: *",
          "Prefer: wait=1",
          "Expect: nonsense",
          "Origin: null",
          "Origin: http://test",
          "Origin: https://evil.example.org",
          "Access-Control-Request-Method: DELETE",
          "X-HTTP-Method-Override: DELETE",
          "Upgrade: h2c",
          "Upgrade: websocket",
          "Cookie: a=b; =;;",
          "Content-Encoding: gzip",
          "X-Forwarded-For: ::1",
          "Forwarded: for=x",
          "TE: trailers",
          "Date: never",
          "X: " + "y".repeat(2000),
          "Last-Event-ID: -1",
          "Sec-Fetch-Site: cross-site");

  private static final List<String> ROUTES = DeclaredRoutes.all();

  private final TestService service = TestService.shared();
  private final int port = service.http().port();
  private final Random random = new Random(SEED);

  /** The administrator's password, the database's, and one that builds are given. */
  private final List<String> secrets =
      List.of(
          TestService.PASSWORD,
          LOGIN.replace("Basic ", ""),
          service.database().getPassword(),
          "correct horse battery");

  @BeforeEach
  void empty() {
    service.empty();
  }

  @Test
  void random_requests_get_a_right_answer_and_change_nothing_that_they_were_not_told_to()
      throws IOException {
    List<String> ids = new ArrayList<>(List.of("999999"));
    for (int i = 1; i <= 10; i++) { // the same ids everywhere, so that many of them are right
      ids.add(Integer.toString(i));
      String provider = i % 3 == 0 ? "gone" : "directory";
      service.sql("UPDATE node SET id = ? WHERE id = ?", i, service.node(provider, i));
      long image = service.image(provider, i, null);
      service.sql("UPDATE snapshot_image SET id = ?, image_name = 'x' WHERE id = ?", i, image);
      service.sql("UPDATE dib_image SET id = ? WHERE id = ?", i, service.dibImage("x", i, null));
    }
    List<String> rows = Tables.poolRows(service);
    int written = 0;
    Wire wire = new Wire(port);
    for (int i = 0; i < REQUESTS; i++) {
      String route = pick(ROUTES);
      String method = random.nextInt(4) == 0 ? pick(METHODS) : route.split(" ")[0];
      String target = path(route, ids) + (random.nextBoolean() ? "" : pick(QUERIES));
      boolean hasLogin = random.nextInt(4) > 0;
      String request = request(method, target, hasLogin);
      String what = i + ": " + request.substring(0, Math.min(300, request.length()));
      Http.Answer answer;
      try {
        wire.send(request);
        answer = wire.read(method, target);
        if (answer.status() == 100) {
          answer = wire.read(method, target);
        }
      } catch (IOException e) {
        throw new AssertionError("no answer to " + what, e);
      }
      boolean ends = Wire.isStream(answer) || "close".equals(answer.header("Connection"));
      check(method, answer, what);
      if (answer.status() < 300 && !List.of("GET", "HEAD", "OPTIONS").contains(method)) {
        assertThat(hasLogin).as(what).isTrue();
        written++;
        waitForJobs();
        rows = Tables.poolRows(service);
      } else if (i % 20 == 0) {
        assertThat(Tables.poolRows(service)).as(what).isEqualTo(rows);
      }
      if (ends) {
        wire.close();
        wire = new Wire(port);
      }
    }
    wire.close();

    assertThat(Tables.poolRows(service)).isEqualTo(rows);
    assertThat(written).isPositive();
    assertThat(service.http().get("/v1/nodes").status()).isEqualTo(200);
  }

  private void check(String method, Http.Answer answer, String what) {
    assertThat(answer.body() + answer.headers().map()).as(what).doesNotContain(secrets);
    // 501 is what the contract has for an image that a setup script makes
    if (answer.status() != 501) {
      assertThat(answer.status()).as(what + " " + answer).isBetween(200, 499);
    }
    if (answer.status() >= 300 && answer.status() != 304 && !method.equals("HEAD")) {
      assertThat(answer.header("Content-Type")).as(what).isEqualTo("application/problem+json");
      Problems.check(answer);
    }
  }

  private String path(String route, List<String> ids) {
    if (random.nextInt(6) == 0) {
      String thing = pick(random.nextBoolean() ? NAMES : ids);
      return pick(
          List.of(
              "/" + thing,
              "/v1/" + thing,
              "/v1/nodes/" + thing + "/" + thing,
              "//v1//nodes",
              "/v1/./nodes",
              "/v1/nodes/",
              "http://test/v1/nodes/" + thing,
              "*"));
    }
    // never the name of something that can be built: that takes its time
    return route
        .substring(route.indexOf('/'))
        .replace(":id", pick(random.nextInt(3) == 0 ? NAMES : ids))
        .replace(":image", pick(NAMES))
        .replace(":name", pick(NAMES));
  }

  private String request(String method, String target, boolean hasLogin) {
    String body =
        List.of("GET", "HEAD").contains(method)
            ? ""
            : pick(random.nextBoolean() ? RIGHT_BODIES : BODIES);
    StringBuilder request =
        new StringBuilder(method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n");
    if (hasLogin) {
      request.append("Authorization: ").append(LOGIN).append("\r\n");
    } else if (random.nextBoolean()) {
      request
          .append("Authorization: ")
          .append(pick(List.of("", "Basic", "Basic %", "x")))
          .append("\r\n");
    }
    if (random.nextBoolean()) {
      String type = body.startsWith("{") ? "application/json" : "application/x-www-form-urlencoded";
      request.append("Content-Type: ").append(type).append("\r\n");
    } else if (random.nextInt(5) > 0) {
      request.append("Content-Type: ").append(pick(TYPES)).append("\r\n");
    }
    for (int i = random.nextInt(3); i > 0; i--) {
      request.append(pick(HEADERS)).append("\r\n");
    }
    if (random.nextInt(4) == 0) {
      String chunk =
          body.isEmpty() ? "" : Integer.toHexString(body.length()) + "\r\n" + body + "\r\n";
      return request.append("Transfer-Encoding: chunked\r\n\r\n") + chunk + "0\r\n\r\n";
    }
    return request.append("Content-Length: ").append(body.length()).append("\r\n\r\n") + body;
  }

  private <T> T pick(List<T> of) {
    return of.get(random.nextInt(of.size()));
  }

  private void waitForJobs() {
    Poll.until(
        "the jobs have ended",
        () ->
            service
                    .sql(
                        "SELECT id FROM api_job WHERE state = 'running'"
                            + " OR (state = 'queued' AND not_before IS NULL)")
                    .size()
                == 0);
  }

  // ---- what is no HTTP

  @ParameterizedTest
  @ValueSource(
      strings = {
        "%s",
        "%",
        "%zz",
        "1%",
        "%4",
        "%C",
        "%%",
        "%u0031",
        "%2",
        "x/%zz/y",
        "%zz/update",
        "%zz/log"
      })
  void a_path_that_cannot_be_decoded_is_refused(String end) throws IOException {
    for (String path : List.of("/v1/nodes/", "/v1/images/", "/v1/dib_images/", "/v1/jobs/", "/")) {
      try (Wire wire = new Wire(port)) {
        for (String method : List.of("GET", "PUT", "DELETE", "POST", "OPTIONS", "FOO")) {
          Http.Answer answer = wire.ask(method, path + end, "Authorization", LOGIN);
          assertThat(answer.status()).as(answer.toString()).isEqualTo(400);
          Problems.check(answer, path + end);
        }
        assertThat(wire.ask("GET", "/v1/nodes").status()).isEqualTo(200);
      }
    }
  }

  static Stream<String> malformed() {
    String get = "GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\n";
    String put = "PUT /v1/nodes/1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + LOGIN + "\r\n";
    return Stream.of(
        "\r\n\r\n\r\nnonsense\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET\r\n\r\n",
        "GET /v1/nodes\r\n\r\n",
        "GET  HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v1/nodes /v1/images HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v1/no\rdes HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v1/nodes HTTP/1.1\nHost: x\n\n",
        "GET /v1/nodes HTTP/1.1\r\n\r\n", // without Host
        "G ET /v1/nodes HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\u0016\u0003\u0001\u0002\0\u0001\0\u0001\u00fc\u0003\u0003\r\n\r\n", // TLS
        "GET /" + "a".repeat(10_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "G".repeat(10_000) + " / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        get + "X: " + "a".repeat(20_000) + "\r\n\r\n",
        get + "X".repeat(20_000) + ": a\r\n\r\n",
        get + "X: a\r\n".repeat(3_000) + "\r\n",
        get + "no colon\r\n\r\n",
        get + "X: a\0b\r\n\r\n",
        get + "X\0: a\r\n\r\n",
        get + "X Y: a\r\n\r\n",
        put + "Content-Length: abc\r\n\r\n",
        put + "Content-Length: -1\r\n\r\n",
        put + "Content-Length: +1\r\n\r\na",
        put + "Content-Length: 1 1\r\n\r\na",
        put + "Content-Length: 0x1\r\n\r\na",
        put + "Content-Length: \r\n\r\na",
        put + "Content-Length: 99999999999999999999\r\n\r\n",
        put + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        put + "Content-Length: 1, 2\r\n\r\nab",
        put + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        put + "Transfer-Encoding: chunked\r\nContent-Length : 3\r\n\r\n0\r\n\r\n");
  }

  @ParameterizedTest
  @MethodSource("malformed")
  void what_is_no_http_gets_a_problem_and_the_service_lives(String request) throws IOException {
    try (Wire wire = new Wire(port)) {
      wire.send(request);
      Http.Answer answer = wire.readUnchecked();
      assertThat(answer.status()).as(answer.toString()).isIn(400, 413, 414, 431);
      Problems.check(answer);
    }
    try (Wire wire = new Wire(port)) {
      assertThat(wire.ask("GET", "/v1/nodes").status()).isEqualTo(200);
    }
  }

  static Stream<String> brokenBodies() {
    String put = "PUT /v1/nodes/1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + LOGIN + "\r\n";
    return Stream.of(
        put + "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        put + "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        put + "Transfer-Encoding: chunked\r\n\r\n99999999999999999\r\n",
        put + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        put + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nzz\r\n\r\n");
  }

  @ParameterizedTest
  @MethodSource("brokenBodies")
  void a_body_in_broken_chunks_is_refused_and_ends_the_connection(String request)
      throws IOException {
    service.node("directory", 2);
    List<String> before = Tables.rows(service);
    try (Wire wire = new Wire(port)) {
      wire.send(request);
      Http.Answer answer = wire.readUnchecked();
      assertThat(answer.status()).isEqualTo(400);
      assertThat(answer.slug()).isIn("malformed-body", "bad-value");
      assertThat(wire.rest()).isEmpty();
    }
    assertThat(Tables.rows(service)).isEqualTo(before);
  }

  @Test
  void chunks_and_a_length_are_refused_so_nothing_is_smuggled_in() throws IOException {
    long node = service.node("directory", 2);
    String path = "/v1/nodes/" + node;
    String smuggled = "PUT " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    try (Wire wire = new Wire(port)) {
      wire.send(
          "PUT /v1/nodes/999999 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
              + ("Authorization: " + LOGIN + "\r\nContent-Length: 3\r\n")
              + "Transfer-Encoding: chunked\r\n\r\n"
              + (Integer.toHexString(smuggled.length()) + "\r\n" + smuggled + "\r\n0\r\n\r\n"));
      Http.Answer answer = wire.read("PUT", "/v1/nodes/999999");
      assertThat(answer.status()).isEqualTo(400);
      assertThat(answer.header("Connection")).isEqualTo("close");
      assertThat(wire.rest()).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "PUT /v1/nodes/999999 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked",
        "PUT /v1/nodes/999999 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked",
        "PUT /v1/nodes/999999 HTTP/1.1\r\nHost: localhost\r\n"
            + "Transfer-Encoding: chunked\r\nTransfer-Encoding: xgzip",
        "GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked",
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked",
        "PUT /v1/nodes/999999 HTTP/1.1\r\nHost: a b\r\nTransfer-Encoding: xchunked"
      })
  void a_coding_that_nobody_knows_is_refused_and_what_follows_is_no_request(String head)
      throws IOException {
    long node = service.node("directory", 2);
    String path = "/v1/nodes/" + node;
    String smuggled =
        ("PUT " + path + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + LOGIN)
            + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10"
            + "\r\n\r\nstate=hold";
    String chunks = head.contains(": chunked") ? "0\r\n\r\n" : "";
    try (Wire wire = new Wire(port)) {
      wire.send(head + "\r\n\r\n" + chunks + smuggled);
      Http.Answer answer = wire.readUnchecked();
      assertThat(answer.status()).isEqualTo(400);
      assertThat(answer.slug()).isEqualTo("malformed-body");
      assertThat(answer.header("Connection")).isEqualTo("close");
      Problems.check(answer);
      assertThatThrownBy(wire::readUnchecked).isInstanceOf(IOException.class);
    }
    assertThat(service.http().get(path).json().getString("state")).isEqualTo("ready");
  }

  @Test
  void chunked_may_be_written_in_capitals() throws IOException {
    try (Wire wire = new Wire(port)) {
      wire.send(
          "PUT /v1/nodes/999999 HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\n"
                  .formatted(LOGIN)
              + "Content-Type: application/x-www-form-urlencoded\r\n"
              + "Transfer-Encoding: Chunked\r\n\r\na\r\nstate=hold\r\n0\r\n\r\n");
      assertThat(wire.read("PUT", "/v1/nodes/999999").status()).isEqualTo(404);
    }
  }

  @Test
  void a_request_that_is_left_unfinished_harms_nobody() throws IOException {
    long node = service.node("directory", 2);
    for (int i = 0; i < 20; i++) {
      try (Wire wire = new Wire(port)) {
        wire.send(
            ("PUT /v1/nodes/%d HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\nContent-Length: 10\r\n"
                    + "Content-Type: application/x-www-form-urlencoded\r\n\r\nstate=hol")
                .formatted(node, LOGIN));
      }
    }
    Http http = service.http();
    assertThat(http.get("/v1/nodes/" + node).json().getString("state")).isEqualTo("ready");
    assertThat(http.put("/v1/nodes/" + node, "state=hold").status()).isEqualTo(200);
  }

  @Test
  void pipelined_requests_are_answered_in_order() throws IOException {
    long node = service.node("directory", 2);
    String path = "/v1/nodes/" + node;
    String get = "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n".formatted(path);
    String put =
        "PUT %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\nContent-Length: 10\r\n"
                .formatted(path, LOGIN)
            + "Content-Type: application/x-www-form-urlencoded\r\n\r\nstate=hold";
    try (Wire wire = new Wire(port)) {
      wire.send(get + put + get);
      assertThat(wire.read("GET", path).json().getString("state")).isEqualTo("ready");
      assertThat(wire.read("PUT", path).status()).isEqualTo(200);
      assertThat(wire.read("GET", path).json().getString("state")).isEqualTo("hold");
    }
  }

  @Test
  void nul_and_raw_bytes_in_a_path_are_names_of_nothing() throws IOException {
    for (String id : List.of("\0", "1\0", "\u00ff", "\u00c3\u00b6", "\u0001", "\u007f", "1\t2")) {
      for (String method : List.of("GET", "PUT", "DELETE")) {
        try (Wire wire = new Wire(port)) {
          wire.send(
              "%s /v1/nodes/%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\n\r\n"
                  .formatted(method, id, LOGIN));
          Http.Answer answer = wire.read(method, "/v1/nodes/" + id);
          assertThat(answer.status()).as(answer.toString()).isIn(400, 404);
          Problems.check(answer);
        }
      }
    }
  }

  @Test
  void a_client_that_offers_http_2_in_the_clear_is_answered_in_http_1_1() throws IOException {
    try (Wire wire = new Wire(port)) {
      Http.Answer answer =
          wire.ask(
              "HEAD",
              "/v1/nodes",
              "Connection",
              "Upgrade, HTTP2-Settings",
              "Upgrade",
              "h2c",
              "HTTP2-Settings",
              "AAMAAABkAARAAAAAAAIAAAAA");
      assertThat(answer.status()).isEqualTo(200);
      assertThat(wire.ask("GET", "/v1/nodes").body()).isEqualTo("[]");
    }
  }

  @Test
  void the_first_line_may_name_the_whole_address() throws IOException {
    try (Wire wire = new Wire(port)) {
      assertThat(wire.ask("GET", "http://test/v1/nodes").body()).isEqualTo("[]");
      assertThat(wire.ask("GET", "http://test").status()).isEqualTo(404);
      assertThat(wire.ask("OPTIONS", "*").status()).isEqualTo(404);
      wire.send("GET /v1/nodes HTTP/1.0\r\n\r\n".getBytes(ISO_8859_1));
      assertThat(wire.read("GET", "/v1/nodes").body()).isEqualTo("[]");
    }
  }
}
