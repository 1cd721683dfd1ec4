package org.nodepool;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.api.DeclaredRoutes;

/** The header {@code Accept}, and HEAD. */
class NegotiationTest {
  private static final String JSON = "application/json";
  private static final String TABLE = "text/plain; charset=utf-8";

  private static final String LOGIN = Http.basic("admin:" + TestService.PASSWORD);

  /** What there is where it is not JSON alone; by the end of the path. */
  private static final Map<String, String> TYPES =
      Map.of(
          "console", "text/plain",
          "nodes", "application/json, text/plain",
          "images", "application/json, text/plain",
          "dib_images", "application/json, text/plain",
          "jobs", "application/json, text/plain",
          "summary", "application/json, text/plain",
          "log", "text/plain",
          "metrics", "text/plain",
          "events", "text/event-stream");

  private final TestService service = TestService.shared();
  private final int port = service.http().port();

  @BeforeEach
  void empty() {
    service.empty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "*/*                                           | application/json",
        "application/json                              | application/json",
        "APPLICATION/Json                              | application/json",
        "application/*                                 | application/json",
        "application/json, text/plain                  | application/json",
        "text/plain, application/json                  | application/json",
        "text/*, application/*                         | application/json",
        "text/plain;q=0.9, */*                         | application/json",
        "text/html, application/xhtml+xml, */*;q=0.8   | application/json",
        "text/plain;q=0, */*;q=0.1                     | application/json",
        "text/plain;q=0.5, text/*;q=1, application/*;q=0.6 | application/json",
        "application/json;indent=2;q=0.3               | application/json",
        "*/*;q=0.001                                   | application/json",
        "''                                            | application/json",
        ";;;                                           | application/json",
        "json                                          | application/json",
        "text                                          | application/json",
        "*                                             | application/json",
        "text/plain;q=2                                | application/json",
        "text/plain;q=x                                | application/json",
        "text/plain;q=                                 | application/json",
        "text/plain;q=0.1234                           | application/json",
        "text/plain                                    | text/plain; charset=utf-8",
        "Text/PLAIN                                    | text/plain; charset=utf-8",
        "text/*                                        | text/plain; charset=utf-8",
        "text/plain; charset=iso-8859-1                | text/plain; charset=utf-8",
        "text/plain, */*;q=0.9                         | text/plain; charset=utf-8",
        "text/plain, application/json;q=0.999          | text/plain; charset=utf-8",
        "application/json;q=0, */*                     | text/plain; charset=utf-8",
        "application/*;q=0, */*                        | text/plain; charset=utf-8",
        "application/json ; q=0.2 ,text/plain ; Q=0.3  | text/plain; charset=utf-8",
        "image/png, text/plain;q=0.1                   | text/plain; charset=utf-8",
        "nonsense, text/plain                          | text/plain; charset=utf-8",
        ",,text/plain,,                                | text/plain; charset=utf-8",
        "text/plain;x=\"a,b;q=0\", application/json;q=0.5 | text/plain; charset=utf-8",
        "text/plain;x=\"\\\",\";q=1, */*;q=0.5          | text/plain; charset=utf-8"
      })
  void a_list_is_what_the_client_likes_best(String accept, String type) throws IOException {
    try (Wire wire = new Wire(port)) {
      for (String path : List.of("/v1/nodes", "/v1/jobs/summary?by=state")) {
        Http.Answer answer = wire.ask("GET", path, "Accept", accept);
        assertThat(answer.status()).as(answer.toString()).isEqualTo(200);
        assertThat(answer.header("Content-Type")).isEqualTo(type);
        assertThat(answer.headers().allValues("Vary")).containsExactly("Accept, Accept-Encoding");
      }
    }
  }

  @Test
  void without_the_header_everything_is_fine_and_several_headers_are_one() throws IOException {
    try (Wire wire = new Wire(port)) {
      assertThat(wire.ask("GET", "/v1/nodes").header("Content-Type")).isEqualTo(JSON);
      String[] both = {"Accept", "image/png", "Accept", "text/plain"};
      assertThat(wire.ask("GET", "/v1/nodes", both).header("Content-Type")).isEqualTo(TABLE);
      String[] excluded = {"Accept", "text/plain;q=0, application/*;q=0", "Accept", "*/*"};
      assertThat(wire.ask("GET", "/v1/nodes", excluded).status()).isEqualTo(406);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "image/png",
        "application/problem+json",
        "application/xml, text/html",
        "*/*;q=0",
        "*/*;q=0.000",
        "application/*;q=0, text/*;q=0, */*",
        "application/json;q=0, text/plain;q=0, text/event-stream;q=0, */*",
        "image/png;q=1, nonsense"
      })
  void what_cannot_be_met_is_406_on_every_read_and_says_what_there_is(String accept)
      throws IOException {
    List<String> secret = reads(DeclaredRoutes.withLogin());
    try (Wire wire = new Wire(port)) {
      for (String path : reads(DeclaredRoutes.all())) {
        String[] headers = headers(accept, secret.contains(path) ? LOGIN : null);
        Http.Answer answer = wire.ask("GET", path, headers);
        assertThat(answer.status()).as(path + " " + answer).isEqualTo(406);
        Problems.check(answer, path);
        assertThat(answer.slug()).isEqualTo("not-acceptable");
        String end = path.substring(path.lastIndexOf('/') + 1);
        assertThat(answer.json().getString("detail"))
            .endsWith("there is " + TYPES.getOrDefault(end, JSON) + ".");
        Http.Answer head = wire.ask("HEAD", path, headers);
        assertThat(head.status()).isEqualTo(406);
        assertThat(head.steadyHeaders()).isEqualTo(answer.steadyHeaders());
      }
    }
  }

  @Test
  void a_table_is_only_of_lists() throws IOException {
    String node = "/v1/nodes/" + service.node("directory", 2);
    try (Wire wire = new Wire(port)) {
      assertThat(wire.ask("GET", node, "Accept", "text/plain").status()).isEqualTo(406);
      Http.Answer answer = wire.ask("GET", node, "Accept", "application/json");
      assertThat(answer.status()).isEqualTo(200);
      assertThat(answer.header("Vary")).isEqualTo("Accept, Accept-Encoding");
      assertThat(wire.ask("GET", "/v1/jobs/1/log", "Accept", JSON).status()).isEqualTo(406);
      assertThat(wire.ask("GET", "/v1/jobs/1/log", "Accept", "text/*").status()).isEqualTo(404);
      assertThat(wire.ask("HEAD", "/v1/events", "Accept", JSON).status()).isEqualTo(406);
      assertThat(wire.ask("HEAD", "/v1/events", "Accept", "text/event-stream").status())
          .isEqualTo(200);
    }
  }

  @Test
  void what_may_come_zipped_says_so_to_caches() throws IOException {
    try (Wire wire = new Wire(port)) {
      for (String path : List.of("/metrics", "/openapi.json", "/v1/nodes", "/healthz")) {
        Http.Answer answer = wire.ask("GET", path, "Accept-Encoding", "gzip");
        assertThat(answer.headers().allValues("Vary"))
            .as(path)
            .containsExactly("Accept, Accept-Encoding");
      }
      assertThat(wire.ask("GET", "/metrics", "Accept-Encoding", "gzip").header("Content-Encoding"))
          .isEqualTo("gzip");
    }
  }

  @Test
  void what_cannot_be_met_is_said_before_what_else_is_wrong() throws IOException {
    try (Wire wire = new Wire(port)) {
      for (String path : List.of("/v1/nodes?x=1", "/v1/nodes/999999", "/v1/jobs/summary")) {
        assertThat(wire.ask("GET", path, "Accept", "image/png").status()).isEqualTo(406);
      }
      assertThat(wire.ask("GET", "/v1/nope", "Accept", "image/png").status()).isEqualTo(404);
      assertThat(wire.ask("PATCH", "/v1/nodes", "Accept", "image/png").status()).isEqualTo(405);
    }
  }

  @Test
  void writes_are_done_whatever_the_client_accepts() {
    String node = "/v1/nodes/" + service.node("directory", 2);
    String form = "application/x-www-form-urlencoded";
    Http http = service.http();
    assertThat(http.send("PUT", node, form, "state=hold", "Accept", "image/png").status())
        .isEqualTo(200);
    assertThat(http.send("OPTIONS", node, null, null, "Accept", "image/png").status())
        .isEqualTo(204);
  }

  @Test
  void errors_are_problems_whatever_the_client_accepts() throws IOException {
    try (Wire wire = new Wire(port)) {
      Problems.check(wire.ask("GET", "/v1/nodes?x=1", "Accept", "text/plain"), "/v1/nodes");
      Problems.check(wire.ask("GET", "/v1/nodes/0", "Accept", "application/json"), "/v1/nodes/0");
      Problems.check(wire.ask("GET", "/v1/nope", "Accept", "text/plain"), "/v1/nope");
      Problems.check(wire.ask("PUT", "/v1/nodes/1", "Accept", "text/html"), "/v1/nodes/1");
    }
  }

  @Test
  void head_has_the_headers_of_get_and_not_a_byte_more() throws IOException {
    for (int i = 0; i < 3; i++) {
      service.node("ä", 2);
      service.image("ä", 2, null);
      service.dibImage("ä", 2, null);
    }
    try (Wire wire = new Wire(port)) {
      for (String path :
          List.of(
              "/v1/nodes",
              "/v1/nodes?limit=2",
              "/v1/nodes?limit=2&provider_name=%C3%A4",
              "/v1/images?fields=id&limit=1",
              "/v1/dib_images?state=ready",
              "/v1/jobs?limit=1",
              "/v1/nodes/summary?by=state",
              "/v1/images/summary?by=provider_name",
              "/v1/nodes?x=1",
              "/v1/nodes/summary",
              "/v1/nodes/999999")) {
        for (String accept : List.of("*/*", "text/plain", "image/png")) {
          String[] headers = {"Accept", accept, "X-Request-Id", "1"};
          Http.Answer get = wire.ask("GET", path, headers);
          Http.Answer head = wire.ask("HEAD", path, headers);
          assertThat(head.status()).as(path).isEqualTo(get.status());
          assertThat(head.steadyHeaders()).as(path).isEqualTo(get.steadyHeaders());
          assertThat(head.header("Content-Length"))
              .isEqualTo(Integer.toString(get.body().getBytes(UTF_8).length));
        }
      }
      // a byte of a body would have been read as the beginning of an answer
      assertThat(wire.ask("GET", "/v1/jobs").body()).isEqualTo("[]");
    }
  }

  /**
   * @param login null: none
   */
  private static String[] headers(String accept, String login) {
    return login == null
        ? new String[] {"Accept", accept, "X-Request-Id", "1"}
        : new String[] {"Accept", accept, "X-Request-Id", "1", "Authorization", login};
  }

  /** The path of every GET among them, to things that do not exist. */
  private static List<String> reads(List<String> routes) {
    return routes.stream()
        .filter(route -> route.startsWith("GET "))
        .map(route -> route.substring(4).replace(":id", "999999").replace(":name", "nothing"))
        .toList();
  }
}
