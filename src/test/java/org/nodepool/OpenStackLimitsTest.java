package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.json.JsonObject;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A real cloud that takes little, and whose logins are short. */
@RunsBesideOthers
class OpenStackLimitsTest {
  private static final String UPLOAD = "/v1/dib_images/tiny/upload";
  private static final int MIB = 1 << 20;
  private static final Duration TOKEN_LIFE = Duration.ofSeconds(5);

  private static Cloud cloud;
  private static TestService service;
  private static Http http;

  @BeforeAll
  static void start() throws Exception {
    cloud =
        Cloud.start(
            "limits",
            Map.of(
                "TOKEN_SECONDS",
                Long.toString(TOKEN_LIFE.toSeconds()),
                "IMAGE_SIZE_CAP",
                Integer.toString(20 * MIB),
                "USER_STORAGE_QUOTA",
                "40MB",
                "STORE_SIZE",
                "44m"));
    service =
        TestService.withProviders(
            Scratch.dir("openstack-limits-service"),
            "",
            cloud.provider(
                "glance-raw", "image-type: raw", "images: [{name: cloud-image, diskimage: tiny}]"));
    http = service.http();
  }

  @BeforeEach
  void empty() throws Exception {
    service.empty();
    cloud.images().forEach(image -> cloud.delete(image.getString("id")));
    Files.deleteIfExists(cloud.store().resolve("filler"));
    cloud.mend();
  }

  @AfterAll
  static void stop() {
    service.stop();
    cloud.stop();
  }

  @Test
  void an_image_that_is_too_large_for_the_cloud_fails_with_its_reason() throws Exception {
    failed(upload(24), "The provided image is too large.");
  }

  @Test
  void an_image_beyond_the_quota_fails_with_its_reason_and_the_others_stay() throws Exception {
    succeeded(upload(15));
    succeeded(upload(15));

    failed(upload(15), "quota");

    assertThat(cloud.images()).hasSize(2);
  }

  @Test
  void a_store_that_is_full_fails_the_upload_and_takes_it_when_there_is_space_again()
      throws Exception {
    Path filler = cloud.store().resolve("filler");
    try (RandomAccessFile file = new RandomAccessFile(filler.toFile(), "rw")) {
      file.write(new byte[36 * MIB]);
    }

    failed(upload(15), "413");

    assertThat(cloud.images()).isEmpty();
    Files.delete(filler);
    succeeded(upload(15));
  }

  @Test
  void logins_that_expire_in_a_series_of_uploads_are_renewed_before_they_do() throws Exception {
    long end = System.nanoTime() + TOKEN_LIFE.multipliedBy(3).toNanos();
    while (System.nanoTime() < end) {
      Http.Answer created = upload(1);
      succeeded(created);
      assertThat(service.ended(http.delete(created.location()).job()).getString("error")).isNull();
    }

    assertThat(cloud.identity().count("POST", "/auth/tokens")).isBetween(3L, 8L);
    assertThat(cloud.images()).isEmpty();
  }

  private static Http.Answer upload(int mib) throws Exception {
    byte[] bytes = new byte[mib * MIB];
    new Random(mib).nextBytes(bytes);
    service.readyBuild("tiny", "raw", bytes);
    return http.post(UPLOAD, "provider_name=glance-raw");
  }

  private static void succeeded(Http.Answer created) throws Exception {
    assertThat(service.ended(created.job()).getString("error")).isNull();
  }

  private static void failed(Http.Answer created, String words) throws Exception {
    JsonObject job = service.ended(created.job());
    assertThat(job.getString("state")).isEqualTo("failed");
    assertThat(job.getString("error")).containsIgnoringCase(words);
    JsonObject row = http.get(created.location()).json();
    assertThat(row.getString("state")).isEqualTo("failed");
    assertThat(row.getString("external_id")).isNull();
    assertThat(cloud.images()).noneMatch(image -> !"active".equals(image.getString("status")));
  }
}
