package org.nodepool;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/** Logins that are guessed, through the front door. */
@RunsBesideOthers
class LoginGuessesTest {
  private static final Path DIR = Scratch.dir("test-service-login");
  private static final String WRITE = "/v1/nodes/999999";
  private static final String RIGHT = Http.basic("admin:" + TestService.PASSWORD);
  private static final String WRONG = Http.basic("admin:wrong");

  /** Of the same password, by Python's bcrypt. */
  private static final String HASH = "$2b$04$xAYTp37Y6JiXI51e71ZWIetm9ico5o0oilixqXuaQiLJk0.cnDa6K";

  @Test
  void after_twenty_guesses_each_further_one_is_slow_and_the_right_one_still_gets_in()
      throws Exception {
    TestService service = TestService.start(DIR, "api_password: '" + HASH + "'");
    try {
      service.empty();
      int port = service.http().port();
      String here = Wire.ownAddress();
      for (int i = 0; i < 20; i++) {
        assertThat(delete(port, here, WRONG).status()).isEqualTo(401);
      }
      long began = System.nanoTime();
      for (int i = 0; i < 4; i++) {
        assertThat(delete(port, here, Http.basic("admin:" + i)).status()).isEqualTo(401);
      }
      assertThat(System.nanoTime() - began).isGreaterThan(TimeUnit.MILLISECONDS.toNanos(1_500));
      // nobody else waits for that, nor does a made-up name
      began = System.nanoTime();
      for (int i = 0; i < 10; i++) {
        assertThat(delete(port, Wire.ownAddress(), WRONG).status()).isEqualTo(401);
        assertThat(delete(port, here, Http.basic("bob:" + i)).status()).isEqualTo(401);
      }
      assertThat(System.nanoTime() - began).isLessThan(TimeUnit.SECONDS.toNanos(3));
      // the right one gets in, and is not delayed any more
      assertThat(delete(port, here, RIGHT).status()).isEqualTo(404);
      began = System.nanoTime();
      for (int i = 0; i < 20; i++) {
        assertThat(delete(port, here, RIGHT).status()).isEqualTo(404);
      }
      assertThat(System.nanoTime() - began).isLessThan(TimeUnit.SECONDS.toNanos(3));
      // the hash is no password
      assertThat(delete(port, Wire.ownAddress(), Http.basic("admin:" + HASH)).status())
          .isEqualTo(401);
    } finally {
      service.stop();
    }
  }

  @Test
  void guesses_from_one_address_that_fill_its_places_do_not_keep_another_out() throws Exception {
    TestService service = TestService.start(DIR, "api_password: '" + HASH + "'");
    ExecutorService guessers = Executors.newFixedThreadPool(24);
    try {
      int port = service.http().port();
      String here = Wire.ownAddress();
      Queue<Integer> statuses = new ConcurrentLinkedQueue<>();
      AtomicBoolean isOver = new AtomicBoolean();
      for (int i = 0; i < 24; i++) {
        String guesser = "guess " + i;
        guessers.submit(
            () -> {
              for (int j = 0; !isOver.get(); j++) {
                statuses.add(delete(port, here, Http.basic("admin:" + guesser + j)).status());
              }
              return null;
            });
      }
      Poll.until("there are too many", () -> statuses.contains(429));
      assertThat(delete(port, Wire.ownAddress(), RIGHT).status()).isEqualTo(404);
      isOver.set(true);
      assertThat(statuses).containsOnly(401, 429);
    } finally {
      guessers.shutdownNow();
      service.stop();
    }
  }

  @Test
  void guesses_from_many_addresses_are_slow_once_there_are_a_hundred() throws Exception {
    TestService service = TestService.start(DIR, "");
    try {
      int port = service.http().port();
      for (int i = 0; i < 100; i++) {
        assertThat(delete(port, Wire.ownAddress(), WRONG).status()).isEqualTo(401);
      }
      long began = System.nanoTime();
      for (int i = 0; i < 4; i++) {
        assertThat(delete(port, Wire.ownAddress(), WRONG).status()).isEqualTo(401);
      }
      assertThat(System.nanoTime() - began).isGreaterThan(TimeUnit.MILLISECONDS.toNanos(1_500));
      assertThat(delete(port, Wire.ownAddress(), RIGHT).status()).isEqualTo(404);
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
}
