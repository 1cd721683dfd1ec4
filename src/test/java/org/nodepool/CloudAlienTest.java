package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.anImage;

import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a real cloud holds that no row knows. */
@RunsBesideOthers
class CloudAlienTest {
  private static final String LIST = "/images?limit=";
  private static final String ALIENS = "/v1/providers/glance/alien_images";
  private static final Map<String, String> OF_ANOTHER =
      Map.of(
          "nodepool_database", "0b8f2a52-7d3c-4c2e-9a55-0f5a9f6f0001",
          "nodepool_subject", "/v1/images/7",
          "nodepool_uuid", "1c9f3b63-8e4d-3d3f-8b66-106bafaf1112");

  private final Cloud cloud = Cloud.shared();
  private TestService service;
  private Http http;

  @BeforeEach
  void a_service_that_looks_often() throws Exception {
    cloud.mend();
    cloud.images().forEach(image -> cloud.delete(image.getString("id")));
    service =
        TestService.withProviders(
            Scratch.dir("cloud-aliens"),
            "jobs: {log_dir: var/log/jobs, look_interval: PT1S}",
            cloud.provider("glance", "images: [{name: cloud-image, diskimage: tiny}]"));
    service.empty();
    http = service.http();
  }

  @AfterEach
  void stop() {
    service.stop();
    cloud.mend();
    cloud.images().forEach(image -> cloud.delete(image.getString("id")));
  }

  @Test
  void an_image_that_no_row_knows_is_alien_by_its_mark_and_by_its_name() {
    String byMark = cloud.makeImage("any", OF_ANOTHER);
    String byName = cloud.makeImage("template-cloud-image-1", Map.of());
    String ofRow = cloud.makeImage("template-cloud-image-2", OF_ANOTHER);
    cloud.makeImage("others", Map.of());
    long row = anImage().provider("glance").state(2).externalId(ofRow).in(service);

    awaitAliens(Set.of(byMark, byName));

    service.sql("DELETE FROM snapshot_image WHERE id = ?", row);
    awaitAliens(Set.of(byMark, byName, ofRow));
    assertThat(http.get("/v1/providers/glance/alien_servers").body())
        .as("nobody looks at servers of a cloud yet")
        .isEqualTo("{\"time\":null,\"total\":0,\"alien_servers\":[]}");
  }

  @Test
  void what_only_one_of_two_looks_found_was_being_made_or_deleted_and_is_not_alien() {
    String stays = cloud.makeImage("stays", OF_ANOTHER);
    awaitAliens(Set.of(stays));
    JsonObject gone = cloud.image(stays).put("id", "11111111-2222-3333-4444-555555555555");
    String both =
        new JsonObject().put("images", new JsonArray().add(gone).add(cloud.image(stays))).encode();
    Set<String> found = new TreeSet<>();

    awaitLook();
    inNextList(both); // which is the first of two
    awaitLook();
    long before = lists();
    Poll.closelyUntil("the first of two is there", () -> lists() > before);
    inNextList(both);
    long spent = http.get(ALIENS).json().getLong("time");
    Poll.until(
        "that look and another have ended",
        () -> {
          found.addAll(aliens());
          return http.get(ALIENS).json().getLong("time") > spent + 6;
        });

    assertThat(found).containsExactly(stays);
  }

  /** Returns when one has just ended, so that the next list is the first of another. */
  private void awaitLook() {
    long last = http.get(ALIENS).json().getLong("time");
    Poll.closelyUntil("a look ends", () -> http.get(ALIENS).json().getLong("time") > last);
  }

  private void inNextList(String listed) {
    cloud.image().answer(1, "GET", LIST, 200, Map.of(), listed);
    Poll.closelyUntil("it was listed", () -> cloud.image().isSpent());
  }

  private long lists() {
    return cloud.image().count("GET", LIST);
  }

  private void awaitAliens(Set<String> expected) {
    Poll.until("the aliens are " + expected, () -> aliens().equals(expected));
  }

  private Set<String> aliens() {
    Set<String> ids = new TreeSet<>();
    for (Object alien : http.get(ALIENS).json().getJsonArray("alien_images")) {
      ids.add(((JsonObject) alien).getString("external_id"));
    }
    return ids;
  }
}
