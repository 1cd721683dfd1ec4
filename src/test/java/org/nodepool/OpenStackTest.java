package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.json.JsonObject;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Images at a real cloud: what arrives, and what goes wrong on the way. */
@RunsBesideOthers
class OpenStackTest {
  private static final String UPLOAD = "/v1/dib_images/tiny/upload";
  private static final String IMAGES = "images: [{name: cloud-image, diskimage: tiny}]";
  private static final int MIB = 1 << 20;

  private static Cloud cloud;
  private static TestService service;
  private static Http http;

  @BeforeAll
  static void start() throws Exception {
    cloud = Cloud.shared();
    Path dir = Scratch.dir("openstack-service");
    JsonObject credential = cloud.applicationCredential("test-" + System.nanoTime());
    Files.writeString(
        Files.createDirectories(dir).resolve("clouds.yaml"),
        """
        clouds:
          by-credential:
            auth_type: v3applicationcredential
            auth:
              auth_url: %s/v2.0
              application_credential_id: %s
              application_credential_secret: %s
            region_name: RegionOne
        """
            .formatted(
                cloud.authUrl(), credential.getString("id"), credential.getString("secret")));
    service =
        TestService.withProviders(
            dir,
            "",
            cloud.provider(
                    "glance",
                    "images: [{name: cloud-image, diskimage: tiny, meta: {purpose: test, name: other}},"
                        + " {name: built, diskimage: unlisted}]")
                + cloud.provider("glance-raw", "image-type: raw", "api-timeout: 2", IMAGES)
                + cloud.provider("glance-vhd", "image-type: vhd", IMAGES)
                + cloud.provider("glance-vmdk", "image-type: vmdk", IMAGES)
                + cloud.provider("slow", "image-type: raw", "rate: 0.4", IMAGES)
                + cloud.provider("wrong-password", "password: not-this-one", IMAGES)
                + cloud.provider("wrong-project", "project-name: other", IMAGES)
                + cloud.provider("wrong-region", "region-name: Moon", IMAGES)
                + cloud.provider("other-raw", "image-type: raw", IMAGES)
                + "  - {name: by-credential, cloud: by-credential, rate: 0, image-type: raw,\n     "
                + IMAGES
                + "}\n");
    http = service.http();
  }

  @BeforeEach
  void empty() {
    cloud.mend();
    service.empty();
    for (JsonObject image : cloud.images()) {
      cloud.protect(image.getString("id"), false);
      cloud.delete(image.getString("id"));
    }
    cloud.mend();
  }

  /** What the cloud holds is what the table says. */
  @AfterEach
  void nothing_else_is_there() {
    cloud.mend();
    Poll.until(
        "the cloud holds what the table says",
        () -> held().equals(cloud.images().stream().map(i -> i.getString("id")).sorted().toList()));
  }

  @AfterAll
  static void stop() {
    service.stop();
  }

  private static List<String> held() {
    return http.get("/v1/images").array().stream()
        .map(JsonObject.class::cast)
        .filter(row -> !row.getString("provider_name").equals("raw-directory"))
        .map(row -> row.getString("external_id"))
        .filter(id -> id != null)
        .sorted()
        .toList();
  }

  @ParameterizedTest
  @CsvSource({
    "glance,qcow2,qcow2",
    "glance-raw,raw,raw",
    "glance-vhd,vhd,vpc",
    "glance-vmdk,vmdk,vmdk"
  })
  void an_upload_brings_the_whole_file_and_what_is_known_of_it(
      String provider, String type, String format) throws Exception {
    byte[] bytes = made(format);
    long dibImage = service.readyBuild("tiny", type, bytes);

    Http.Answer created = http.post(UPLOAD, "provider_name=" + provider);

    assertThat(service.ended(created.job()).getString("error")).isNull();
    JsonObject row = http.get(created.location()).json();
    assertThat(row.getString("state")).isEqualTo("ready");
    JsonObject image = cloud.image(row.getString("external_id"));
    assertThat(image.getString("status")).isEqualTo("active");
    assertThat(image.getString("name")).isEqualTo(row.getString("hostname"));
    assertThat(image.getString("disk_format")).isEqualTo(type);
    assertThat(image.getString("container_format")).isEqualTo("bare");
    assertThat(image.getString("visibility")).isEqualTo("private");
    assertThat(image.getLong("size")).isEqualTo(bytes.length);
    assertThat(image.getString("os_hash_value")).isEqualTo(sha512(bytes));
    assertThat(image.getString("nodepool_dib_image_id")).isEqualTo("" + dibImage);
    assertThat(image.getString("nodepool_database")).isEqualTo(service.databaseId());
    assertThat(image.getString("nodepool_subject")).isEqualTo(created.location());
    assertThat(image.getString("nodepool_uuid")).matches("[0-9a-f-]{36}");
    assertThat(image.getString("purpose")).isEqualTo(provider.equals("glance") ? "test" : null);
    assertThat(created.job()).satisfies(job -> assertThat(log(job)).doesNotContain("secret"));
  }

  @Test
  void deleting_an_image_deletes_it_at_the_cloud_by_its_id_alone() throws Exception {
    Http.Answer created = uploaded("glance-raw", MIB);
    JsonObject row = http.get(created.location()).json();
    String namesake = cloud.makeImage(row.getString("hostname"));

    Http.Answer deleted = http.delete(created.location());

    assertThat(service.ended(deleted.job()).getString("state")).isEqualTo("succeeded");
    assertThat(cloud.images(row.getString("hostname")))
        .extracting(image -> image.getString("id"))
        .containsExactly(namesake);
    cloud.delete(namesake);
  }

  @Test
  void an_image_that_the_cloud_has_not_is_deleted() throws Exception {
    Http.Answer created = uploaded("glance-raw", MIB);
    cloud.delete(http.get(created.location()).json().getString("external_id"));

    Http.Answer deleted = http.delete(created.location());

    assertThat(service.ended(deleted.job()).getString("state")).isEqualTo("succeeded");
    assertThat(http.get(created.location()).status()).isEqualTo(404);
  }

  @Test
  void an_image_that_is_protected_is_deleted_once_it_is_not() throws Exception {
    Http.Answer created = uploaded("glance-raw", MIB);
    String id = http.get(created.location()).json().getString("external_id");
    cloud.protect(id, true);
    cloud.mend();

    Http.Answer deleted = http.delete(created.location());

    Poll.until(
        "the job says what the cloud said",
        () -> ("" + http.get(deleted.job()).json().getString("phase")).contains("is protected"));
    assertThat(cloud.image().count("DELETE", id)).isLessThan(3);
    assertThat(http.get(created.location()).json().getString("state")).isEqualTo("delete");
    cloud.protect(id, false);
    assertThat(service.ended(deleted.job()).getString("state")).isEqualTo("succeeded");
  }

  @ParameterizedTest
  @CsvSource({
    "wrong-password,refuses the login: The request you have made requires authentication",
    "wrong-project,refuses the login: The request you have made requires authentication",
    "wrong-region,has no image service (public) in region Moon; it has one in: RegionOne"
  })
  void a_login_that_is_wrong_is_told_as_the_cloud_says_it(String provider, String words)
      throws Exception {
    service.readyBuild("tiny", "qcow2", made("qcow2"));

    Http.Answer created = http.post(UPLOAD, "provider_name=" + provider);

    JsonObject job = service.ended(created.job());
    assertThat(job.getString("state")).isEqualTo("failed");
    assertThat(job.getString("error")).contains(provider).contains(words);
    assertThat(job.encode() + log(created.job()))
        .doesNotContain("not-this-one")
        .doesNotContain(Cloud.PASSWORD);
    assertThat(http.get(created.location()).json().getString("state")).isEqualTo("failed");
  }

  @Test
  void a_login_may_be_by_application_credential_of_a_clouds_yaml() throws Exception {
    Http.Answer created = uploaded("by-credential", MIB);

    JsonObject row = http.get(created.location()).json();
    assertThat(cloud.image(row.getString("external_id")).getString("status")).isEqualTo("active");
  }

  @Test
  void an_image_that_diskimage_builder_made_is_held_as_it_was_built() throws Exception {
    Http.Answer build = http.post("/v1/dib_images/unlisted/build");
    assertThat(service.ended(build.job()).getString("error")).isNull();

    Http.Answer created =
        http.post("/v1/dib_images/unlisted/upload", "provider_name=glance&image_name=built");

    assertThat(service.ended(created.job()).getString("error")).isNull();
    JsonObject image = cloud.image(http.get(created.location()).json().getString("external_id"));
    Path built = Path.of(http.get(build.location()).json().getString("filename") + ".qcow2");
    assertThat(image.getString("os_hash_algo")).isEqualTo("sha512");
    assertThat(image.getString("os_hash_value")).isEqualTo(sha512(Files.readAllBytes(built)));
    assertThat(image.getLong("size")).isEqualTo(Files.size(built));
    assertThat(image.getString("disk_format")).isEqualTo("qcow2");
  }

  @Test
  void one_login_serves_many() throws Exception {
    service.readyBuild("tiny", "raw", bytes(MIB));
    List<String> jobs =
        List.of(
            http.post(UPLOAD, "provider_name=other-raw").job(),
            http.post(UPLOAD, "provider_name=other-raw").job(),
            http.post(UPLOAD, "provider_name=other-raw").job());

    jobs.forEach(job -> assertThat(service.ended(job).getString("state")).isEqualTo("succeeded"));

    assertThat(cloud.identity().count("POST", "/auth/tokens")).isLessThanOrEqualTo(1);
  }

  @Test
  void a_login_that_is_not_accepted_any_more_is_made_again() throws Exception {
    uploaded("glance-raw", MIB);
    cloud.mend();
    cloud.image().answer(1, "POST", "/images", 401, Map.of(), "");

    uploaded("glance-raw", MIB);

    assertThat(cloud.identity().count("POST", "/auth/tokens")).isEqualTo(1);
    assertThat(cloud.image().isSpent()).isTrue();
  }

  @Test
  void a_connection_that_is_cut_in_the_middle_is_the_end_of_it() throws Exception {
    service.readyBuild("tiny", "raw", bytes(16 * MIB));
    cloud.image().cut("PUT", "/file", 4 * MIB);

    Http.Answer created = http.post(UPLOAD, "provider_name=glance-raw");

    failed(created, "The connection was cut in the middle of the upload");
    assertThat(cloud.images()).isEmpty();
  }

  @Test
  void a_cloud_that_takes_nothing_any_more_is_not_waited_for() throws Exception {
    service.readyBuild("tiny", "raw", bytes(64 * MIB));
    cloud.image().stall("PUT", "/file", 4 * MIB);

    Http.Answer created = http.post(UPLOAD, "provider_name=glance-raw");

    failed(created, "The cloud took nothing for PT2S");
    assertThat(cloud.images()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"GET,/images/", "POST,/images", "PUT,/file"})
  void a_cloud_that_is_busy_is_asked_again_without_a_second_image(String method, String path)
      throws Exception {
    service.readyBuild("tiny", "raw", bytes(MIB));
    cloud.image().answer(2, method, path, 503, Map.of(), "<h1>503</h1>busy");

    Http.Answer created = http.post(UPLOAD, "provider_name=glance-raw");

    assertThat(service.ended(created.job()).getString("error")).isNull();
    assertThat(cloud.image().isSpent()).isTrue();
    assertThat(cloud.images()).hasSize(1);
    assertThat(http.get(created.job()).json().getInteger("attempts")).isEqualTo(1);
  }

  @Test
  void a_cloud_that_asks_to_be_left_alone_is() throws Exception {
    service.readyBuild("tiny", "raw", bytes(MIB));
    cloud.image().answer(1, "POST", "/images", 429, Map.of("Retry-After", "3"), "too many");

    Http.Answer created = http.post(UPLOAD, "provider_name=glance-raw");

    assertThat(service.ended(created.job()).getString("error")).isNull();
    List<CloudProxy.Seen> asked =
        cloud.image().seen().stream().filter(s -> s.path().contains("/images")).toList();
    assertThat(Duration.ofNanos(asked.get(1).time() - asked.get(0).time()))
        .isGreaterThanOrEqualTo(Duration.ofSeconds(3));
    assertThat(cloud.images()).hasSize(1);
  }

  @Test
  void a_cloud_that_asks_for_more_keeps_the_job_waiting_and_no_worker() throws Exception {
    service.readyBuild("tiny", "raw", bytes(MIB));
    cloud.image().answer(1, "POST", "/images", 429, Map.of("Retry-After", "12"), "too many");

    Http.Answer created = http.post(UPLOAD, "provider_name=glance-raw");

    Poll.until(
        "it waits",
        () -> ("" + http.get(created.job()).json().getString("phase")).contains("too many"));
    assertThat(http.get(created.job()).json().getString("state")).isEqualTo("queued");
    assertThat(service.ended(created.job()).getString("error")).isNull();
    List<CloudProxy.Seen> asked =
        cloud.image().seen().stream().filter(s -> s.method().equals("POST")).toList();
    assertThat(Duration.ofNanos(asked.get(1).time() - asked.get(0).time()))
        .isGreaterThanOrEqualTo(Duration.ofSeconds(12));
  }

  @Test
  void an_image_whose_making_was_answered_in_vain_is_found_again() throws Exception {
    service.readyBuild("tiny", "raw", bytes(MIB));
    cloud.image().loseAnswer("POST", "/images");

    Http.Answer created = http.post(UPLOAD, "provider_name=glance-raw");

    assertThat(service.ended(created.job()).getString("error")).isNull();
    assertThat(cloud.image().count("POST", "/images")).isEqualTo(1);
    assertThat(cloud.images()).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void an_upload_that_was_answered_in_vain_is_known_by_what_the_cloud_holds(boolean isHidden)
      throws Exception {
    service.readyBuild("tiny", "raw", bytes(4 * MIB));
    if (isHidden) {
      cloud.image().hideAnswer("PUT", "/file");
    } else {
      cloud.image().loseAnswer("PUT", "/file");
    }

    Http.Answer created = http.post(UPLOAD, "provider_name=glance-raw");

    assertThat(service.ended(created.job()).getString("error")).isNull();
    assertThat(cloud.image().count("PUT", "/file")).isEqualTo(1);
  }

  @Test
  void a_file_that_changes_on_its_way_never_becomes_ready() throws Exception {
    long dibImage = service.readyBuild("tiny", "raw", bytes(64 * MIB));
    Http.Answer created = stalled();
    try (RandomAccessFile file =
        new RandomAccessFile(service.file(dibImage, "raw").toFile(), "rw")) {
      file.seek(64 * MIB - 3);
      file.write(new byte[3]);
    }

    cloud.image().mend();

    failed(created, "holds data of the SHA-512");
    assertThat(cloud.images()).isEmpty();
  }

  @Test
  void a_file_that_gets_shorter_on_its_way_ends_the_upload() throws Exception {
    long dibImage = service.readyBuild("tiny", "raw", bytes(64 * MIB));
    Http.Answer created = stalled();
    Files.write(service.file(dibImage, "raw"), new byte[0]);

    cloud.image().mend();

    failed(created, "became shorter while it was sent");
    assertThat(cloud.images()).isEmpty();
  }

  /** An upload of which the cloud has begun to take the file, and takes no more of it. */
  private static Http.Answer stalled() throws Exception {
    cloud.image().stall("PUT", "/file", 4 * MIB);
    Http.Answer created = http.post(UPLOAD, "provider_name=other-raw");
    Poll.until("it is on its way", cloud.image()::isStalled);
    return created;
  }

  @Test
  void a_file_that_is_not_what_was_built_is_not_sent() throws Exception {
    byte[] bytes = bytes(MIB);
    long dibImage = service.readyBuild("tiny", "raw", bytes);
    bytes[4711]++;
    Files.write(service.file(dibImage, "raw"), bytes);

    Http.Answer created = http.post(UPLOAD, "provider_name=glance-raw");

    failed(created, "is not what was built any more");
    assertThat(cloud.image().count("POST", "/images")).isZero();
  }

  @Test
  void a_state_that_leads_nowhere_is_the_end_of_it() throws Exception {
    service.readyBuild("tiny", "raw", bytes(MIB));
    cloud
        .image()
        .answer(3, "GET", "/images/", 200, Map.of(), "{\"id\": \"x\", \"status\": \"bewitched\"}");

    Http.Answer created = http.post(UPLOAD, "provider_name=glance-raw");

    failed(created, "its status is 'bewitched'");
    assertThat(cloud.images()).isEmpty();
  }

  @Test
  void cancelling_an_upload_that_hangs_ends_it_and_leaves_nothing() throws Exception {
    service.readyBuild("tiny", "raw", bytes(64 * MIB));
    cloud.image().stall("PUT", "/file", 4 * MIB);
    Http.Answer created = http.post(UPLOAD, "provider_name=other-raw");
    Poll.until("it is on its way", () -> cloud.image().count("PUT", "/file") == 1);

    http.delete(created.job());

    assertThat(service.ended(created.job()).getString("state")).isEqualTo("cancelled");
    assertThat(http.get(created.location()).status()).isEqualTo(404);
    assertThat(cloud.images()).isEmpty();
  }

  @Test
  @Tag("long")
  void an_upload_in_whose_middle_the_cloud_went_away_fails_and_is_cleaned_up_once_it_is_back()
      throws Exception {
    service.readyBuild("tiny", "raw", bytes(64 * MIB));
    cloud.image().stall("PUT", "/file", 4 * MIB);
    Http.Answer created = http.post(UPLOAD, "provider_name=other-raw");
    Poll.until(
        "the cloud has some of it",
        () -> cloud.images().stream().anyMatch(i -> "saving".equals(i.getString("status"))));

    cloud.stopGlance();
    cloud.image().mend();

    JsonObject job = service.ended(created.job());
    assertThat(job.getString("state")).isEqualTo("failed");
    cloud.start();
    Poll.until("nothing is left", () -> cloud.images().isEmpty());
    Poll.until(
        "the row says so",
        () -> http.get(created.location()).json().getString("external_id") == null);
  }

  @Test
  void a_cloud_that_hangs_delays_no_other_and_no_poll() throws Exception {
    service.readyBuild("tiny", "raw", bytes(64 * MIB));
    for (int i = 0; i < 5; i++) {
      cloud.image().stall("PUT", "/file", 4 * MIB);
    }
    List<Http.Answer> hanging =
        List.of(
            http.post(UPLOAD, "provider_name=other-raw"),
            http.post(UPLOAD, "provider_name=other-raw"),
            http.post(UPLOAD, "provider_name=other-raw"),
            http.post(UPLOAD, "provider_name=other-raw"),
            http.post(UPLOAD, "provider_name=other-raw"));
    Poll.until("all workers are taken", () -> cloud.image().count("PUT", "/file") == 4);

    Http.Answer other = http.post(UPLOAD, "provider_name=raw-directory&image_name=first");

    assertThat(service.ended(other.job()).getString("state")).isEqualTo("succeeded");
    for (Http.Answer each : hanging) {
      assertThat(http.get(each.job()).json().getString("state")).isIn("queued", "running");
    }
    long asked = System.nanoTime();
    assertThat(http.get("/v1/nodes").status()).isEqualTo(200);
    assertThat(Duration.ofNanos(System.nanoTime() - asked)).isLessThan(Duration.ofSeconds(1));
    hanging.forEach(each -> http.delete(each.job()));
    hanging.forEach(each -> service.ended(each.job()));
  }

  @Test
  void calls_keep_the_pace_that_is_configured() throws Exception {
    uploaded("slow", MIB);

    List<CloudProxy.Seen> seen = cloud.image().seen();
    assertThat(seen).hasSizeGreaterThan(2);
    for (int i = 1; i < seen.size(); i++) {
      assertThat(Duration.ofNanos(seen.get(i).time() - seen.get(i - 1).time()))
          .isGreaterThan(Duration.ofMillis(350));
    }
  }

  @Test
  void a_call_that_is_not_answered_in_time_is_made_again() throws Exception {
    service.readyBuild("tiny", "raw", bytes(MIB));
    cloud.image().hideAnswer("GET", "/images/");

    Http.Answer created = http.post(UPLOAD, "provider_name=glance-raw");

    assertThat(service.ended(created.job()).getString("error")).isNull();
    assertThat(cloud.image().count("GET", "/images/")).isGreaterThan(1);
  }

  @Test
  void a_file_that_is_not_what_its_type_says_never_comes_to_the_cloud() throws Exception {
    service.readyBuild("tiny", "raw", made("qcow2"));

    Http.Answer created = http.post(UPLOAD, "provider_name=glance-raw");

    failed(created, "is not a raw image to upload: it begins like qcow2.");
    assertThat(cloud.image().count("POST", "/images")).isZero();
  }

  /** An upload of so many bytes that has succeeded. */
  private static Http.Answer uploaded(String provider, int bytes) throws Exception {
    service.readyBuild("tiny", "raw", bytes(bytes));
    Http.Answer created = http.post(UPLOAD, "provider_name=" + provider);
    assertThat(service.ended(created.job()).getString("error")).isNull();
    return created;
  }

  private static void failed(Http.Answer created, String words) {
    JsonObject job = service.ended(created.job());
    assertThat(job.getString("state")).isEqualTo("failed");
    assertThat(job.getString("error")).contains(words);
    JsonObject row = http.get(created.location()).json();
    assertThat(row.getString("state")).isEqualTo("failed");
    assertThat(row.getString("external_id")).isNull();
  }

  private static String log(String job) {
    return http.get(job + "/log").body();
  }

  /** An empty disk of that format, as qemu-img calls it. */
  private static byte[] made(String format) throws Exception {
    Path file = Files.createTempFile(Path.of("target"), "disk", "." + format);
    ServiceProcess.run("qemu-img", "create", "-q", "-f", format, file.toString(), "8M");
    byte[] bytes = Files.readAllBytes(file);
    Files.delete(file);
    return bytes;
  }

  private static byte[] bytes(int size) {
    byte[] bytes = new byte[size];
    new Random(size).nextBytes(bytes);
    return bytes;
  }

  private static String sha512(byte[] bytes) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-512").digest(bytes));
  }
}
