package org.nodepool;

import static java.util.concurrent.CompletableFuture.supplyAsync;
import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;

import io.vertx.core.json.JsonObject;
import io.vertx.sqlclient.SqlConnection;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code DELETE /v1/jobs/{id}}. */
@RunsBesideOthers
@Tag("both-databases")
class CancelTest {
  private static final String FORM = "provider_name=directory";

  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
  }

  @Test
  void a_build_that_waits_has_ended_with_the_answer_and_its_row_is_gone() {
    long dibImage = service.dibImage("tiny", 1, null);
    String job = queued("build", "/v1/dib_images/" + dibImage, "tiny", dibImage);

    Http.Answer answer = http.delete(job);

    assertThat(answer.status()).isEqualTo(204);
    assertThat(answer.header("Link")).isNull();
    JsonObject ended = http.get(job).json();
    assertThat(ended.getString("state")).isEqualTo("cancelled");
    assertThat(ended.getString("error")).isNull();
    assertThat(ended.getInteger("attempts")).isZero();
    assertThat(ended.getLong("finished")).isNotNull();
    assertThat(http.get("/v1/dib_images").body()).isEqualTo("[]");
  }

  @Test
  void a_running_build_is_ended_and_the_next_one_does_not_join_it() {
    Http.Answer running = http.post("/v1/dib_images/slow-install/build");
    service.awaitState(running.job(), "running");

    Http.Answer first = http.delete(running.job());
    Http.Answer second = http.delete(running.job());
    Http.Answer next = http.post("/v1/dib_images/slow-install/build");

    assertThat(first.status()).isEqualTo(204);
    assertThat(first.job()).isEqualTo(running.job());
    assertThat(second.status()).isEqualTo(204);
    assertThat(next.status()).isEqualTo(201);
    assertThat(next.job()).isNotEqualTo(running.job());
    assertThat(service.ended(running.job()).getString("state")).isEqualTo("cancelled");
    assertThat(service.ended(running.job()).getString("error")).isNull();
    assertThat(http.delete(running.job()).slug()).isEqualTo("wrong-state");
  }

  @Test
  void whoever_runs_a_job_is_told_and_the_row_is_left_to_him() {
    long image = service.image("directory", 1, "file");
    String job = job("upload", "running", "/v1/images/" + image, "tiny-image", 1L);
    service.sql("UPDATE api_job SET lease_until = UNIX_TIMESTAMP() + 600");

    for (int i = 0; i < 2; i++) {
      Http.Answer answer = http.delete(job);
      assertThat(answer.status()).isEqualTo(204);
      assertThat(answer.job()).isEqualTo(job);
    }

    assertThat(http.get(job).json().getString("state")).isEqualTo("running");
    assertThat(service.sql("SELECT id FROM api_job WHERE cancel_requested = 1").size()).isOne();
    assertThat(http.get("/v1/images/" + image).json().getString("state")).isEqualTo("building");
  }

  @ParameterizedTest
  @ValueSource(strings = {"upload", "update"})
  void of_an_upload_that_waits_the_row_goes_and_its_source_stays(String kind) {
    long dibImage = service.dibImage("tiny", 2, null);
    long image = service.image("directory", 1, null);
    String job = queued(kind, "/v1/images/" + image, "tiny-image", dibImage);

    assertThat(http.delete(job).status()).isEqualTo(204);

    assertThat(http.get(job).json().getString("state")).isEqualTo("cancelled");
    assertThat(http.get("/v1/images/" + image).status()).isEqualTo(404);
    assertThat(http.get("/v1/dib_images/" + dibImage).json().getString("state")).isEqualTo("ready");
  }

  @ParameterizedTest
  @CsvSource({"build,2", "build,4", "build,7", "upload,2", "upload,4", "upload,42"})
  void a_row_that_is_not_being_made_any_more_stays(String kind, int state) {
    boolean builds = kind.equals("build");
    long row =
        builds ? service.dibImage("tiny", state, null) : service.image("directory", state, null);
    String subject = (builds ? "/v1/dib_images/" : "/v1/images/") + row;
    String job = queued(kind, subject, "tiny", row);
    String before = http.get(subject).body();

    assertThat(http.delete(job).status()).isEqualTo(204);

    assertThat(http.get(job).json().getString("state")).isEqualTo("cancelled");
    assertThat(http.get(subject).body()).isEqualTo(before);
  }

  @Test
  void a_job_whose_row_is_gone_is_cancelled_all_the_same() {
    String job = queued("build", "/v1/dib_images/999999", "tiny", 999999L);

    assertThat(http.delete(job).status()).isEqualTo(204);
    assertThat(http.get(job).json().getString("state")).isEqualTo("cancelled");
  }

  @Test
  void an_update_whose_build_was_cancelled_says_so() {
    long dibImage = service.dibImage("tiny", 1, null);
    String build = queued("build", "/v1/dib_images/" + dibImage, "tiny", dibImage);
    Http.Answer update = http.post("/v1/images/tiny-image/update", FORM);

    assertThat(http.delete(build).status()).isEqualTo(204);

    JsonObject ended = service.ended(update.job());
    assertThat(ended.getString("state")).isEqualTo("failed");
    assertThat(ended.getString("error"))
        .isEqualTo("The build (%s) was cancelled.".formatted(build));
  }

  @Test
  void the_end_and_the_removal_are_events() {
    long dibImage = service.dibImage("tiny", 1, null);
    String subject = "/v1/dib_images/" + dibImage;
    String job = queued("build", subject, "tiny", dibImage);
    List<String> events = new CopyOnWriteArrayList<>();
    var consumer =
        service
            .vertx()
            .eventBus()
            .<JsonObject>consumer(
                "nodepool.events",
                message -> {
                  JsonObject e = message.body();
                  events.add(
                      "%s %s %s"
                          .formatted(
                              e.getString("subject"),
                              e.getString("old_state"),
                              e.getString("state")));
                });
    try {
      http.delete(job);

      Poll.until("two events", () -> events.size() == 2);
      assertThat(events)
          .containsExactlyInAnyOrder(job + " queued cancelled", subject + " building null");
    } finally {
      consumer.unregister().await();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"succeeded", "failed", "cancelled"})
  void what_has_ended_stays_as_it_is(String end) {
    long dibImage = service.dibImage("tiny", 1, null);
    String job = job("build", end, "/v1/dib_images/" + dibImage, "tiny", dibImage);
    service.sql("UPDATE api_job SET finished = 1416832002");
    List<String> before = Tables.rows(service);

    Http.Answer answer = http.delete(job);

    assertThat(answer.status()).isEqualTo(409);
    assertThat(answer.slug()).isEqualTo("wrong-state");
    assertThat(answer.json().getString("detail")).contains("has ended already: it is " + end);
    assertThat(Tables.rows(service)).isEqualTo(before);
  }

  @ParameterizedTest
  @CsvSource({
    "delete-node,queued,/v1/nodes/1,DELETE /v1/nodes/1?record_only=true",
    "delete-node,running,/v1/nodes/1,DELETE /v1/nodes/1?record_only=true",
    "delete-image,queued,/v1/images/7,DELETE /v1/images/7?record_only=true",
    "delete-dib-image,queued,/v1/dib_images/3,Wait for its end."
  })
  void a_deletion_is_not_cancelled_and_the_answer_says_what_can_be_done(
      String kind, String state, String subject, String advice) {
    String job = job(kind, state, subject, null, null);
    List<String> before = Tables.rows(service);

    Http.Answer answer = http.delete(job);

    assertThat(answer.status()).isEqualTo(409);
    assertThat(answer.slug()).isEqualTo("wrong-state");
    assertThat(answer.json().getString("detail")).endsWith(advice);
    assertThat(Tables.rows(service)).isEqualTo(before);
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "-1", "01", "abc", "999999", "99999999999999999999"})
  void there_is_no_such_job(String id) {
    Http.Answer answer = http.delete("/v1/jobs/" + id);

    assertThat(answer.status()).isEqualTo(404);
    assertThat(answer.slug()).isEqualTo("not-found");
  }

  @Test
  void there_are_no_parameters() {
    String job = queued("build", "/v1/dib_images/1", "tiny", 1L);

    assertThat(http.delete(job + "?record_only=true").slug()).isEqualTo("bad-value");
    assertThat(http.get(job).json().getString("state")).isEqualTo("queued");
  }

  @Test
  void of_many_who_cancel_what_waits_one_does() {
    long dibImage = service.dibImage("tiny", 1, null);
    String job = queued("build", "/v1/dib_images/" + dibImage, "tiny", dibImage);

    List<CompletableFuture<Http.Answer>> answers =
        Stream.generate(() -> supplyAsync(() -> http.delete(job))).limit(20).toList();

    assertThat(answers)
        .extracting(answer -> answer.join().status())
        .containsOnly(204, 409)
        .containsOnlyOnce(204);
    assertThat(http.get("/v1/dib_images").body()).isEqualTo("[]");
  }

  @ParameterizedTest
  @ValueSource(strings = {"api_job", "dib_image"})
  void while_another_program_holds_a_row_nothing_is_changed(String table) {
    long dibImage = service.dibImage("tiny", 1, null);
    String job = queued("build", "/v1/dib_images/" + dibImage, "tiny", dibImage);
    List<String> before = Tables.rows(service);
    SqlConnection other = service.connection();
    other.begin().await();
    other.query("SELECT id FROM %s FOR UPDATE".formatted(table)).execute().await();
    try {
      Http.Answer answer = http.delete(job);

      assertThat(answer.status()).isEqualTo(503);
      assertThat(answer.slug()).isEqualTo("unavailable");
    } finally {
      other.query("ROLLBACK").execute().await();
      other.close().await();
    }
    assertThat(Tables.rows(service)).isEqualTo(before);
    assertThat(http.delete(job).status()).isEqualTo(204);
  }

  private String queued(String kind, String subject, String imageName, Long dibImage) {
    return job(kind, "queued", subject, imageName, dibImage);
  }

  /** One that no worker of this service begins, or has begun. */
  private String job(String kind, String state, String subject, String imageName, Long dibImage) {
    Rows.Draft job =
        aJob()
            .kind(kind)
            .state(state)
            .subject(subject)
            .image(imageName)
            .provider(kind.startsWith("up") ? "directory" : null)
            .dibImage(dibImage);
    if (!state.equals("queued")) {
      job.host("somewhere").worker("somebody").attempts(1);
    }
    return "/v1/jobs/" + job.in(service);
  }
}
