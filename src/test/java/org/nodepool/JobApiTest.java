package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.now;

import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code /v1/jobs}, and that no read ignores a parameter. */
@Tag("sql")
class JobApiTest {
  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
  }

  @Test
  void a_job_is_shown_with_every_key_in_order_and_nothing_else() {
    long job =
        aJob()
            .kind("upload")
            .state("failed")
            .subject("/v1/images/7")
            .image("tiny-image")
            .provider("cloud")
            .dibImage(3L)
            .host("somewhere")
            .worker("worker-1")
            .attempts(2)
            .with("progress", 0.5)
            .with("phase", "send")
            .with("error", "It is \"full\".")
            .with("created", 1)
            .started(2L)
            .finished(3L)
            .in(service);
    String expected =
        """
        {"id":%d,"kind":"upload","state":"failed","subject":"/v1/images/7",\
        "image_name":"tiny-image","provider_name":"cloud","progress":0.5,"phase":"send",\
        "error":"It is \\"full\\".","attempts":2,"worker":"worker-1","created":1,"started":2,\
        "finished":3}"""
            .formatted(job);

    assertThat(http.get("/v1/jobs/" + job).body()).isEqualTo(expected);
    assertThat(http.anonymous().get("/v1/jobs").body()).isEqualTo("[" + expected + "]");
    assertThat(http.get("/v1/jobs").header("Content-Type")).isEqualTo("application/json");
  }

  @Test
  void what_is_not_known_of_a_job_yet_is_null() {
    long job = queued("delete-node");

    assertThat(http.get("/v1/jobs/" + job).body())
        .isEqualTo(
            """
            {"id":%d,"kind":"delete-node","state":"queued","subject":"/v1/nodes/1",\
            "image_name":null,"provider_name":null,"progress":null,\
            "phase":"position 1; waits until 2096-10-02T07:06:40Z","error":null,"attempts":0,\
            "worker":null,"created":1416832000,"started":null,"finished":null}"""
                .formatted(job));
  }

  @Test
  void the_newest_job_is_first() {
    List<Long> expected = new ArrayList<>();
    for (String kind :
        List.of("build", "upload", "update", "delete-image", "delete-dib-image", "delete-node")) {
      expected.add(0, queued(kind));
      expected.add(0, queued(kind));
    }

    List<Long> shown = new ArrayList<>();
    http.get("/v1/jobs").array().forEach(job -> shown.add(((JsonObject) job).getLong("id")));
    assertThat(shown).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "-1", "01", "abc", "%20", "999999", "99999999999999999999"})
  void there_is_no_such_job(String id) {
    for (String path : List.of("/v1/jobs/" + id, "/v1/jobs/" + id + "/log")) {
      Http.Answer answer = http.get(path);
      assertThat(answer.status()).isEqualTo(404);
      Problems.check(answer, path);
    }
  }

  @Test
  void a_job_that_has_not_begun_has_no_log_yet() {
    String path = "/v1/jobs/" + queued("delete-node") + "/log";

    Http.Answer answer = http.get(path);

    assertThat(answer.status()).isEqualTo(409);
    Problems.check(answer, path);
    assertThat(answer.slug()).isEqualTo("wrong-state");
    assertThat(answer.json().getString("detail")).contains("not begun");
    assertThat(http.send("HEAD", path, null, null).status()).isEqualTo(409);
  }

  @Test
  void the_log_is_text_and_its_head_is_too() throws IOException {
    String uuid = UUID.randomUUID().toString();
    String path = "/v1/jobs/" + begun(uuid, Installation.hostName()) + "/log";
    Path file =
        Files.createDirectories(service.dir().resolve("var/log/jobs")).resolve(uuid + ".log");
    String text = "first line\nünd \uD83D\uDE00\n" + "x".repeat(100_000) + "\n";
    Files.writeString(file, text);

    String[] same = {"X-Request-Id", "same"};
    Http.Answer answer = http.anonymous().send("GET", path, null, null, same);
    assertThat(answer.status()).isEqualTo(200);
    assertThat(answer.header("Content-Type")).isEqualTo("text/plain; charset=utf-8");
    assertThat(answer.body()).isEqualTo(text);

    Http.Answer head = http.send("HEAD", path, null, null, same);
    assertThat(head.status()).isEqualTo(200);
    assertThat(head.body()).isEmpty();
    assertThat(head.steadyHeaders()).isEqualTo(answer.steadyHeaders());

    Files.writeString(file, "");
    assertThat(http.get(path).status()).isEqualTo(200);
    assertThat(http.get(path).body()).isEmpty();

    Files.delete(file);
    Http.Answer gone = http.get(path);
    assertThat(gone.status()).isEqualTo(410);
    Problems.check(gone, path);
    assertThat(gone.slug()).isEqualTo("gone");
    assertThat(gone.body()).doesNotContain(uuid);
  }

  @Test
  void a_job_whose_knock_was_lost_begins_within_five_seconds() {
    for (int i = 0; i < 3; i++) {
      long id =
          aJob()
              .kind("delete-node")
              .subject("/v1/nodes/1")
              .provider("directory")
              .notBefore(null)
              .with("created", now())
              .in(service);

      JsonObject job = service.ended("/v1/jobs/" + id);

      assertThat(job.getLong("started") - job.getLong("created")).isBetween(0L, 5L);
    }
  }

  @Test
  void the_log_of_a_job_that_ran_is_there() {
    long node = service.node("directory", 2);
    String job = http.delete("/v1/nodes/" + node).job();
    service.ended(job);

    Http.Answer log = http.get(job + "/log");
    assertThat(log.status()).isEqualTo(200);
    assertThat(log.body()).contains("attempt 1 begins");
    Poll.until(
        "its last line", () -> http.get(job + "/log").body().endsWith(" | nodepool: succeeded\n"));
  }

  @Test
  void a_log_on_another_host_is_not_here_and_the_host_is_named() {
    long job = begun(UUID.randomUUID().toString(), "builder-7.example.org");

    Http.Answer answer = http.get("/v1/jobs/" + job + "/log");

    assertThat(answer.status()).isEqualTo(409);
    assertThat(answer.slug()).isEqualTo("wrong-state");
    assertThat(answer.json().getString("detail")).contains("builder-7.example.org");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "state=ready",
        "limit=1",
        "marker=1",
        "fields=id",
        "x",
        "id=1",
        "%20=",
        "state=ready&state=hold",
        "provider_name=",
        "record_only=true"
      })
  void a_parameter_that_is_not_known_is_refused_where_one_object_is_asked_for(String query) {
    long node = service.node("directory", 2);
    long image = service.image("directory", 2, null);
    long dibImage = service.dibImage("tiny", 2, null);
    long job = queued("delete-node");
    for (String path :
        List.of(
            "/v1/nodes/" + node,
            "/v1/images/" + image,
            "/v1/dib_images/" + dibImage,
            "/v1/jobs/" + job,
            "/v1/jobs/" + job + "/log")) {
      Http.Answer answer = http.get(path + "?" + query);
      assertThat(answer.status()).as(path).isEqualTo(400);
      Problems.check(answer, path);
      assertThat(answer.slug()).isEqualTo("bad-value");
      assertThat(http.send("HEAD", path + "?" + query, null, null).status()).isEqualTo(400);
    }
  }

  @Test
  void an_empty_query_is_none() {
    for (String query : List.of("?", "?&", "?&&")) {
      assertThat(http.get("/v1/jobs" + query).status()).isEqualTo(200);
    }
  }

  /** One that never begins. */
  private long queued(String kind) {
    return aJob().kind(kind).subject("/v1/nodes/1").with("created", 1416832000).in(service);
  }

  private long begun(String uuid, String host) {
    return aJob().with("uuid", uuid).begunBy(host, "somebody").ended("succeeded").in(service);
  }
}
