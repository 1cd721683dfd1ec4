package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.api.BareApi;

/** What a page in a browser may make it do. */
@ExtendWith(VertxExtension.class)
class BrowserRulesTest {
  private static final String LOGIN = Http.basic("admin:" + TestService.PASSWORD);
  private static final String WRITE = "/v1/nodes/999999";
  private static final String CI = "https://ci.example.org";

  private static TestService service;
  private static int port;

  @BeforeAll
  static void start() throws Exception {
    service =
        TestService.start(
            Scratch.dir("test-service-hosts"), "server: {port: 0, hosts: [pool.example.org]}");
    port = service.http().port();
  }

  @AfterAll
  static void stop() {
    service.stop();
  }

  @ParameterizedTest
  @CsvSource({
    // Host, Origin, Sec-Fetch-Site, status
    "pool.example.org,       ,                              ,             404",
    "pool.example.org,       ,                              same-origin,  404",
    "pool.example.org,       ,                              none,         404",
    "pool.example.org,       http://pool.example.org,       same-origin,  404",
    "pool.example.org,       https://pool.example.org,      same-origin,  404",
    "Pool.Example.ORG,       http://pool.example.org,       same-origin,  404",
    "pool.example.org,       HTTP://POOL.example.org,       ,             404",
    "pool.example.org:80,    http://pool.example.org,       ,             404",
    "pool.example.org,       http://pool.example.org:80,    ,             404",
    "pool.example.org:443,   https://pool.example.org,      ,             404",
    "pool.example.org:8080,  http://pool.example.org:8080,  ,             404",
    "127.0.0.1:8080,         http://127.0.0.1:8080,         ,             404",
    "[::1]:8080,             http://[::1]:8080,             ,             404",
    "pool.example.org,       http://pool.example.org:8080,  ,             403",
    "pool.example.org:8080,  http://pool.example.org,       ,             403",
    "pool.example.org:443,   http://pool.example.org,       ,             403",
    "pool.example.org,       https://evil.example.org,      ,             403",
    "pool.example.org,       https://evil.example.org,      cross-site,   403",
    "pool.example.org,       https://evil.example.org,      same-origin,  403",
    "pool.example.org,       ,                              same-site,    404",
    "pool.example.org,       https://x.pool.example.org,    same-site,    403",
    "pool.example.org,       ,                              cross-site,   403",
    "pool.example.org,       ,                              Cross-Site,   403",
    "pool.example.org,       http://pool.example.org,       cross-site,   403",
    "pool.example.org,       null,                          ,             403",
    "pool.example.org,       '',                            ,             403",
    "pool.example.org,       pool.example.org,              ,             403",
    "pool.example.org,       ftp://pool.example.org,        ,             403",
    "pool.example.org,       http://pool.example.org/,      ,             403",
    "pool.example.org,       http://pool.example.org.evil,  ,             403",
    "pool.example.org,       http://evil@pool.example.org,  ,             403",
    "pool.example.org,       http://pool.example.org:,      ,             404",
    "pool.example.org,       http://pool.example.org:x,     ,             403",
    "pool.example.org,       http://pool.example.org:999999,,             403",
    "pool.example.org,       http://a http://b,             ,             403",
    "pool.example.org,       file://,                       ,             403",
    "'',                     http://,                       ,             403",
  })
  void a_write_is_of_no_browser_or_of_a_page_of_ours(
      String host, String origin, String site, int status) throws IOException {
    for (String method : List.of("PUT", "DELETE")) {
      StringBuilder request = new StringBuilder(method + " " + WRITE + " HTTP/1.1\r\n");
      request.append("Host: ").append(host).append("\r\nAuthorization: ").append(LOGIN);
      if (origin != null) {
        request.append("\r\nOrigin: ").append(origin);
      }
      if (site != null) {
        request.append("\r\nSec-Fetch-Site: ").append(site);
      }
      try (Wire wire = new Wire(port)) {
        wire.send(request.append("\r\n\r\n").toString());
        Http.Answer answer = wire.read(method, WRITE);
        assertThat(answer.status()).as(answer.toString()).isEqualTo(status);
        Problems.check(answer, WRITE);
        assertThat(answer.slug()).isEqualTo(status == 403 ? "forbidden" : "not-found");
      }
    }
  }

  @Test
  void two_origins_are_foreign_also_when_one_is_ours() throws IOException {
    String own = "http://localhost";
    assertThat(ask(port, "DELETE", LOGIN, "Origin", own).status()).isEqualTo(404);
    Http.Answer two = ask(port, "DELETE", LOGIN, "Origin", own, "Origin", "http://evil");
    assertThat(two.status()).isEqualTo(403);
  }

  @Test
  void the_origin_is_looked_at_after_the_login_and_before_the_body() throws IOException {
    String[] foreign = {"Origin", CI, "Content-Type", "application/json"};
    byte[] broken = "{".getBytes();
    byte[] large = new byte[70_000];
    try (Wire wire = new Wire(port)) {
      assertThat(wire.ask("PUT", WRITE, broken, foreign).status()).isEqualTo(401);
    }
    for (byte[] body : List.of(broken, large)) {
      try (Wire wire = new Wire(port)) {
        Http.Answer answer =
            wire.ask(
                "PUT", WRITE, body, "Origin", CI, "Authorization", LOGIN, "Content-Type", "x/y");
        assertThat(answer.status()).isEqualTo(403);
        Problems.check(answer, WRITE);
      }
    }
  }

  @Test
  void without_allowed_origins_nothing_is_shared_and_a_preflight_is_any_options()
      throws IOException {
    Http.Answer read = ask(port, "GET", null, "Origin", CI, "Sec-Fetch-Site", "cross-site");
    assertThat(read.status()).isEqualTo(404);
    assertIsNotShared(read);
    Http.Answer preflight =
        ask(port, "OPTIONS", null, "Origin", CI, "Access-Control-Request-Method", "PUT");
    assertThat(preflight.status()).isEqualTo(204);
    assertThat(preflight.header("Allow")).isEqualTo("DELETE, GET, HEAD, OPTIONS, PUT");
    assertIsNotShared(preflight);
  }

  @Test
  void an_allowed_origin_may_write_and_read_the_answers(Vertx vertx) throws IOException {
    try (BareApi api = new BareApi(vertx, null, List.of(CI, "http://localhost:3000"), null)) {
      String login = Http.basic(BareApi.USER + ":" + BareApi.PASSWORD);
      for (String origin : List.of(CI, CI + ":443", "http://localhost:3000")) {
        Http.Answer preflight =
            ask(
                api.port(),
                "OPTIONS",
                null,
                "Origin",
                origin,
                "Access-Control-Request-Method",
                "PUT");
        assertThat(preflight.status()).isEqualTo(204);
        assertIsShared(preflight, origin);
        assertThat(preflight.header("Access-Control-Allow-Methods"))
            .isEqualTo("DELETE, GET, HEAD, OPTIONS, PUT");
        assertThat(preflight.header("Access-Control-Allow-Headers")).contains("Authorization");

        Http.Answer write =
            ask(api.port(), "PUT", login, "Origin", origin, "Sec-Fetch-Site", "cross-site");
        assertThat(write.status()).isEqualTo(404);
        assertIsShared(write, origin);
        Http.Answer refused = ask(api.port(), "PUT", null, "Origin", origin);
        assertThat(refused.status()).isEqualTo(401);
        assertIsShared(refused, origin);
      }
      for (String foreign : List.of("null", "https://evil.example.org", "http://ci.example.org")) {
        Http.Answer write = ask(api.port(), "PUT", login, "Origin", foreign);
        assertThat(write.status()).isEqualTo(403);
        assertIsNotShared(write);
        Http.Answer preflight =
            ask(
                api.port(),
                "OPTIONS",
                null,
                "Origin",
                foreign,
                "Access-Control-Request-Method",
                "PUT");
        assertThat(preflight.status()).isEqualTo(204);
        assertIsNotShared(preflight);
      }
      // whoever keeps the answer for others must know that it is not for all
      assertThat(ask(api.port(), "GET", null).headers().allValues("Vary")).contains("Origin");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"*", "null", "", "ci.example.org", "https://ci.example.org/", "ftp://x"})
  void what_is_no_origin_cannot_be_allowed(String origin, Vertx vertx) {
    assertThatThrownBy(() -> new BareApi(vertx, null, List.of(origin), null).close())
        .hasMessageContaining("server.allowed_origins")
        .hasMessageContaining("is no origin");
  }

  private static void assertIsShared(Http.Answer answer, String origin) {
    assertThat(answer.header("Access-Control-Allow-Origin")).isEqualTo(origin);
    assertThat(answer.header("Access-Control-Allow-Credentials")).isEqualTo("true");
    assertThat(answer.header("Access-Control-Expose-Headers"))
        .contains("Location", "Link", "Retry-After", "X-Request-Id");
    assertThat(answer.headers().allValues("Vary")).contains("Origin");
  }

  private static void assertIsNotShared(Http.Answer answer) {
    assertThat(answer.headers().map().keySet())
        .noneMatch(name -> name.toLowerCase().startsWith("access-control"));
  }

  /** About a node that there is not; with a login unless it is null. */
  private static Http.Answer ask(int port, String method, String login, String... headers)
      throws IOException {
    String[] all = headers;
    if (login != null) {
      all = Arrays.copyOf(headers, headers.length + 2);
      all[headers.length] = "Authorization";
      all[headers.length + 1] = login;
    }
    try (Wire wire = new Wire(port)) {
      return wire.ask(method, "/v1/nodes/nothing", all);
    }
  }
}
