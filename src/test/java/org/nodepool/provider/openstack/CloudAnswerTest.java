package org.nodepool.provider.openstack;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Vertx;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServer;
import io.vertx.ext.web.client.WebClient;
import io.vertx.junit5.VertxExtension;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is understood of what clouds say; their words are those of real ones. */
@ExtendWith(VertxExtension.class)
class CloudAnswerTest {
  private static final Instant NOW = Instant.parse("2026-11-23T10:00:00Z");

  private static Vertx vertx;

  @BeforeAll
  static void one_for_all(Vertx vertx) {
    CloudAnswerTest.vertx = vertx;
  }

  @Test
  void the_image_service_says_it_in_html() {
    assertThat(
            answer(
                    413,
                    "<html>\n <head>\n  <title>413 Request Entity Too Large</title>\n </head>\n"
                        + " <body>\n  <h1>413 Request Entity Too Large</h1>\n"
                        + "  The incoming image is &quot;too large&quot;<br /><br />\n\n\n"
                        + " </body>\n</html>")
                .reason())
        .isEqualTo("The incoming image is \"too large\"");
  }

  @Test
  void the_identity_service_says_it_in_json() {
    assertThat(
            answer(
                    401,
                    "{\"error\":{\"code\":401,\"message\":\"The request you have made requires"
                        + " authentication.\",\"title\":\"Unauthorized\"}}")
                .reason())
        .isEqualTo("The request you have made requires authentication.");
  }

  @Test
  void the_outer_key_of_json_may_be_any() {
    assertThat(
            answer(409, "{\"x\": 1, \"conflictingRequest\": {\"message\": \"in use\"}}").reason())
        .isEqualTo("in use");
  }

  @Test
  void html_in_json_is_read_too() {
    assertThat(
            answer(
                    403,
                    "{\"message\": \"Image 7 is protected and cannot be deleted.<br /><br />\\n\\n\","
                        + " \"code\": \"403 Forbidden\", \"title\": \"Forbidden\"}")
                .reason())
        .isEqualTo("Image 7 is protected and cannot be deleted.");
  }

  @Test
  void plain_text_is_taken_as_it_is_in_one_line() {
    assertThat(answer(503, "back\n\tsoon\u001b[31m").reason()).isEqualTo("back soon [31m");
  }

  @Test
  void without_words_the_status_has_to_do() {
    assertThat(answer(502, "").reason()).isEqualTo("status 502 Bad Gateway");
    assertThat(answer(502, "{}").reason()).isEqualTo("status 502 Bad Gateway");
    assertThat(answer(502, "<html><body><h1>502</h1></body></html>").reason())
        .isEqualTo("status 502 Bad Gateway");
  }

  @Test
  void broken_json_is_text() {
    assertThat(answer(400, "{\"error").reason()).isEqualTo("{\"error");
  }

  @Test
  void a_book_is_cut() {
    assertThat(answer(400, "x".repeat(10_000)).reason()).hasSize(400).endsWith("x…");
  }

  @ParameterizedTest
  @CsvSource({
    "200,false",
    "401,false",
    "404,false",
    "413,false",
    "429,true",
    "500,true",
    "503,true"
  })
  void what_may_pass_is_told_from_what_may_not(int status, boolean mayPass) {
    assertThat(answer(status, "").mayPass()).isEqualTo(mayPass);
  }

  @Test
  void how_long_to_wait_is_seconds_or_a_date() {
    assertThat(CloudAnswer.pause("120", NOW)).isEqualTo(Duration.ofMinutes(2));
    assertThat(CloudAnswer.pause(" 0 ", NOW)).isEqualTo(Duration.ZERO);
    assertThat(CloudAnswer.pause("Mon, 23 Nov 2026 10:00:30 GMT", NOW))
        .isEqualTo(Duration.ofSeconds(30));
    assertThat(CloudAnswer.pause("Mon, 23 Nov 2026 09:00:00 GMT", NOW)).isEqualTo(Duration.ZERO);
  }

  @ParameterizedTest
  @CsvSource({"''", "soon", "-1", "1.5", "9999999999", "23 Nov 2026"})
  void any_other_word_is_none(String text) {
    assertThat(CloudAnswer.pause(text, NOW)).isNull();
    assertThat(CloudAnswer.pause(null, NOW)).isNull();
  }

  /** What is understood of an answer that has come over a connection. */
  private static CloudAnswer answer(int status, String body) {
    HttpServer server =
        vertx
            .createHttpServer()
            .requestHandler(request -> request.response().setStatusCode(status).end(body))
            .listen(0, "127.0.0.1")
            .await();
    WebClient client = WebClient.create(vertx);
    try {
      return new CloudAnswer(
          client.request(HttpMethod.GET, server.actualPort(), "127.0.0.1", "/").send().await());
    } finally {
      client.close();
      server.close().await();
    }
  }
}
