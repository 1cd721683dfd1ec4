package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.json.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** {@code GET /v1/providers}. */
@RunsBesideOthers
@Tag("both-databases")
class ProviderApiTest {

  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
    // a call that is as one before, in the same second too, is not written down once more
    long second = Instant.now().getEpochSecond();
    Poll.until("another second begins", () -> Instant.now().getEpochSecond() > second);
  }

  @Test
  void providers_are_shown_in_the_order_of_the_file_without_what_is_secret() {
    assertThat(http.get("/v1/providers").body())
        .isEqualTo(
            """
            [{"name":"directory","driver":"directory","region":null,\
            "images":["tiny-image","fails","slow","by-script","by-nothing"],"last_call":null,"servers":null},\
            {"name":"raw-directory","driver":"directory","region":null,\
            "images":["first","second"],"last_call":null,"servers":null},\
            {"name":"cloud","driver":"openstack","region":null,\
            "images":["tiny-image"],"last_call":null,"servers":null}]""");
  }

  @Test
  void a_call_that_succeeded_is_told_with_its_time() {
    long before = Instant.now().getEpochSecond();

    service.ended(http.delete("/v1/images/" + service.image("directory", 2, "gone")).job());

    Poll.until("it is told", () -> lastCall("directory") != null);
    JsonObject call = lastCall("directory");
    assertThat(call.getLong("time")).isBetween(before, Instant.now().getEpochSecond());
    assertThat(call.getBoolean("ok")).isTrue();
    assertThat(call.getString("error")).isNull();
    assertThat(call.fieldNames()).containsExactly("time", "ok", "error");
    assertThat(lastCall("raw-directory")).isNull();
  }

  @Test
  void a_call_that_failed_is_told_with_the_reason_until_one_succeeds() throws Exception {
    Path directory = service.dir().resolve("provider");
    Files.deleteIfExists(directory);
    Files.writeString(directory, "a file is in the way");
    String job = http.delete("/v1/images/" + service.image("directory", 2, "x")).job();
    Poll.until("it is told", () -> lastCall("directory") != null);
    assertThat(lastCall("directory").getBoolean("ok")).isFalse();
    assertThat(lastCall("directory").getString("error"))
        .startsWith("Provider directory cannot delete from its directory");

    Files.delete(directory);

    assertThat(service.ended(job).getString("state")).isEqualTo("succeeded");
    Poll.until("it is told", () -> lastCall("directory").getBoolean("ok"));
    assertThat(lastCall("directory").getString("error")).isNull();
  }

  @Test
  void the_newest_call_of_any_worker_is_told() {
    call("directory", 4_000_000_000L, "The disk is broken.");
    call("raw-directory", 1, "The disk is broken.");

    for (String provider : new String[] {"directory", "raw-directory"}) {
      service.ended(http.delete("/v1/images/" + service.image(provider, 2, "gone")).job());
    }

    Poll.until("the second is told", () -> lastCall("raw-directory").getBoolean("ok"));
    Poll.until(
        "the first was noted, too",
        () -> Objects.equals(lastCall("directory").getString("error"), "The disk is broken."));
    assertThat(lastCall("directory").getLong("time")).isEqualTo(4_000_000_000L);
  }

  @Test
  void calls_to_what_is_no_longer_configured_are_not_told() {
    call("gone", 5, null);

    assertThat(http.get("/v1/providers").body()).doesNotContain("gone");
  }

  private void call(String provider, long time, String error) {
    service.sql("INSERT INTO api_provider_call VALUES (?, ?, ?)", provider, time, error);
  }

  /** Null when there was none. */
  private JsonObject lastCall(String provider) {
    return http.get("/v1/providers").array().stream()
        .map(JsonObject.class::cast)
        .filter(shown -> shown.getString("name").equals(provider))
        .findFirst()
        .orElseThrow()
        .getJsonObject("last_call");
  }
}
