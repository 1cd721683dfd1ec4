package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.anAttempt;

import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code POST /v1/jobs/{id}/retry}, and {@code GET /v1/jobs/{id}/attempts}. */
@RunsBesideOthers
@Tag("sql")
class RetryTest {
  private static final byte[] BYTES = {1, 2, 3};

  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"failed", "cancelled"})
  void a_build_is_a_new_build_and_who_comes_second_joins_it(String end) {
    String job = ended("build", end, "/v1/dib_images/999", "slow-install", null, 999L);

    Http.Answer first = http.post(job + "/retry");
    Http.Answer second = http.post(job + "/retry");

    assertThat(first.status()).isEqualTo(201);
    assertThat(first.body()).isEmpty();
    assertThat(first.location()).isEqualTo(first.job()).isNotEqualTo(job);
    assertThat(second.status()).isEqualTo(200);
    assertThat(second.location()).isEqualTo(first.location());
    JsonObject build = http.get(first.location()).json();
    assertThat(build.getString("kind")).isEqualTo("build");
    assertThat(build.getString("image_name")).isEqualTo("slow-install");
    assertThat(http.get(build.getString("subject")).json().getString("state"))
        .isEqualTo("building");
    assertThat(http.get("/v1/dib_images").array()).hasSize(1);
    assertThat(http.get(job).json().getString("state")).isEqualTo(end);
  }

  @Test
  void an_upload_sends_the_same_dib_image_though_there_is_a_newer_one() throws Exception {
    long dibImage = service.readyBuild("tiny", BYTES);
    service.readyBuild("tiny", new byte[] {4});
    String job = ended("upload", "failed", "/v1/images/999", "tiny-image", "directory", dibImage);

    Http.Answer again = http.post(job + "/retry");

    assertThat(again.status()).isEqualTo(201);
    JsonObject upload = service.ended(again.location());
    assertThat(upload.getString("kind")).isEqualTo("upload");
    assertThat(upload.getString("error")).isNull();
    JsonObject image = http.get(upload.getString("subject")).json();
    assertThat(image.getString("state")).isEqualTo("ready");
    assertThat(provided(image)).hasBinaryContent(BYTES);
  }

  static Stream<String> noLongerReady() {
    return Stream.of(
        "UPDATE dib_image SET state = 4",
        "UPDATE dib_image SET state = 7",
        "UPDATE dib_image SET image_name = 'fails'",
        "UPDATE api_dib_file SET type = 'raw'",
        "DELETE FROM api_dib_file",
        "DELETE FROM dib_image");
  }

  @ParameterizedTest
  @MethodSource("noLongerReady")
  void an_upload_of_what_cannot_be_sent_any_more_is_refused_and_says_what_to_do(String change)
      throws Exception {
    long dibImage = service.readyBuild("tiny", BYTES);
    String job = ended("upload", "failed", "/v1/images/999", "tiny-image", "directory", dibImage);
    service.sql(change);
    List<String> before = Tables.rows(service);

    Http.Answer answer = http.post(job + "/retry");

    assertThat(answer.status()).isEqualTo(409);
    assertThat(answer.slug()).isEqualTo("conflict");
    assertThat(answer.json().getString("detail"))
        .contains("/v1/dib_images/" + dibImage)
        .contains("qcow2")
        .endsWith("POST /v1/dib_images/tiny/upload");
    assertThat(Tables.rows(service)).isEqualTo(before);
  }

  @ParameterizedTest
  @ValueSource(strings = {"failed", "cancelled"})
  void an_update_whose_build_succeeded_does_not_build_again(String end) throws Exception {
    long dibImage = service.readyBuild("tiny", BYTES);
    String job = ended("update", end, "/v1/images/999", "tiny-image", "directory", dibImage);

    Http.Answer again = http.post(job + "/retry");

    assertThat(again.status()).isEqualTo(201);
    JsonObject update = service.ended(again.location());
    assertThat(update.getString("kind")).isEqualTo("update");
    assertThat(update.getString("error")).isNull();
    assertThat(provided(http.get(update.getString("subject")).json())).hasBinaryContent(BYTES);
    assertThat(http.get("/v1/jobs?kind=build").body()).isEqualTo("[]");
    assertThat(http.get("/v1/dib_images").ids()).containsExactly(dibImage);
  }

  @Test
  void an_update_whose_build_goes_on_joins_it() {
    long dibImage = service.dibImage("tiny", 1, null);
    queuedBuild(dibImage);
    String job = ended("update", "cancelled", "/v1/images/9", "tiny-image", "directory", dibImage);

    Http.Answer again = http.post(job + "/retry");

    assertThat(again.status()).isEqualTo(201);
    assertThat(service.sql("SELECT id FROM api_job WHERE kind = 'update' AND state = 'queued'"))
        .hasSize(1);
    assertThat(dibImageOf(again.location())).isEqualTo(dibImage);
    assertThat(http.get("/v1/dib_images").ids()).containsExactly(dibImage);
  }

  @Test
  void an_update_whose_build_is_to_be_cancelled_has_another_one() {
    long dibImage = service.dibImage("tiny", 1, null);
    queuedBuild(dibImage);
    service.sql(
        "UPDATE api_job SET cancel_requested = 1, state = 'running', worker = 'somebody',"
            + " lease_until = 4000000000");
    String job = ended("update", "cancelled", "/v1/images/9", "tiny-image", "directory", dibImage);

    Http.Answer again = http.post(job + "/retry");

    assertThat(again.status()).isEqualTo(201);
    assertThat(dibImageOf(again.location())).isNotEqualTo(dibImage);
    assertThat(http.get("/v1/dib_images").ids()).hasSize(2);
  }

  @ParameterizedTest
  @MethodSource("noLongerReady")
  void an_update_whose_dib_image_cannot_be_sent_builds_anew(String change) throws Exception {
    long dibImage = service.readyBuild("tiny", BYTES);
    String job = ended("update", "failed", "/v1/images/999", "tiny-image", "directory", dibImage);
    service.sql(change);

    Http.Answer again = http.post(job + "/retry");

    assertThat(again.status()).isEqualTo(201);
    assertThat(dibImageOf(again.location())).isNotEqualTo(dibImage);
    assertThat(http.get("/v1/jobs?kind=build&image_name=tiny").array()).hasSize(1);
  }

  @Test
  void a_deletion_is_the_same_deletion() {
    long node = service.node("directory", 4);
    String job = ended("delete-node", "failed", "/v1/nodes/" + node, null, "directory", null);

    Http.Answer again = http.post(job + "/retry");

    assertThat(again.status()).isEqualTo(201);
    assertThat(service.ended(again.location()).getString("state")).isEqualTo("succeeded");
    assertThat(http.get("/v1/nodes/" + node).status()).isEqualTo(404);
    Http.Answer third = http.post(job + "/retry");
    assertThat(third.status()).isEqualTo(409);
    assertThat(third.slug()).isEqualTo("conflict");
  }

  @ParameterizedTest
  @CsvSource({
    "delete-node,/v1/nodes/999999",
    "delete-image,/v1/images/999999",
    "delete-dib-image,/v1/dib_images/999999"
  })
  void of_what_is_gone_nothing_is_left_to_delete(String kind, String subject) {
    String job = ended(kind, "failed", subject, null, "directory", null);

    Http.Answer answer = http.post(job + "/retry");

    assertThat(answer.status()).isEqualTo(409);
    assertThat(answer.slug()).isEqualTo("conflict");
    assertThat(answer.json().getString("detail"))
        .isEqualTo(subject + " is gone: there is nothing left to delete.");
  }

  @Test
  void a_deletion_that_is_under_way_is_joined() {
    long image = service.image("cloud", 4, "file");
    String path = "/v1/images/" + image;
    String job = ended("delete-image", "cancelled", path, "tiny-image", "cloud", null);

    Http.Answer first = http.post(job + "/retry");
    Http.Answer second = http.post(job + "/retry");

    assertThat(first.status()).isEqualTo(201);
    assertThat(second.status()).isEqualTo(200);
    assertThat(second.location()).isEqualTo(first.location());
  }

  @ParameterizedTest
  @CsvSource({
    // kind, image, provider, status, slug
    "build,nothing,,404,not-found",
    "upload,tiny-image,nowhere,404,not-found",
    "upload,nothing,directory,404,not-found",
    "upload,by-nothing,directory,409,conflict",
    "upload,by-script,directory,501,not-implemented",
    "update,tiny-image,nowhere,404,not-found",
    "update,nothing,directory,404,not-found",
    "update,by-nothing,directory,409,conflict",
    "update,by-script,directory,501,not-implemented"
  })
  void what_is_no_longer_configured_is_refused_as_at_first(
      String kind, String image, String provider, int status, String slug) throws Exception {
    long dibImage = service.readyBuild("tiny", BYTES);
    String job = ended(kind, "failed", "/v1/images/999", image, provider, dibImage);
    List<String> before = Tables.rows(service);

    Http.Answer answer = http.post(job + "/retry");

    assertThat(answer.status()).isEqualTo(status);
    assertThat(answer.slug()).isEqualTo(slug);
    assertThat(Tables.rows(service)).isEqualTo(before);
  }

  @Test
  void a_deletion_at_a_provider_that_is_gone_is_refused_as_at_first() {
    long image = service.image("nowhere", 4, "file");
    String path = "/v1/images/" + image;
    String job = ended("delete-image", "failed", path, "tiny-image", "nowhere", null);

    Http.Answer answer = http.post(job + "/retry");

    assertThat(answer.slug()).isEqualTo("conflict");
    assertThat(answer.json().getString("detail")).contains("record_only=true");
  }

  @ParameterizedTest
  @ValueSource(strings = {"queued", "running", "succeeded"})
  void what_has_not_failed_is_not_tried_again(String state) {
    String job = ended("build", state, "/v1/dib_images/999", "tiny", null, 999L);
    List<String> before = Tables.rows(service);

    Http.Answer answer = http.post(job + "/retry");

    assertThat(answer.status()).isEqualTo(409);
    assertThat(answer.slug()).isEqualTo("wrong-state");
    assertThat(answer.json().getString("detail")).contains("is " + state);
    assertThat(Tables.rows(service)).isEqualTo(before);
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "-1", "01", "abc", "999999"})
  void there_is_no_such_job(String id) {
    assertThat(http.post("/v1/jobs/" + id + "/retry").slug()).isEqualTo("not-found");
    assertThat(http.get("/v1/jobs/" + id + "/attempts").slug()).isEqualTo("not-found");
  }

  @Test
  void there_are_no_parameters() {
    String job = ended("build", "failed", "/v1/dib_images/999", "tiny", null, 999L);

    assertThat(http.post(job + "/retry?wait=1").slug()).isEqualTo("bad-value");
    assertThat(http.get(job + "/attempts?limit=1").slug()).isEqualTo("bad-value");
    assertThat(http.get("/v1/jobs").array()).hasSize(1);
  }

  @Test
  void attempts_are_shown_in_their_order_with_their_keys_and_no_others() {
    String job = ended("build", "running", "/v1/dib_images/999", "tiny", null, 999L);
    long id = Long.parseLong(job.substring("/v1/jobs/".length()));
    anAttempt(id).with("attempt", 2).worker("b").started(12L).finished(null).in(service);
    anAttempt(id)
        .worker("a")
        .started(10L)
        .finished(11L)
        .with("error", "It was \"lost\".")
        .in(service);
    anAttempt(id + 1).worker("c").with("error", "Another job's.").in(service);

    Http.Answer answer = http.anonymous().get(job + "/attempts");

    assertThat(answer.status()).isEqualTo(200);
    assertThat(answer.body())
        .isEqualTo(
            "[{\"attempt\":1,\"worker\":\"a\",\"started\":10,\"finished\":11,"
                + "\"error\":\"It was \\\"lost\\\".\"},"
                + "{\"attempt\":2,\"worker\":\"b\",\"started\":12,\"finished\":null,"
                + "\"error\":null}]");
  }

  @Test
  void a_job_that_has_not_begun_has_no_attempts_and_each_one_is_noted() {
    long node = service.node("directory", 4);
    String waiting = ended("delete-node", "queued", "/v1/nodes/999999999", null, "directory", null);
    assertThat(http.get(waiting + "/attempts").body()).isEqualTo("[]");

    String job = http.delete("/v1/nodes/" + node).job();
    service.ended(job);

    JsonArray attempts = http.get(job + "/attempts").array();
    assertThat(attempts).hasSize(1);
    assertThat(attempts.getJsonObject(0).getString("worker")).isEqualTo(service.installation());
  }

  @Test
  void attempts_are_json_alone() {
    String job = ended("build", "failed", "/v1/dib_images/999", "tiny", null, 999L);

    assertThat(http.send("GET", job + "/attempts", null, null, "Accept", "text/plain").slug())
        .isEqualTo("not-acceptable");
  }

  private Path provided(JsonObject image) {
    Path file = service.dir().resolve("provider").resolve(image.getString("external_id"));
    assertThat(Files.exists(file)).isTrue();
    return file;
  }

  private long dibImageOf(String job) {
    return service
        .sql("SELECT dib_image_id FROM api_job WHERE id = ?", job.replace("/v1/jobs/", ""))
        .iterator()
        .next()
        .getLong("dib_image_id");
  }

  /** One that no worker begins. */
  private void queuedBuild(long dibImage) {
    aJob().subject("/v1/dib_images/" + dibImage).image("tiny").dibImage(dibImage).in(service);
  }

  private String ended(
      String kind, String state, String subject, String image, String provider, Long dibImage) {
    boolean hasEnded = !List.of("queued", "running").contains(state);
    return "/v1/jobs/"
        + aJob()
            .kind(kind)
            .state(state)
            .subject(subject)
            .image(image)
            .provider(provider)
            .dibImage(dibImage)
            .finished(hasEnded ? 2L : null)
            .in(service);
  }
}
