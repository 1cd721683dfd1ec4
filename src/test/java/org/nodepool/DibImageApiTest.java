package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aDibFile;
import static org.nodepool.Rows.aDibImage;
import static org.nodepool.Rows.aJob;

import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code /v1/dib_images}, without real builds. */
@Tag("sql")
class DibImageApiTest {
  private static final String CONTENT = "a small image";

  private final TestService service = TestService.shared();
  private final Http http = service.http();
  private final Path images = service.dir().resolve("images");

  @BeforeEach
  void empty() throws IOException {
    service.empty();
    Files.createDirectories(images);
  }

  // ---- reading

  @Test
  void a_dib_image_is_shown_with_every_key_in_order() {
    long full = service.dibImage("bärbel", 2, "/images/bärbel-1-1");
    long nulls = aDibImage().image("").without("version", "state", "state_time").in(service);

    String first =
        """
        {"id":%d,"image_name":"","filename":null,"version":null,"state":null,"state_time":null}"""
            .formatted(nulls);
    String second =
        """
        {"id":%d,"image_name":"bärbel","filename":"/images/bärbel-1-1","version":1416832000,\
        "state":"ready","state_time":1416832000}"""
            .formatted(full);
    assertThat(http.get("/v1/dib_images/" + nulls).body()).isEqualTo(first);
    assertThat(http.get("/v1/dib_images/" + full).body()).isEqualTo(second);
    assertThat(http.anonymous().get("/v1/dib_images").body())
        .isEqualTo("[" + first + "," + second + "]");
    assertThat(http.get("/v1/dib_images").header("Content-Type")).isEqualTo("application/json");
  }

  @Test
  void an_unknown_state_is_shown_as_its_code() {
    long odd = service.dibImage("tiny", -7, null);
    assertThat(http.get("/v1/dib_images/" + odd).json().getString("state")).isEqualTo("-7");
  }

  @Test
  void the_list_is_in_order_of_name_and_id_by_code_point() {
    List<String> names = List.of("B", "a", "a ", "aa", "b", "ä", "\uFFFD", "\uD83D\uDE00");
    List<Long> expected = new ArrayList<>();
    for (int i = names.size() - 1; i >= 0; i--) {
      long first = service.dibImage(names.get(i), 2, null);
      expected.addAll(0, List.of(first, service.dibImage(names.get(i), 2, null)));
    }

    List<Long> shown = new ArrayList<>();
    http.get("/v1/dib_images").array().forEach(row -> shown.add(((JsonObject) row).getLong("id")));
    assertThat(shown).isEqualTo(expected);
  }

  // ---- build

  @ParameterizedTest
  @ValueSource(
      strings = {
        "nope",
        "TINY",
        "tiny%20",
        "%20tiny",
        "t%C3%AFny",
        "tiny-image",
        "1",
        "0",
        "..%2Ftiny",
        "tiny%2F..%2Ftiny",
        "%2F",
        "tiny%0A",
        "tiny%00",
        "%F0%9F%98%80",
        "%22",
        "tiny;",
        "tiny,fails",
        "$(reboot)",
        "-x",
        "*"
      })
  void what_is_no_diskimage_is_neither_built_nor_uploaded(String name) throws IOException {
    service.dibImage("nope", 2, null);
    List<String> before = Tables.rows(service);
    byte[] body = "{\"provider_name\":\"directory\"}".getBytes();
    String login = Http.basic("admin:" + TestService.PASSWORD);
    for (String path :
        List.of(
            "/v1/dib_images/" + name + "/build",
            "/v1/dib_images/" + name.repeat(100) + "/build",
            "/v1/dib_images/" + name + "/upload")) {
      try (Wire wire = new Wire(http.port())) {
        Http.Answer answer =
            wire.ask(
                "POST", path, body, "Content-Type", "application/json", "Authorization", login);
        assertThat(answer.status()).as(answer.toString()).isEqualTo(404);
        Problems.check(answer, path);
      }
    }
    assertThat(Tables.rows(service)).isEqualTo(before);
  }

  @Test
  void a_build_makes_a_row_and_a_job_and_when_it_fails_both_say_so() {
    // neither an ended build is joined nor one that is to be cancelled
    long ended = waitingBuild("no-such-element", service.dibImage("no-such-element", 7, null));
    service.sql("UPDATE api_job SET state = 'failed', finished = 1 WHERE id = ?", ended);
    long cancelled = waitingBuild("no-such-element", service.dibImage("no-such-element", 1, null));
    service.sql("UPDATE api_job SET cancel_requested = 1 WHERE id = ?", cancelled);

    Http.Answer answer = http.post("/v1/dib_images/no-such-element/build");

    assertThat(answer.status()).isEqualTo(201);
    assertThat(answer.body()).isEmpty();
    assertThat(answer.header("Content-Length")).isEqualTo("0");
    assertThat(answer.location()).matches("/v1/dib_images/[0-9]+");
    assertThat(answer.header("Link")).matches("</v1/jobs/[0-9]+>; rel=\"monitor\"");
    JsonObject image = http.get(answer.location()).json();
    assertThat(image.getString("image_name")).isEqualTo("no-such-element");
    assertThat(image.getString("filename"))
        .isEqualTo(
            "%s/no-such-element-%d-%d"
                .formatted(images, image.getLong("version"), image.getLong("id")));
    JsonObject job = service.ended(answer.job());
    assertThat(job.getString("kind")).isEqualTo("build");
    assertThat(job.getString("subject")).isEqualTo(answer.location());
    assertThat(job.getString("image_name")).isEqualTo("no-such-element");
    assertThat(job.getString("state")).isEqualTo("failed");
    assertThat(job.getString("error")).isNotBlank();
    assertThat(http.get(answer.location()).json().getString("state")).isEqualTo("failed");
  }

  @Test
  void a_build_joins_the_one_under_way() {
    long image = service.dibImage("tiny", 1, null);
    long job = waitingBuild("tiny", image);
    List<String> before = Tables.rows(service);

    Http.Answer joined = http.post("/v1/dib_images/tiny/build");

    assertThat(joined.status()).isEqualTo(200);
    assertThat(joined.body()).isEmpty();
    assertThat(joined.location()).isEqualTo("/v1/dib_images/" + image);
    assertThat(joined.job()).isEqualTo("/v1/jobs/" + job);
    assertThat(Tables.rows(service)).isEqualTo(before);
  }

  // ---- upload

  @ParameterizedTest
  @CsvSource({
    "nope,     '',                                           400, field-missing",
    "tiny,     image_name=first,                             400, field-missing",
    "nope,     provider_name=nope,                           404, not-found",
    "tiny,     provider_name=Directory,                      404, not-found",
    "tiny,     provider_name=directory%20,                   404, not-found",
    "nope,     provider_name=directory,                      404, not-found",
    "unlisted, provider_name=directory,                      404, not-found",
    "fails,    provider_name=raw-directory,                  404, not-found",
    "tiny,     provider_name=raw-directory,                  409, conflict",
    "tiny,     provider_name=raw-directory&image_name=nope,  404, not-found",
    "tiny,     provider_name=raw-directory&image_name=,      404, not-found",
    "tiny,     provider_name=raw-directory&image_name=First, 404, not-found",
    "tiny,     provider_name=directory&image_name=fails,     404, not-found",
    "tiny,     provider_name=raw-directory&image_name=first, 409, conflict",
    "tiny,     provider_name=directory,                      409, conflict",
    "tiny,     provider_name=cloud,                          409, conflict",
    "1,        provider_name=directory,                      404, not-found"
  })
  void an_upload_is_checked_in_order(String name, String form, int status, String slug) {
    Http.Answer answer = http.post("/v1/dib_images/" + name + "/upload", form);

    assertThat(answer.status()).as(answer.body()).isEqualTo(status);
    Problems.check(answer, "/v1/dib_images/" + name + "/upload");
    assertThat(answer.slug()).isEqualTo(slug);
    assertThat(Tables.rows(service)).isEmpty();
  }

  @Test
  void which_of_several_images_is_meant_must_be_said_before_a_build_is_looked_for() {
    String several =
        http.post("/v1/dib_images/tiny/upload", "provider_name=raw-directory")
            .json()
            .getString("detail");
    assertThat(several).contains("image_name", "first, second");
    String noBuild =
        http.post("/v1/dib_images/tiny/upload", "provider_name=raw-directory&image_name=first")
            .json()
            .getString("detail");
    assertThat(noBuild).contains("raw", "POST /v1/dib_images/tiny/build");
  }

  @Test
  void only_a_ready_build_of_the_very_name_in_the_very_format_is_uploaded() throws IOException {
    for (String name : List.of("TINY", "Tiny", "tiny ", "tiny  ", "tïny", "tinÿ", "fails")) {
      readyBuild(name, 2, "qcow2");
    }
    readyBuild("tiny", 2, "raw");
    readyBuild("tiny", 2, "QCOW2");
    for (Integer state : new Integer[] {null, 0, 1, 3, 4, 5, 6, 7, 8}) {
      readyBuild("tiny", state, "qcow2");
    }
    service.dibImage("tiny", 2, images.resolve("tiny-by-somebody-else").toString());
    List<String> before = Tables.rows(service);

    Http.Answer answer = http.post("/v1/dib_images/tiny/upload", "provider_name=directory");

    assertThat(answer.status()).isEqualTo(409);
    assertThat(answer.slug()).isEqualTo("conflict");
    assertThat(Tables.rows(service)).isEqualTo(before);
  }

  @Test
  void the_newest_ready_build_is_uploaded() throws IOException {
    readyBuild("tiny", 2, "qcow2");
    long newest = readyBuild("tiny", 2, "qcow2");
    service.sql("UPDATE dib_image SET version = 1416832001 WHERE id = ?", newest);
    readyBuild("tiny", 2, "qcow2");
    readyBuild("TINY", 2, "qcow2");

    Http.Answer answer = http.post("/v1/dib_images/tiny/upload", "provider_name=directory");

    assertThat(answer.status()).isEqualTo(201);
    assertThat(answer.body()).isEmpty();
    assertThat(answer.location()).matches("/v1/images/[0-9]+");
    JsonObject job = service.ended(answer.job());
    assertThat(job.getString("error")).isNull();
    assertThat(job.getString("state")).isEqualTo("succeeded");
    assertThat(job.getString("kind")).isEqualTo("upload");
    assertThat(job.getString("subject")).isEqualTo(answer.location());
    JsonObject image = http.get(answer.location()).json();
    assertThat(image.getString("state")).isEqualTo("ready");
    assertThat(image.getString("image_name")).isEqualTo("tiny-image");
    Path file = service.dir().resolve("provider").resolve(image.getString("external_id"));
    assertThat(file).hasContent(CONTENT);
    JsonObject sidecar = new JsonObject(Files.readString(Path.of(file + ".json")));
    assertThat(sidecar.getLong("dib_image_id")).isEqualTo(newest);
  }

  @Test
  void image_name_says_which_of_several_it_is_to_be() throws IOException {
    readyBuild("tiny", 2, "raw");

    Http.Answer answer =
        http.post("/v1/dib_images/tiny/upload", "provider_name=raw-directory&image_name=second");

    assertThat(answer.status()).isEqualTo(201);
    assertThat(service.ended(answer.job()).getString("state")).isEqualTo("succeeded");
    assertThat(http.get(answer.location()).json().getString("image_name")).isEqualTo("second");
  }

  @Test
  void an_upload_of_what_no_cloud_takes_fails_with_the_reason() throws IOException {
    readyBuild("tiny", 2, "qcow2");

    Http.Answer answer = http.post("/v1/dib_images/tiny/upload", "provider_name=cloud");

    assertThat(answer.status()).isEqualTo(201);
    JsonObject job = service.ended(answer.job());
    assertThat(job.getString("state")).isEqualTo("failed");
    assertThat(job.getString("error")).contains("qcow2").endsWith(".");
    JsonObject image = http.get(answer.location()).json();
    assertThat(image.getString("state")).isEqualTo("failed");
    assertThat(image.getValue("external_id")).isNull();
  }

  @Test
  void an_upload_of_a_file_that_is_gone_or_was_changed_fails_and_leaves_nothing()
      throws IOException {
    long gone = readyBuild("tiny", 2, "qcow2");
    Files.delete(images.resolve("tiny-1416832000-" + gone + ".qcow2"));
    Http.Answer first = http.post("/v1/dib_images/tiny/upload", "provider_name=directory");
    assertThat(service.ended(first.job()).getString("state")).isEqualTo("failed");

    long changed = readyBuild("tiny", 2, "qcow2");
    Files.writeString(
        images.resolve("tiny-1416832000-" + changed + ".qcow2"), CONTENT.toUpperCase());
    Http.Answer second = http.post("/v1/dib_images/tiny/upload", "provider_name=directory");
    JsonObject job = service.ended(second.job());
    assertThat(job.getString("state")).isEqualTo("failed");
    assertThat(job.getString("error")).contains("SHA-256");

    for (Http.Answer answer : List.of(first, second)) {
      JsonObject image = http.get(answer.location()).json();
      assertThat(image.getString("state")).isEqualTo("failed");
      assertThat(image.getValue("external_id")).isNull();
    }
    assertThat(Files.createDirectories(service.dir().resolve("provider"))).isEmptyDirectory();
  }

  // ---- delete

  @Test
  void a_deleted_dib_image_is_gone_with_every_file_and_its_neighbours_are_not() throws IOException {
    long image = readyBuild("tiny", 2, "qcow2");
    String name = "tiny-1416832000-" + image;
    List<Path> files = new ArrayList<>();
    for (String end :
        List.of("", ".raw", ".vhd", ".qcow2.md5", ".qcow2.sha256", ".md5", ".sha256", ".part")) {
      files.add(Files.writeString(images.resolve(name + end), "x"));
    }
    files.add(images.resolve(name + ".qcow2"));
    Path manifests = Files.createDirectories(images.resolve(name + ".d/deep"));
    files.add(Files.writeString(manifests.resolve("dib-manifest"), "x"));
    files.add(images.resolve(name + ".d"));
    List<Path> neighbours = new ArrayList<>();
    for (String other :
        List.of(name + "0.qcow2", name + "-x", name + ".x-1-2.qcow2", "x" + name, "tiny.d")) {
      neighbours.add(Files.writeString(images.resolve(other), "x"));
    }
    Path target = Files.writeString(service.dir().resolve("outside"), "x");
    files.add(Files.createSymbolicLink(images.resolve(name + ".link"), target));

    Http.Answer answer = http.delete("/v1/dib_images/" + image);

    assertThat(answer.status()).isEqualTo(204);
    assertThat(answer.body()).isEmpty();
    JsonObject job = service.ended(answer.job());
    assertThat(job.getString("error")).isNull();
    assertThat(job.getString("state")).isEqualTo("succeeded");
    assertThat(job.getString("kind")).isEqualTo("delete-dib-image");
    assertThat(job.getString("subject")).isEqualTo("/v1/dib_images/" + image);
    assertThat(http.get("/v1/dib_images/" + image).status()).isEqualTo(404);
    assertThat(http.delete("/v1/dib_images/" + image).slug()).isEqualTo("not-found");
    assertThat(files).allSatisfy(file -> assertThat(file).doesNotExist());
    assertThat(neighbours).allSatisfy(file -> assertThat(file).exists());
    assertThat(target).exists();
    assertThat(service.sql("SELECT type FROM api_dib_file").size()).isZero();
  }

  @Test
  void a_dib_image_without_files_or_filename_is_deleted() {
    long noFilename = service.dibImage("tiny", 7, null);
    long noFiles = service.dibImage("tiny", 2, images.resolve("tiny-1-1").toString());
    long noState = service.dibImage("unknown", null, null);
    for (long image : new long[] {noFilename, noFiles, noState}) {
      Http.Answer answer = http.delete("/v1/dib_images/" + image);
      assertThat(answer.status()).isEqualTo(204);
      assertThat(service.ended(answer.job()).getString("state")).isEqualTo("succeeded");
    }
    assertThat(http.get("/v1/dib_images").body()).isEqualTo("[]");
  }

  /** Every path is below a directory of this test's own: it would cost no more if it failed. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{box}/outside",
        "{images}/../box/outside",
        "{images}/../box",
        "{box}/sub/..",
        "{box}",
        "{images}/sub/outside",
        "{images}/sub/../../box/outside",
        "{images}2/outside"
      })
  void a_file_that_is_not_in_images_dir_is_never_removed(String filename) throws IOException {
    Path box = service.dir().resolve("box");
    List<Path> stay = new ArrayList<>();
    for (Path dir : List.of(box, images.resolve("sub"), service.dir().resolve("images2"))) {
      Files.createDirectories(dir.resolve("sub"));
      stay.add(Files.writeString(dir.resolve("outside"), "x"));
      stay.add(Files.writeString(dir.resolve("outside.qcow2"), "x"));
    }
    String given = filename.replace("{images}", images.toString()).replace("{box}", box.toString());
    long image = service.dibImage("tiny", 2, given);

    Http.Answer answer = http.delete("/v1/dib_images/" + image);

    assertThat(answer.status()).isEqualTo(204);
    JsonObject job = service.ended(answer.job());
    assertThat(job.getString("state")).isEqualTo("failed");
    assertThat(job.getString("error"))
        .contains("is not in images-dir")
        .doesNotContain("internal error");
    assertThat(stay).allSatisfy(file -> assertThat(file).exists());
    assertThat(http.get("/v1/dib_images/" + image).json().getString("state")).isEqualTo("delete");
  }

  @ParameterizedTest
  @NullSource
  @ValueSource(strings = {"", " ", "{relative}/outside", "/nonexistent/x", "{images}\0/outside"})
  void a_dib_image_without_files_that_can_be_found_is_deleted_with_nothing_else(String filename)
      throws IOException {
    Path outside = Files.createDirectories(service.dir().resolve("box")).resolve("outside");
    Files.writeString(outside, "x");
    Path here = Path.of("").toAbsolutePath();
    String relative = here.relativize(service.dir().resolve("box")).toString();
    String given =
        filename == null
            ? null
            : filename.replace("{images}", images.toString()).replace("{relative}", relative);
    long image = service.dibImage("tiny", 2, given);

    String job = http.delete("/v1/dib_images/" + image).job();

    assertThat(service.ended(job).getString("state")).isEqualTo("succeeded");
    assertThat(http.get("/v1/dib_images/" + image).status()).isEqualTo(404);
    assertThat(outside).exists();
  }

  @Test
  void files_that_nodepool_0_3_named_by_the_id_go_with_their_row() throws IOException {
    long image = service.dibImage("tiny", 2, images.resolve("tiny-1416832000").toString());
    Path file = Files.writeString(images.resolve(image + ".qcow2"), "x");
    List<Path> others =
        List.of(
            Files.writeString(images.resolve(image + "0.qcow2"), "x"),
            Files.writeString(images.resolve(image + ".txt"), "x"),
            Files.createDirectories(images.resolve(image + "")),
            Files.createDirectories(images.resolve(image + ".raw")));

    String job = http.delete("/v1/dib_images/" + image).job();

    assertThat(service.ended(job).getString("state")).isEqualTo("succeeded");
    assertThat(file).doesNotExist();
    assertThat(others).allSatisfy(other -> assertThat(other).exists());
  }

  @Test
  void deleting_a_dib_image_ends_its_waiting_build_and_fails_what_waits_to_send_it() {
    long image = service.dibImage("tiny", 1, null);
    long build = waitingBuild("tiny", image);
    Http.Answer update = http.post("/v1/images/tiny-image/update", "provider_name=directory");

    Http.Answer answer = http.delete("/v1/dib_images/" + image);

    assertThat(answer.status()).isEqualTo(204);
    assertThat(service.ended("/v1/jobs/" + build).getString("state")).isEqualTo("cancelled");
    JsonObject updateJob = service.ended(update.job());
    assertThat(updateJob.getString("state")).isEqualTo("failed");
    assertThat(updateJob.getString("error")).contains("/v1/dib_images/" + image);
    assertThat(http.get(update.location()).json().getString("state")).isEqualTo("failed");
    service.awaitGone("/v1/dib_images/" + image);
  }

  @Test
  void a_parameter_that_a_deletion_does_not_have_is_not_ignored() {
    String path = "/v1/dib_images/" + service.dibImage("tiny", 2, null);

    Http.Answer answer = http.delete(path + "?record_only=true");

    assertThat(answer.status()).isEqualTo(400);
    assertThat(answer.slug()).isEqualTo("bad-value");
    assertThat(http.get(path).json().getString("state")).isEqualTo("ready");
  }

  @Test
  void a_deletion_asked_for_again_is_the_same_job_and_the_state_time_stays() {
    long image = service.dibImage("tiny", 4, null);
    long job =
        aJob()
            .kind("delete-dib-image")
            .subject("/v1/dib_images/" + image)
            .image("tiny")
            .dibImage(image)
            .in(service);

    Http.Answer answer = http.delete("/v1/dib_images/" + image);

    assertThat(answer.status()).isEqualTo(204);
    assertThat(answer.job()).isEqualTo("/v1/jobs/" + job);
    assertThat(http.get("/v1/dib_images/" + image).json().getLong("state_time"))
        .isEqualTo(1416832000);
  }

  /** A row with its file, as a build of ours leaves them. */
  private long readyBuild(String name, Integer state, String type) throws IOException {
    long id = service.dibImage(name, state, null);
    Path filename = images.resolve("%s-1416832000-%d".formatted(name.strip(), id));
    service.sql("UPDATE dib_image SET filename = ? WHERE id = ?", filename.toString(), id);
    Files.writeString(Path.of(filename + "." + type), CONTENT);
    aDibFile(id)
        .with("type", type)
        .with("size", CONTENT.length())
        .with("sha256", sha256(CONTENT))
        .in(service);
    return id;
  }

  /** Of this dib image; it never begins. Returns the job's id. */
  private long waitingBuild(String name, long dibImage) {
    return aJob().subject("/v1/dib_images/" + dibImage).image(name).dibImage(dibImage).in(service);
  }

  private static String sha256(String text) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      return HexFormat.of().formatHex(digest.digest(text.getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
