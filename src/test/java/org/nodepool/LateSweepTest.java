package org.nodepool;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.anAttempt;
import static org.nodepool.Rows.now;

import io.vertx.core.json.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What an upload left at a provider that was away then. */
@RunsBesideOthers
@Tag("both-databases")
class LateSweepTest {

  private static final String JOB = "5d9f1b1e-0000-4000-8000-000000000001";
  private static final UUID FIRST_ATTEMPT = UUID.nameUUIDFromBytes((JOB + "/1").getBytes(UTF_8));

  private TestService service;
  private Http http;

  @Test
  void a_failed_image_names_what_was_left_until_it_is_removed() throws Exception {
    use(TestService.shared());
    String image = uploadFailsWhileTheProviderIsAway();
    assertThat(http.get(image).json().getString("external_id")).isNotNull();

    theProviderIsBack();

    Poll.until("nothing is named", () -> http.get(image).json().getString("external_id") == null);
    assertThat(http.get(image).json().getString("state")).isEqualTo("failed");
    assertThat(service.sql("SELECT 1 FROM api_job_attempt WHERE is_swept = 0")).isEmpty();
  }

  @Test
  void the_row_of_a_failed_image_that_is_not_to_be_kept_goes_when_nothing_is_left()
      throws Exception {
    Path dir = Scratch.dir("late-sweep-test");
    use(TestService.start(dir, "database: {data_dir: var/db, failed_rows: remove}"));
    try {
      String image = uploadFailsWhileTheProviderIsAway();
      assertThat(http.get(image).json().getString("external_id")).isNotNull();

      theProviderIsBack();

      service.awaitGone(image);
    } finally {
      service.stop();
    }
  }

  @Test
  void as_long_as_an_attempt_may_have_left_something_it_is_named() throws Exception {
    use(TestService.shared());
    String image = uploadFailsWhileTheProviderIsAway();
    long job =
        service.sql("SELECT id FROM api_job WHERE kind = 'upload'").iterator().next().getLong(0);
    anAttempt(job).with("attempt", 99).worker("another").in(service);

    theProviderIsBack();

    Poll.until(
        "ours are swept",
        () ->
            service.sql("SELECT 1 FROM api_job_attempt WHERE is_swept = 0 AND attempt < 99").size()
                == 0);
    assertThat(http.get(image).json().getString("external_id")).isNotNull();
  }

  @ParameterizedTest
  @CsvSource({
    "here, this worker, true, true",
    "here, another, true, false",
    "elsewhere, another, false, false"
  })
  void before_an_upload_begins_again_what_earlier_attempts_left_is_removed(
      String host, String worker, boolean isRemoved, boolean isNoted) throws Exception {
    use(TestService.shared());
    Path left = Files.writeString(provider().resolve("image-" + FIRST_ATTEMPT + ".qcow2"), "half");

    String job = uploadIsToBeginAgain(host, worker);

    assertThat(service.ended(job).getString("error")).isNull();
    assertThat(Files.notExists(left)).isEqualTo(isRemoved);
    assertThat(service.sql("SELECT 1 FROM api_job_attempt WHERE is_swept = 1 AND attempt = 1"))
        .hasSize(isNoted ? 1 : 0);
  }

  @Test
  void there_is_no_second_image_while_the_first_cannot_be_removed() throws Exception {
    use(TestService.shared());
    Path left = provider().resolve("image-" + FIRST_ATTEMPT + ".qcow2");
    Path stuck = Files.createDirectories(left.resolve("cannot be removed"));

    String job = uploadIsToBeginAgain("here", "this worker");

    Poll.until(
        "it waits",
        () ->
            Objects.toString(http.get(job).json().getString("phase"))
                .contains("cannot delete from its directory"));
    assertThat(provided()).containsExactly(left);
    assertThat(http.get("/v1/images").array().getJsonObject(0).getString("external_id")).isNull();
    Files.delete(stuck);
    assertThat(service.ended(job).getString("error")).isNull();
    assertThat(provided()).hasSize(2).doesNotContain(left);
  }

  /** The job whose first attempt was made there and ended just now. */
  private String uploadIsToBeginAgain(String host, String worker) throws Exception {
    long dibImage = service.readyBuild("tiny", new byte[] {1, 2, 3});
    long job =
        aJob()
            .with("uuid", JOB)
            .kind("upload")
            .subject("/v1/images/" + service.image("directory", 1, null))
            .image("tiny-image")
            .provider("directory")
            .dibImage(dibImage)
            .attempts(1)
            .in(service);
    anAttempt(job)
        .host(host.equals("here") ? Installation.hostName() : host)
        .worker(worker.equals("another") ? worker : service.installation())
        .started(now())
        .finished(now())
        .with("error", "It was away.")
        .in(service);
    service.sql("UPDATE api_job SET not_before = NULL");
    return "/v1/jobs/" + job;
  }

  private List<Path> provided() throws Exception {
    try (var files = Files.list(provider())) {
      return files.toList();
    }
  }

  private void use(TestService one) throws Exception {
    service = one;
    http = service.http();
    service.empty();
    Files.createDirectories(provider());
  }

  /** The image's path. */
  private String uploadFailsWhileTheProviderIsAway() throws Exception {
    long dibImage = service.readyBuild("tiny", new byte[] {1, 2, 3});
    Files.deleteIfExists(provider());
    Files.writeString(provider(), "a file is in the way");
    Http.Answer upload = http.post("/v1/dib_images/tiny/upload", "provider_name=directory");
    Poll.until(
        "it waits",
        () -> {
          JsonObject job = http.get(upload.job()).json();
          return job.getString("state").equals("queued")
              && Objects.toString(job.getString("phase")).contains("cannot write");
        });
    http.delete("/v1/dib_images/" + dibImage);
    assertThat(service.ended(upload.job()).getString("state")).isEqualTo("failed");
    return upload.location();
  }

  /** And its leftovers are looked for now. */
  private void theProviderIsBack() throws Exception {
    Files.deleteIfExists(provider());
    service.sql("UPDATE api_job_attempt SET finished = finished - 60");
  }

  private Path provider() {
    return service.dir().resolve("provider");
  }
}
