package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Builds by the real disk-image-create, as a client of the API sees them. */
@RunsBesideOthers
class BuildTest {
  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
  }

  @Test
  void a_build_becomes_ready_with_every_format_that_its_providers_ask_for() throws Exception {
    Http.Answer created = http.post("/v1/dib_images/tiny/build");

    assertThat(created.status()).isEqualTo(201);
    assertThat(created.body()).isEmpty();
    JsonObject building = http.get(created.location()).json();
    assertThat(building.getString("state")).isEqualTo("building");
    assertThat(building.getString("filename"))
        .isEqualTo(
            "%s/images/tiny-%d-%d"
                .formatted(service.dir(), building.getLong("version"), building.getLong("id")));
    JsonObject job = service.ended(created.job());
    assertThat(job.getString("error")).isNull();
    assertThat(job.getString("state")).isEqualTo("succeeded");
    assertThat(job.getDouble("progress")).isEqualTo(1.0);
    assertThat(http.get(created.location()).json().getString("state")).isEqualTo("ready");
    String filename = building.getString("filename");
    assertThat(Path.of(filename + ".qcow2")).isNotEmptyFile();
    assertThat(Path.of(filename + ".raw")).isNotEmptyFile();
    assertThat(run("qemu-img", "check", filename + ".qcow2")).contains("No errors");
    assertThat(service.sql("SELECT type FROM api_dib_file ORDER BY type"))
        .extracting(row -> row.getString("type"))
        .containsExactly("qcow2", "raw");
    assertThat(service.sql("SELECT sha256 FROM api_dib_file WHERE type = 'qcow2'"))
        .extracting(row -> row.getString("sha256"))
        .containsExactly(run("sha256sum", filename + ".qcow2").split(" ")[0]);
    assertThat(run("sha256sum", "-c", filename + ".qcow2.sha256")).contains("OK");
    assertThat(run("md5sum", "-c", filename + ".raw.md5")).contains("OK");
    assertNothingIsLeft();
  }

  @Test
  void the_command_is_that_of_nodepool_and_the_variables_are_the_documented_ones() {
    Http.Answer created = http.post("/v1/dib_images/tells/build");

    service.ended(created.job());

    String filename = http.get(created.location()).json().getString("filename");
    assertThat(http.get(created.job() + "/log").body().replaceAll("(?m)^.{23} \\| ", ""))
        .contains(
            "disk-image-create -x -t qcow2 --checksum --no-tmpfs"
                + " --qemu-img-options compat=0.10 -o "
                + service.dir().resolve("images/.nodepool-"))
        .contains("/" + Path.of(filename).getFileName() + " tiny-os tells\n")
        .contains("\nDIB_IMAGE_NAME=tells\n")
        .contains("\nDIB_IMAGE_FILENAME=" + filename + "\n")
        .contains("\nELEMENTS_PATH=")
        .contains("\nNODEPOOL_SCRIPTDIR=" + service.dir().resolve("scripts") + "\n")
        .contains("\nSLOW_SECS=120\n")
        .doesNotContain("MAVEN_", "surefire", "NODEPOOL_API_PASSWORD");
  }

  @Test
  void a_secret_of_the_env_vars_is_masked_in_the_log_and_in_the_error() {
    Http.Answer created = http.post("/v1/dib_images/tells/build");

    JsonObject job = service.ended(created.job());

    assertThat(job.getString("error")).endsWith("the password is ***, I tell you");
    assertThat(http.get(created.job() + "/log").body())
        .contains("REGISTRY_PASSWORD=***")
        .doesNotContain("correct horse battery");
  }

  @Test
  void a_failed_build_says_the_exit_status_and_the_last_telling_line() throws Exception {
    Http.Answer created = http.post("/v1/dib_images/fails/build");

    JsonObject job = service.ended(created.job());

    assertThat(job.getString("state")).isEqualTo("failed");
    assertThat(job.getString("error"))
        .isEqualTo(
            "disk-image-create ended with exit status 42 in phase install: fails: about to fail");
    assertThat(http.get(created.location()).json().getString("state")).isEqualTo("failed");
    assertNoFilesOf(created.location());
    assertNothingIsLeft();
  }

  @Test
  void a_build_that_fails_with_its_image_mounted_leaves_nothing() throws Exception {
    Http.Answer created = http.post("/v1/dib_images/fails-final/build");

    JsonObject job = service.ended(created.job());

    assertThat(job.getString("error"))
        .contains("exit status 42 in phase finalise: fails: about to fail");
    assertNoFilesOf(created.location());
    assertNothingIsLeft();
  }

  @Test
  void an_unknown_element_is_named() {
    Http.Answer created = http.post("/v1/dib_images/no-such-element/build");

    assertThat(service.ended(created.job()).getString("error"))
        .contains("exit status 1")
        .contains("Element 'no-such-element' not found");
  }

  @ParameterizedTest
  @ValueSource(strings = {"slow-root", "slow-install", "slow-finalise"})
  void deleting_a_dib_image_while_it_builds_stops_the_build_and_leaves_nothing(String diskImage)
      throws Exception {
    Http.Answer created = http.post("/v1/dib_images/" + diskImage + "/build");
    awaitLog(created.job(), diskImage + " sleeping");

    Http.Answer deleted = http.delete(created.location());

    assertThat(deleted.status()).isEqualTo(204);
    assertThat(http.get(created.location()).json().getString("state")).isEqualTo("delete");
    service.awaitGone(created.location());
    assertThat(service.ended(created.job()).getString("state")).isEqualTo("cancelled");
    assertThat(service.ended(created.job()).getString("error")).isNull();
    assertThat(service.ended(deleted.job()).getString("state")).isEqualTo("succeeded");
    assertThat(http.get(created.job() + "/log").status()).isEqualTo(410);
    assertThat(images()).isEmpty();
    assertNothingIsLeft();
  }

  @Test
  void a_second_build_joins_the_first_and_after_its_deletion_begins_a_new_one() throws Exception {
    Http.Answer first = http.post("/v1/dib_images/slow-install/build");
    Http.Answer second = http.post("/v1/dib_images/slow-install/build");

    assertThat(second.status()).isEqualTo(200);
    assertThat(second.body()).isEmpty();
    assertThat(second.location()).isEqualTo(first.location());
    assertThat(second.job()).isEqualTo(first.job());

    http.delete(first.location());
    Http.Answer third = http.post("/v1/dib_images/slow-install/build");
    assertThat(third.status()).isEqualTo(201);
    assertThat(third.location()).isNotEqualTo(first.location());
    http.delete(third.location());
    service.awaitGone(first.location());
    service.awaitGone(third.location());
    assertNothingIsLeft();
  }

  @Test
  void of_many_builds_asked_for_at_once_the_database_lets_one_be() {
    List<Http.Answer> answers =
        Stream.generate(() -> "/v1/dib_images/slow-install/build")
            .limit(12)
            .parallel()
            .map(http::post)
            .toList();

    assertThat(answers)
        .extracting(Http.Answer::status)
        .containsOnlyOnce(201)
        .containsOnly(201, 200);
    assertThat(answers)
        .extracting(Http.Answer::location)
        .hasSize(12)
        .containsOnly(answers.get(0).location());
    assertThat(http.get("/v1/dib_images").array()).hasSize(1);
    http.delete(answers.get(0).location());
    service.awaitGone(answers.get(0).location());
  }

  @Test
  void a_build_takes_no_longer_than_its_limit_though_it_prints_nothing() throws Exception {
    TestService hasty =
        TestService.start(
            Scratch.dir("test-hasty"), "jobs: {build_timeout: PT6S, log_dir: var/log/jobs}");
    try {
      Http.Answer created = hasty.http().post("/v1/dib_images/slow-root/build");

      JsonObject job = hasty.ended(created.job());

      assertThat(job.getString("state")).isEqualTo("failed");
      assertThat(job.getString("error")).isEqualTo("It timed out after PT6S (jobs.build_timeout).");
      assertThat(job.getLong("finished") - job.getLong("started")).isBetween(5L, 15L);
      assertThat(Leftovers.below(hasty.dir())).isEmpty();
    } finally {
      hasty.stop();
    }
  }

  @Test
  void a_failed_row_is_removed_where_the_configuration_says_so_and_the_job_keeps_the_reason()
      throws Exception {
    TestService removing =
        TestService.start(
            Scratch.dir("test-removing"), "database: {failed_rows: remove, data_dir: var/db}");
    try {
      Http.Answer created = removing.http().post("/v1/dib_images/no-such-element/build");

      JsonObject job = removing.ended(created.job());

      assertThat(job.getString("error")).contains("Element 'no-such-element' not found");
      assertThat(removing.http().get(created.location()).status()).isEqualTo(404);
    } finally {
      removing.stop();
    }
  }

  @Test
  void an_images_dir_in_which_nothing_can_be_made_is_named_and_nothing_is_left_of_the_try()
      throws Exception {
    Path images = Files.createDirectories(service.dir().resolve("images"));
    run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", images.toString());
    try {
      Http.Answer created = http.post("/v1/dib_images/tiny/build");

      JsonObject job = service.ended(created.job());
      assertThat(job.getString("state")).isEqualTo("failed");
      assertThat(job.getString("error"))
          .startsWith("The build is refused: images-dir (" + images + ", in nodepool.yaml)")
          .contains("cannot be written");
    } finally {
      run("umount", images.toString());
    }
    assertNothingIsLeft();
  }

  @Test
  void a_path_that_diskimage_builder_cannot_work_with_is_refused_with_the_setting_that_names_it()
      throws Exception {
    TestService spaced = TestService.start(Scratch.dir("test with blanks"), "");
    try {
      Http.Answer created = spaced.http().post("/v1/dib_images/tiny/build");

      assertThat(spaced.ended(created.job()).getString("error"))
          .contains("The build is refused")
          .contains("images-dir");
    } finally {
      spaced.stop();
    }
  }

  @Test
  void the_phases_of_a_build_are_seen_while_it_runs() {
    Http.Answer created = http.post("/v1/dib_images/slow-install/build");

    Poll.until(
        "phase install", () -> "install".equals(http.get(created.job()).json().getString("phase")));

    JsonObject job = http.get(created.job()).json();
    assertThat(job.getString("state")).isEqualTo("running");
    assertThat(job.getDouble("progress")).isBetween(0.1, 0.9);
    http.delete(created.location());
    service.awaitGone(created.location());
  }

  private void awaitLog(String job, String text) {
    Poll.until(
        text,
        () -> {
          Http.Answer log = http.get(job + "/log");
          return log.status() == 200 && log.body().contains(text);
        });
  }

  private void assertNoFilesOf(String dibImage) throws IOException {
    String name = Path.of(http.get(dibImage).json().getString("filename")).getFileName().toString();
    assertThat(images()).noneMatch(file -> file.startsWith(name));
  }

  private List<String> images() throws IOException {
    try (Stream<Path> files = Files.list(service.dir().resolve("images"))) {
      return files.map(file -> file.getFileName().toString()).toList();
    }
  }

  private void assertNothingIsLeft() throws IOException {
    assertThat(Leftovers.below(service.dir())).isEmpty();
    assertThat(service.dir().resolve("var/builds")).isEmptyDirectory();
  }

  private static String run(String... command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes());
    assertThat(process.waitFor()).as(said).isZero();
    return said;
  }
}
