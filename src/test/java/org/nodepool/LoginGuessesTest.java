package org.nodepool;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Set;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/** Logins that are guessed, through the front door. */
@RunsBesideOthers
class LoginThrottleApiTest {
  private static final Path DIR = Scratch.dir("test-service-login");
  private static final String WRITE = "/v1/nodes/999999";
  private static final String RIGHT = Http.basic("admin:" + TestService.PASSWORD);
  private static final String WRONG = Http.basic("admin:wrong");

  /** Of the same password, by Python's bcrypt. */
  private static final String HASH = "$2b$04$xAYTp37Y6JiXI51e71ZWIetm9ico5o0oilixqXuaQiLJk0.cnDa6K";

  @Test
  void the_twenty_first_guess_waits_and_nobody_else_does() throws Exception {
    TestService service = TestService.start(DIR, "api_password: '" + HASH + "'");
    try {
      service.empty();
      int port = service.http().port();
      String here = Wire.ownAddress();
      for (int i = 0; i < 20; i++) {
        assertThat(delete(port, here, WRONG).status()).isEqualTo(401);
      }
      assertIsThrottled(delete(port, here, WRONG));
      assertIsThrottled(delete(port, here, Http.basic("admin:another")));
      // a right one is not told from a wrong one
      assertIsThrottled(delete(port, here, RIGHT));
      // what is no login is none
      assertThat(delete(port, here, "Basic %").status()).isEqualTo(401);
      assertThat(delete(port, here, "").status()).isEqualTo(401);
      // another user, known or not; another address
      assertThat(delete(port, here, Http.basic("bob:wrong")).status()).isEqualTo(401);
      assertThat(delete(port, Wire.ownAddress(), WRONG).status()).isEqualTo(401);
      // whoever claims to come from elsewhere comes from here
      try (Wire wire = new Wire(port, here)) {
        assertIsThrottled(
            wire.ask("DELETE", WRITE, "Authorization", WRONG, "X-Forwarded-For", "10.0.0.1"));
      }
      // seen as right from elsewhere, it works here too
      assertThat(delete(port, Wire.ownAddress(), RIGHT).status()).isEqualTo(404);
      assertThat(delete(port, here, RIGHT).status()).isEqualTo(404);
      assertIsThrottled(delete(port, here, WRONG));
      // an unknown user is throttled as a known one
      for (int i = 0; i < 19; i++) {
        assertThat(delete(port, here, Http.basic("bob:" + i)).status()).isEqualTo(401);
      }
      assertIsThrottled(delete(port, here, Http.basic("bob:19")));
      // the hash is no password
      assertThat(delete(port, Wire.ownAddress(), Http.basic("admin:" + HASH)).status())
          .isEqualTo(401);
    } finally {
      service.stop();
    }
  }

  @Test
  void the_first_login_that_has_to_be_checked_keeps_the_body_that_came_with_it() throws Exception {
    TestService service = TestService.start(DIR, "api_password: '" + HASH + "'");
    try {
      service.empty();
      String node = "/v1/nodes/" + service.node("directory", 2);
      assertThat(service.http().put(node, "state=hold").status()).isEqualTo(200);
      assertThat(service.http().get(node).json().getString("state")).isEqualTo("hold");
    } finally {
      service.stop();
    }
  }

  @Test
  void a_plain_password_is_guessed_as_seldom() throws IOException {
    int port = TestService.shared().http().port();
    String here = Wire.ownAddress();
    assertThat(delete(port, here, RIGHT).status()).isEqualTo(404);
    for (int i = 0; i < 20; i++) {
      assertThat(delete(port, here, WRONG).status()).isEqualTo(401);
    }
    assertIsThrottled(delete(port, here, WRONG));
    assertThat(delete(port, here, RIGHT).status()).isEqualTo(404);
  }

  @Test
  void what_is_no_login_never_waits() throws IOException {
    int port = TestService.shared().http().port();
    String here = Wire.ownAddress();
    for (int i = 0; i < 30; i++) {
      for (String header : new String[] {"", "Basic", "Basic %", "Bearer x", Http.basic("admin")}) {
        assertThat(delete(port, here, header).status()).isEqualTo(401);
      }
    }
    assertThat(delete(port, here, WRONG).status()).isEqualTo(401);
  }

  @Test
  void a_hash_that_cannot_be_checked_stops_the_start_and_is_not_told() {
    assertThatThrownBy(() -> TestService.start(DIR, "api_password: '$6$salt$hash'"))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith("api_password: begins like a hash")
        .hasMessageNotContaining("$6$salt$hash");
  }

  @Property(tries = 400)
  void no_header_gets_in_but_the_right_one_and_none_breaks_the_service(
      @ForAll("headers") String header) throws IOException {
    Http.Answer answer = delete(TestService.shared().http().port(), Wire.ownAddress(), header);
    assertThat(answer.status()).as(header).isIn(400, 401);
    Problems.check(answer);
  }

  /** Of any bytes that end no header, bare, behind the scheme, and in base64 behind the scheme. */
  @Provide
  Arbitrary<String> headers() {
    Arbitrary<String> bytes =
        Arbitraries.chars()
            .range('\0', '\u00ff')
            .filter(c -> !Set.of('\r', '\n').contains(c))
            .list()
            .ofMaxSize(60)
            .map(chars -> chars.stream().map(String::valueOf).reduce("", String::concat));
    Arbitrary<String> inBase64 =
        bytes.map(text -> Base64.getEncoder().encodeToString(text.getBytes(ISO_8859_1)));
    return Arbitraries.oneOf(
            bytes,
            bytes.map(text -> "Basic " + text),
            inBase64.map(text -> "Basic " + text),
            inBase64.map(text -> "Basic " + text + "="),
            bytes.map(text -> RIGHT + text).filter(text -> !text.strip().equals(RIGHT)),
            bytes.map(text -> Http.basic("admin:" + text)))
        .filter(text -> !text.strip().equalsIgnoreCase(RIGHT));
  }

  private static Http.Answer delete(int port, String from, String login) throws IOException {
    try (Wire wire = new Wire(port, from)) {
      return wire.ask("DELETE", WRITE, "Authorization", login);
    }
  }

  private static void assertIsThrottled(Http.Answer answer) {
    assertThat(answer.status()).isEqualTo(429);
    Problems.check(answer, WRITE);
    assertThat(answer.slug()).isEqualTo("too-many-requests");
    assertThat(Integer.parseInt(answer.header("Retry-After"))).isBetween(1, 60);
    assertThat(answer.header("WWW-Authenticate")).isNull();
  }
}
