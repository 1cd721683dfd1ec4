package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Uploads to a directory: what arrives, and what goes wrong. */
@RunsBesideOthers
@Tag("both-databases")
class UploadTest {
  private static final String FORM = "provider_name=directory";

  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
  }

  @Test
  void an_upload_brings_the_whole_file_and_what_is_known_of_it() throws Exception {
    byte[] bytes = bytes(3_000_000);
    long dibImage = service.readyBuild("tiny", bytes);

    Http.Answer created = http.post("/v1/dib_images/tiny/upload", FORM);

    assertThat(created.status()).isEqualTo(201);
    assertThat(service.ended(created.job()).getString("error")).isNull();
    JsonObject image = http.get(created.location()).json();
    assertThat(image.getString("state")).isEqualTo("ready");
    assertThat(image.getString("provider_name")).isEqualTo("directory");
    assertThat(image.getString("image_name")).isEqualTo("tiny-image");
    assertThat(image.getString("hostname"))
        .isEqualTo("tiny-image.template.example.org-" + image.getLong("version"));
    String name = image.getString("external_id");
    assertThat(name)
        .matches(
            image.getString("hostname")
                + "-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\\.qcow2");
    assertThat(provider().resolve(name)).hasBinaryContent(bytes);
    assertThat(provided()).containsExactlyInAnyOrder(name, name + ".json");
    JsonObject sidecar = new JsonObject(Files.readString(provider().resolve(name + ".json")));
    assertThat(sidecar.getString("sha256")).isEqualTo(TestService.sha256(bytes));
    assertThat(sidecar.getLong("size")).isEqualTo(bytes.length);
    assertThat(sidecar.getLong("dib_image_id")).isEqualTo(dibImage);
    assertThat(sidecar.getJsonObject("meta")).isEqualTo(new JsonObject().put("purpose", "test"));
    assertThat(sidecar.getString("database")).isEqualTo(service.databaseId());
    assertThat(sidecar.getString("subject")).isEqualTo(created.location());
    assertThat(name).endsWith("-" + sidecar.getString("attempt") + ".qcow2");
  }

  @Test
  void the_newest_ready_build_is_sent() throws Exception {
    service.readyBuild("tiny", bytes(1000));
    byte[] newest = bytes(2000);
    service.readyBuild("tiny", newest);
    service.dibImage("tiny", 1, null);

    Http.Answer created = http.post("/v1/dib_images/tiny/upload", FORM);

    service.ended(created.job());
    String name = http.get(created.location()).json().getString("external_id");
    assertThat(provider().resolve(name)).hasBinaryContent(newest);
  }

  @Test
  void a_file_that_is_not_what_was_built_never_becomes_ready() throws Exception {
    byte[] bytes = bytes(5000);
    long dibImage = service.readyBuild("tiny", bytes);
    bytes[4711]++;
    Files.write(service.file(dibImage), bytes);

    Http.Answer created = http.post("/v1/dib_images/tiny/upload", FORM);

    assertThat(service.ended(created.job()).getString("error")).contains("SHA-256");
    assertThat(http.get(created.location()).json().getString("state")).isEqualTo("failed");
    assertThat(http.get(created.location()).json().getString("external_id")).isNull();
    assertThat(provided()).isEmpty();
  }

  @Test
  void a_truncated_file_is_refused_with_both_sizes() throws Exception {
    byte[] bytes = bytes(5000);
    long dibImage = service.readyBuild("tiny", bytes);
    Files.write(service.file(dibImage), bytes(4000));

    Http.Answer created = http.post("/v1/dib_images/tiny/upload", FORM);

    assertThat(service.ended(created.job()).getString("error")).contains("4000").contains("5000");
    assertThat(provided()).isEmpty();
  }

  @Test
  void a_file_that_is_gone_is_named() throws Exception {
    long dibImage = service.readyBuild("tiny", bytes(10));
    Files.delete(service.file(dibImage));

    Http.Answer created = http.post("/v1/dib_images/tiny/upload", FORM);

    assertThat(service.ended(created.job()).getString("error"))
        .contains("is gone")
        .contains(service.file(dibImage).getFileName().toString());
  }

  @Test
  void deleting_an_image_while_it_is_sent_ends_the_upload_and_leaves_nothing() throws Exception {
    long dibImage = service.readyBuild("tiny", bytes(10));
    grow(dibImage, 4L << 30);
    Http.Answer created = http.post("/v1/dib_images/tiny/upload", FORM);
    Poll.until("the upload has begun", () -> parts() == 1);

    Http.Answer deleted = http.delete(created.location());

    assertThat(deleted.status()).isEqualTo(204);
    service.awaitGone(created.location());
    assertThat(service.ended(created.job()).getString("state")).isEqualTo("cancelled");
    assertThat(provided()).isEmpty();
  }

  @Test
  void a_dib_image_that_is_being_sent_is_deleted_when_that_has_ended_and_what_waits_fails()
      throws Exception {
    long dibImage = service.readyBuild("tiny", bytes(10));
    grow(dibImage, 400L << 20);
    List<Http.Answer> uploads =
        Stream.generate(() -> http.post("/v1/dib_images/tiny/upload", FORM)).limit(6).toList();
    // one that has been claimed and has not begun to send finds the build gone, and fails as well
    Poll.until("four are sent", () -> parts() == 4);

    Http.Answer deleted = http.delete("/v1/dib_images/" + dibImage);

    assertThat(deleted.status()).isEqualTo(204);
    service.awaitGone("/v1/dib_images/" + dibImage);
    assertThat(uploads.subList(0, 4))
        .extracting(upload -> service.ended(upload.job()).getString("error"))
        .containsOnlyNulls();
    assertThat(uploads.subList(4, 6))
        .allMatch(
            upload ->
                service.ended(upload.job()).getString("error").contains("was deleted before it"));
    assertThat(uploads.subList(4, 6))
        .allMatch(u -> http.get(u.location()).json().getString("state").equals("failed"));
    assertThat(service.file(dibImage)).doesNotExist();
  }

  @Test
  void an_update_builds_and_uploads_and_a_second_one_joins_the_build() throws Exception {
    Http.Answer first = http.post("/v1/images/tiny-image/update", FORM);
    Http.Answer second = http.post("/v1/images/tiny-image/update", FORM);

    assertThat(first.status()).isEqualTo(201);
    assertThat(second.status()).isEqualTo(201);
    assertThat(second.location()).isNotEqualTo(first.location());
    assertThat(http.get(first.job()).json().getString("phase")).contains("waits for /v1/jobs/");
    assertThat(service.ended(first.job()).getString("state")).isEqualTo("succeeded");
    assertThat(service.ended(second.job()).getString("state")).isEqualTo("succeeded");
    assertThat(http.get("/v1/dib_images").array()).hasSize(1);
    assertThat(http.get(first.location()).json().getString("state")).isEqualTo("ready");
    assertThat(provided()).hasSize(4);
  }

  @Test
  void an_update_whose_build_fails_says_why_the_build_failed() {
    Http.Answer created = http.post("/v1/images/fails/update", FORM);

    assertThat(service.ended(created.job()).getString("error"))
        .contains("The build (/v1/jobs/")
        .contains("exit status 42");
    assertThat(http.get(created.location()).json().getString("state")).isEqualTo("failed");
  }

  @Test
  void an_update_whose_build_is_deleted_fails() throws Exception {
    Http.Answer created = http.post("/v1/images/slow/update", FORM);
    String dibImage =
        "/v1/dib_images/" + http.get("/v1/dib_images").array().getJsonObject(0).getLong("id");

    http.delete(dibImage);

    assertThat(service.ended(created.job()).getString("state")).isEqualTo("failed");
    assertThat(service.ended(created.job()).getString("error")).contains("deleted");
    service.awaitGone(dibImage);
    assertThat(Leftovers.below(service.dir())).isEmpty();
  }

  @Test
  void an_upload_waits_for_a_provider_whose_directory_cannot_be_written_and_then_goes_on()
      throws Exception {
    service.readyBuild("tiny", bytes(10));
    Files.deleteIfExists(provider());
    Files.writeString(provider(), "a file is in the way");
    try {
      Http.Answer created = http.post("/v1/dib_images/tiny/upload", FORM);

      Poll.until(
          "it waits",
          () -> {
            JsonObject job = http.get(created.job()).json();
            return job.getString("state").equals("queued")
                && String.valueOf(job.getString("phase"))
                    .contains("Provider directory cannot write to its directory");
          });
      assertThat(http.get(created.location()).json().getString("state")).isEqualTo("building");
      Files.delete(provider());

      assertThat(service.ended(created.job()).getString("state")).isEqualTo("succeeded");
      assertThat(http.get(created.job()).json().getInteger("attempts")).isGreaterThan(1);
      assertThat(provided()).hasSize(2);
    } finally {
      if (Files.isRegularFile(provider())) {
        Files.delete(provider());
      }
    }
  }

  private Path provider() {
    return service.dir().resolve("provider");
  }

  /** How many copies are being written. */
  private long parts() throws IOException {
    return provided().stream().filter(name -> name.endsWith(".qcow2.part")).count();
  }

  private List<String> provided() throws IOException {
    if (!Files.isDirectory(provider())) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(provider())) {
      return files.map(file -> file.getFileName().toString()).toList();
    }
  }

  /** Makes the file of a ready build that long, by a hole. */
  private void grow(long dibImage, long size) throws Exception {
    try (var channel =
        java.nio.channels.FileChannel.open(
            service.file(dibImage), java.nio.file.StandardOpenOption.WRITE)) {
      channel.truncate(0);
      channel.write(java.nio.ByteBuffer.wrap(new byte[1]), size - 1);
    }
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    byte[] zeros = new byte[1 << 20];
    if (size < 1L << 30) {
      for (long left = size; left > 0; left -= zeros.length) {
        digest.update(zeros, 0, (int) Math.min(left, zeros.length));
      }
    }
    service.sql(
        "UPDATE api_dib_file SET size = ?, sha256 = ? WHERE dib_image_id = ?",
        size,
        HexFormat.of().formatHex(digest.digest()),
        dibImage);
  }

  private static byte[] bytes(int length) {
    byte[] bytes = new byte[length];
    new Random(length).nextBytes(bytes);
    return bytes;
  }
}
