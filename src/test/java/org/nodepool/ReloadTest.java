package org.nodepool;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.nodepool.api.BareApi;

/** A nodepool.yaml that changes while the service runs. */
@RunsBesideOthers
@ExtendWith(VertxExtension.class)
class ReloadTest {
  private static final Path DIR = Scratch.dir("test-service-reload");
  private static final Path FILE = DIR.resolve("nodepool.yaml");

  /** What the contract says, and a little for a busy machine. */
  private static final Duration LIMIT = Duration.ofSeconds(12);

  private TestService service;
  private String before;

  @BeforeEach
  void start() throws Exception {
    service = TestService.start(DIR, "");
    service.empty();
    before = Files.readString(FILE);
  }

  @AfterEach
  void stop() {
    service.stop();
  }

  @Test
  void a_write_sees_what_was_changed_just_before_it() throws IOException {
    for (int i = 0; i < 5; i++) {
      String name = "added-" + i;
      assertThat(build(name).status()).isEqualTo(404);
      Files.writeString(FILE, withDiskImage(name));

      assertThat(build(name).status()).isEqualTo(201);

      Files.writeString(FILE, before);
      assertThat(build(name).status()).isEqualTo(404);
    }
  }

  @Test
  void a_file_that_is_put_in_its_place_is_seen_too() throws IOException {
    Path next = Files.writeString(DIR.resolve("next.yaml"), withDiskImage("renamed"));
    Files.move(next, FILE, StandardCopyOption.ATOMIC_MOVE);

    assertThat(build("renamed").status()).isEqualTo(201);
  }

  @Test
  void a_change_is_in_force_within_ten_seconds_without_any_write() throws IOException {
    Files.writeString(FILE, "providers: {");
    awaitReadyz("nodepool.yaml: line ");

    Files.writeString(FILE, before);
    awaitReadyz("\"warnings\":[]");
  }

  @Test
  void a_broken_file_leaves_the_last_good_one_in_force_and_the_service_ready() throws IOException {
    Files.writeString(FILE, withDiskImage("good"));
    assertThat(build("good").status()).isEqualTo(201);

    Files.writeString(FILE, "diskimages: 5\nimages-dir: [secret-77742]\n");

    assertThat(build("good").status()).isIn(200, 201);
    Http.Answer ready = service.http().get("/readyz");
    assertThat(ready.status()).isEqualTo(200);
    assertThat(ready.body())
        .contains("nodepool.yaml: ", "stays in force")
        .doesNotContain("77742", DIR.toString());

    Files.delete(FILE);
    assertThat(build("good").status()).isIn(200, 201);
    assertThat(service.http().get("/readyz").body())
        .contains("nodepool.yaml: no such file; the configuration of ")
        .doesNotContain(DIR.toString());

    Files.writeString(FILE, before);
    assertThat(build("good").status()).isEqualTo(404);
    assertThat(service.http().get("/readyz").body()).contains("\"warnings\":[]");
  }

  @Test
  void a_file_that_is_half_written_is_not_taken() throws IOException {
    try (var writer = Files.newOutputStream(FILE)) {
      writer.write("providers: []\n".getBytes(UTF_8)); // as it stands, right
      writer.flush();

      assertThat(build("fails").status()).isEqualTo(201);
      assertThat(service.http().get("/readyz").body()).contains("is still being written");

      writer.write(withDiskImage("whole").getBytes(UTF_8));
    }
    assertThat(build("whole").status()).isEqualTo(201);
  }

  @Test
  void a_write_does_not_wait_for_ever_for_a_file_that_cannot_be_read(Vertx vertx) {
    try (BareApi api = new BareApi(vertx, () -> Promise.<Void>promise().future())) {
      Http.Answer answer =
          new Http(api.port(), BareApi.USER, BareApi.PASSWORD).post("/v1/dib_images/tiny/build");

      assertThat(answer.status()).isEqualTo(503);
      assertThat(answer.body()).contains("nodepool.yaml cannot be read in time. Try again.");
    }
  }

  private Http.Answer build(String name) {
    return service.http().post("/v1/dib_images/" + name + "/build");
  }

  private String withDiskImage(String name) {
    return before.replace(
        "diskimages:", "diskimages:\n  - name: " + name + "\n    elements: [fails]");
  }

  private void awaitReadyz(String text) {
    Poll.within(
        LIMIT, "/readyz says " + text, () -> service.http().get("/readyz").body().contains(text));
  }
}
