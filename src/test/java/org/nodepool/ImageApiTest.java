package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.anImage;

import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code /v1/images}. */
@Tag("sql")
class ImageApiTest {
  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
  }

  // ---- reading

  @Test
  void an_image_is_shown_with_every_key_in_order() {
    long image =
        anImage()
            .provider("prövider")
            .image("image")
            .hostname("host")
            .version(1416832000)
            .externalId("uuid")
            .with("server_external_id", "server")
            .state(2)
            .stateTime(1416832001L)
            .in(service);

    String expected =
        """
        {"id":%d,"provider_name":"prövider","image_name":"image","hostname":"host",\
        "version":1416832000,"external_id":"uuid","server_external_id":"server",\
        "state":"ready","state_time":1416832001}"""
            .formatted(image);
    assertThat(http.get("/v1/images/" + image).body()).isEqualTo(expected);
    assertThat(http.anonymous().get("/v1/images").body()).isEqualTo("[" + expected + "]");
    assertThat(http.get("/v1/images").header("Content-Type")).isEqualTo("application/json");
  }

  @Test
  void null_columns_are_null_and_unknown_states_their_code() {
    long empty =
        anImage()
            .provider("")
            .image("")
            .without("hostname", "version", "state", "state_time")
            .in(service);
    long odd = service.image("p", 99, null);

    assertThat(http.get("/v1/images/" + empty).body())
        .isEqualTo(
            """
            {"id":%d,"provider_name":"","image_name":"","hostname":null,"version":null,\
            "external_id":null,"server_external_id":null,"state":null,"state_time":null}"""
                .formatted(empty));
    assertThat(http.get("/v1/images/" + odd).json().getString("state")).isEqualTo("99");
    assertThat(http.get("/v1/images").array()).hasSize(2);
  }

  @Test
  void the_list_is_in_order_of_provider_image_and_id_by_code_point() {
    List<String> names = List.of("B", "a", "a ", "b", "ä", "\uFFFD", "\uD83D\uDE00");
    List<Long> expected = new ArrayList<>();
    for (int i = names.size() - 1; i >= 0; i--) {
      List<Long> images = new ArrayList<>();
      for (int j = names.size() - 1; j >= 0; j--) {
        long first = image(names.get(i), names.get(j));
        images.addAll(0, List.of(first, image(names.get(i), names.get(j))));
      }
      expected.addAll(0, images);
    }

    List<Long> shown = new ArrayList<>();
    http.get("/v1/images").array().forEach(row -> shown.add(((JsonObject) row).getLong("id")));
    assertThat(shown).isEqualTo(expected);
  }

  // ---- update

  @ParameterizedTest
  @CsvSource({
    "nope,       '',                         400, field-missing",
    "tiny-image, image_name=x,               400, field-missing",
    "tiny-image, provider_name=nope,         404, not-found",
    "nope,       provider_name=nope,         404, not-found",
    "tiny-image, provider_name=,             404, not-found",
    "tiny-image, provider_name=Directory,    404, not-found",
    "tiny-image, provider_name=directory%20, 404, not-found",
    "nope,       provider_name=directory,    404, not-found",
    "TINY-IMAGE, provider_name=directory,    404, not-found",
    "tiny,       provider_name=directory,    404, not-found",
    "first,      provider_name=directory,    404, not-found",
    "999999,     provider_name=directory,    404, not-found",
    "by-nothing, provider_name=directory,    409, conflict",
    "by-script,  provider_name=directory,    501, not-implemented"
  })
  void an_update_is_checked_in_order(String image, String form, int status, String slug) {
    Http.Answer answer = http.post("/v1/images/" + image + "/update", form);

    assertThat(answer.status()).as(answer.body()).isEqualTo(status);
    Problems.check(answer, "/v1/images/" + image + "/update");
    assertThat(answer.slug()).isEqualTo(slug);
    assertThat(Tables.rows(service)).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "..%2F..%2Fetc%2Fpasswd",
        "a%2Fb",
        "%2F",
        "tiny-image%0A",
        "tiny-image%00",
        "tiny-image%20",
        "t%C3%AFny",
        "%F0%9F%98%80",
        "%22%7D",
        "%3Cb%3E",
        "tiny-image'--",
        "%25s%25n",
        "-",
        "1.0"
      })
  void a_name_that_nothing_has_is_not_found(String name) throws IOException {
    byte[] body = "{\"provider_name\":\"directory\"}".getBytes();
    String login = Http.basic("admin:" + TestService.PASSWORD);
    for (String path :
        List.of("/v1/images/" + name + "/update", "/v1/images/" + name.repeat(100) + "/update")) {
      try (Wire wire = new Wire(http.port())) {
        Http.Answer answer =
            wire.ask(
                "POST", path, body, "Content-Type", "application/json", "Authorization", login);
        assertThat(answer.status()).isEqualTo(404);
        Problems.check(answer, path);
      }
    }
  }

  @Test
  void an_update_joins_the_build_under_way_and_makes_a_new_image() {
    long build = buildThatNeverBegins("tiny");
    long old = service.image("directory", 2, "old");

    Http.Answer answer = http.post("/v1/images/tiny-image/update", "provider_name=directory");

    assertThat(answer.status()).isEqualTo(201);
    assertThat(answer.body()).isEmpty();
    assertThat(answer.header("Content-Length")).isEqualTo("0");
    assertThat(answer.location()).matches("/v1/images/[0-9]+");
    assertThat(answer.header("Link")).matches("</v1/jobs/[0-9]+>; rel=\"monitor\"");
    JsonObject image = http.get(answer.location()).json();
    assertThat(image.getString("state")).isEqualTo("building");
    assertThat(image.getString("provider_name")).isEqualTo("directory");
    assertThat(image.getString("image_name")).isEqualTo("tiny-image");
    assertThat(image.getString("hostname")).matches("tiny-image\\.template\\.example\\.org-[0-9]+");
    assertThat(image.getValue("external_id")).isNull();
    JsonObject job = http.get(answer.job()).json();
    assertThat(job.getString("kind")).isEqualTo("update");
    assertThat(job.getString("state")).isEqualTo("queued");
    assertThat(job.getString("subject")).isEqualTo(answer.location());
    assertThat(job.getString("phase")).isEqualTo("position 1; waits for /v1/jobs/" + build);
    assertThat(http.get("/v1/dib_images").array()).hasSize(1);
    assertThat(http.get("/v1/images/" + old).json().getString("state")).isEqualTo("ready");
  }

  @Test
  void an_update_of_an_id_means_the_name_of_that_image_wherever_it_is() {
    buildThatNeverBegins("tiny");
    long elsewhere = service.image("gone", 4, null);
    String form = "provider_name=directory";

    Http.Answer answer = http.post("/v1/images/" + elsewhere + "/update", form);

    assertThat(answer.status()).isEqualTo(201);
    assertThat(http.get(answer.location()).json().getString("image_name")).isEqualTo("tiny-image");
    long unlisted = image("directory", "nope");
    assertThat(http.post("/v1/images/" + unlisted + "/update", form).slug()).isEqualTo("not-found");
    long byScript = image("cloud", "by-script");
    assertThat(http.post("/v1/images/" + byScript + "/update", form).status()).isEqualTo(501);
  }

  @Test
  void an_update_whose_build_fails_fails_with_the_reason() {
    long build = buildThatNeverBegins("tiny");
    Http.Answer answer = http.post("/v1/images/tiny-image/update", "provider_name=directory");

    service.sql(
        "UPDATE api_job SET state = 'failed', error = 'The disk is full.', finished = 1"
            + " WHERE id = ?",
        build);
    service.sql("UPDATE dib_image SET state = 7");
    http.delete("/v1/nodes/" + service.node("gone", 2)); // has the worker look for work at once

    JsonObject job = service.ended(answer.job());
    assertThat(job.getString("state")).isEqualTo("failed");
    assertThat(job.getString("error"))
        .isEqualTo("The build (/v1/jobs/" + build + ") failed: The disk is full.");
    assertThat(http.get(answer.location()).json().getString("state")).isEqualTo("failed");
  }

  @Test
  void deleting_an_image_that_is_being_made_cancels_the_work() {
    buildThatNeverBegins("tiny");
    Http.Answer update = http.post("/v1/images/tiny-image/update", "provider_name=directory");

    Http.Answer delete = http.delete(update.location());

    assertThat(delete.status()).isEqualTo(204);
    assertThat(service.ended(update.job()).getString("state")).isEqualTo("cancelled");
    assertThat(service.ended(delete.job()).getString("state")).isEqualTo("succeeded");
    assertThat(http.get(update.location()).status()).isEqualTo(404);
  }

  // ---- delete

  @Test
  void a_deleted_image_is_removed_at_its_provider_and_then_from_the_table() throws IOException {
    Path file = providerFile("one.qcow2");
    Path sidecar = providerFile("one.qcow2.json");
    Path neighbour = providerFile("one.qcow2.other");
    Path other = providerFile("one.qcow");
    long image = service.image("directory", 2, "one.qcow2");
    long stays = service.image("directory", 2, "one.qcow");

    Http.Answer answer = http.delete("/v1/images/" + image);

    assertThat(answer.status()).isEqualTo(204);
    assertThat(answer.body()).isEmpty();
    JsonObject job = service.ended(answer.job());
    assertThat(job.getString("state")).isEqualTo("succeeded");
    assertThat(job.getString("kind")).isEqualTo("delete-image");
    assertThat(job.getString("subject")).isEqualTo("/v1/images/" + image);
    assertThat(http.get("/v1/images/" + image).status()).isEqualTo(404);
    assertThat(http.delete("/v1/images/" + image).slug()).isEqualTo("not-found");
    assertThat(file).doesNotExist();
    assertThat(sidecar).doesNotExist();
    assertThat(neighbour).exists();
    assertThat(other).exists();
    assertThat(http.get("/v1/images/" + stays).status()).isEqualTo(200);
  }

  @Test
  void an_image_that_is_gone_at_the_provider_already_or_never_was_there_is_deleted() {
    for (String externalId : new String[] {"never-was.qcow2", null}) {
      for (Integer state : new Integer[] {1, 2, 7, 99, null}) {
        long image = service.image("directory", state, externalId);
        Http.Answer answer = http.delete("/v1/images/" + image);
        assertThat(answer.status()).isEqualTo(204);
        assertThat(service.ended(answer.job()).getString("state")).isEqualTo("succeeded");
      }
    }
    assertThat(http.get("/v1/images").body()).isEqualTo("[]");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../outside",
        "../images/../outside",
        "{dir}/outside",
        "x/../../outside",
        "..",
        ".",
        "",
        "outside/../../outside",
        "~/outside",
        "a\nb",
        "../outside\0",
        "*",
        "-outside"
      })
  void an_external_id_never_leads_out_of_the_providers_directory(String externalId)
      throws IOException {
    Path outside = Files.writeString(service.dir().resolve("outside"), "stays");
    Path inside = providerFile("inside");
    long image =
        service.image("directory", 2, externalId.replace("{dir}", service.dir().toString()));

    Http.Answer answer = http.delete("/v1/images/" + image);

    assertThat(answer.status()).isEqualTo(204);
    JsonObject job = service.ended(answer.job());
    assertThat(job.getString("state")).isEqualTo("failed");
    assertThat(job.getString("error"))
        .endsWith(" is not the name of an image in provider directory.")
        .doesNotContain("\n", "\0");
    assertThat(outside).exists();
    assertThat(inside).exists();
    assertThat(http.get("/v1/images/" + image).json().getString("state")).isEqualTo("delete");

    assertThat(http.delete("/v1/images/" + image + "?record_only=true").status()).isEqualTo(204);
    assertThat(http.get("/v1/images").body()).isEqualTo("[]");
    assertThat(outside).exists();
  }

  @Test
  void a_failed_deletion_can_be_asked_for_again() {
    long image = service.image("directory", 2, "../outside");
    Http.Answer first = http.delete("/v1/images/" + image);
    assertThat(service.ended(first.job()).getString("state")).isEqualTo("failed");
    service.sql("UPDATE snapshot_image SET external_id = NULL WHERE id = ?", image);

    Http.Answer again = http.delete("/v1/images/" + image);

    assertThat(again.status()).isEqualTo(204);
    assertThat(again.job()).isNotEqualTo(first.job());
    assertThat(service.ended(again.job()).getString("state")).isEqualTo("succeeded");
  }

  @Test
  void an_image_at_a_cloud_out_of_reach_stays_in_delete_and_every_deletion_is_the_same_job() {
    long image = service.image("cloud", 2, "uuid");

    Http.Answer first = http.delete("/v1/images/" + image);
    Poll.until("the job waits", () -> waitsUntil(http.get(first.job()).json()));
    service.sql("UPDATE snapshot_image SET state_time = 1000 WHERE id = ?", image);
    Http.Answer again = http.delete("/v1/images/" + image);

    assertThat(again.job()).isEqualTo(first.job());
    assertThat(http.get(first.job()).json().getString("phase")).contains("Connection refused");
    JsonObject json = http.get("/v1/images/" + image).json();
    assertThat(json.getString("state")).isEqualTo("delete");
    assertThat(json.getLong("state_time")).isEqualTo(1000);
    assertThat(http.delete("/v1/images/" + image + "?record_only=true").status()).isEqualTo(204);
    assertThat(http.get("/v1/images/" + image).status()).isEqualTo(404);
    assertThat(http.get(first.job()).json().getString("state")).isEqualTo("cancelled");
  }

  @Test
  void an_image_of_a_provider_that_is_gone_is_not_deleted_but_its_record_can_be()
      throws IOException {
    Path file = providerFile("one.qcow2");
    for (String externalId : new String[] {"one.qcow2", null}) {
      long image = service.image("gone", 2, externalId);
      List<String> before = Tables.rows(service);

      Http.Answer refused = http.delete("/v1/images/" + image);
      assertThat(refused.status()).isEqualTo(409);
      assertThat(refused.slug()).isEqualTo("conflict");
      assertThat(refused.json().getString("detail")).contains("gone", "record_only=true");
      assertThat(Tables.rows(service)).isEqualTo(before);

      Http.Answer answer = http.delete("/v1/images/" + image + "?record_only=true");
      assertThat(answer.status()).isEqualTo(204);
      assertThat(answer.header("Link")).isNull();
      assertThat(http.get("/v1/images/" + image).status()).isEqualTo(404);
    }
    assertThat(file).exists();
  }

  @Test
  void record_only_leaves_the_file_at_the_provider() throws IOException {
    Path file = providerFile("one.qcow2");
    long image = service.image("directory", 2, "one.qcow2");

    assertThat(http.delete("/v1/images/" + image + "?record_only=true").status()).isEqualTo(204);

    assertThat(http.get("/v1/images/" + image).status()).isEqualTo(404);
    assertThat(http.get("/v1/jobs").body()).isEqualTo("[]");
    assertThat(file).exists();
  }

  @ParameterizedTest
  @ValueSource(strings = {"record_only=maybe", "record_only=", "recordonly=true", "x=1"})
  void a_deletion_with_any_other_parameter_is_refused(String query) {
    long image = service.image("directory", 2, null);

    Http.Answer answer = http.delete("/v1/images/" + image + "?" + query);

    assertThat(answer.status()).isEqualTo(400);
    assertThat(answer.slug()).isEqualTo("bad-value");
    assertThat(http.get("/v1/images/" + image).json().getString("state")).isEqualTo("ready");
  }

  /** A build of ours of that diskimage, which waits; returns the id of its job. */
  private long buildThatNeverBegins(String diskImage) {
    long dibImage = service.dibImage(diskImage, 1, null);
    return aJob()
        .subject("/v1/dib_images/" + dibImage)
        .image(diskImage)
        .dibImage(dibImage)
        .in(service);
  }

  private Path providerFile(String name) throws IOException {
    Path dir = Files.createDirectories(service.dir().resolve("provider"));
    return Files.writeString(dir.resolve(name), "an image");
  }

  private long image(String provider, String name) {
    return anImage().provider(provider).image(name).in(service);
  }

  private static boolean waitsUntil(JsonObject job) {
    return String.valueOf(job.getString("phase")).contains("waits until");
  }
}
