package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.vertx.core.Vertx;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nodepool.config.CloudsFile;
import org.nodepool.config.PoolConfig;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Mark;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;
import org.nodepool.provider.ImageStore;
import org.nodepool.provider.ImageStore.StoredImage;
import org.nodepool.provider.Providers;

/** Lists of a real cloud's images, in pages. */
@RunsBesideOthers
class OpenStackListTest {
  private static final String LIST = "/images?limit=";
  private static final Mark MARK =
      new Mark(
          "0b8f2a52-7d3c-4c2e-9a55-0f5a9f6f0001",
          new Subject(What.IMAGE, 7),
          "1c9f3b63-8e4d-3d3f-8b66-106bafaf1112");
  private static final Map<String, String> PROPERTIES =
      Map.of(
          "nodepool_database", MARK.database(),
          "nodepool_subject", "/v1/images/7",
          "nodepool_uuid", MARK.attempt());

  @TempDir Path dir;

  private final Vertx vertx = Vertx.vertx();
  private final Cloud cloud = Cloud.shared();
  private Providers providers;
  private ImageStore store;

  @BeforeEach
  void configure() throws Exception {
    cloud.mend();
    cloud.images().forEach(image -> cloud.delete(image.getString("id")));
    Path yaml = dir.resolve("nodepool.yaml");
    Files.writeString(yaml, "providers:\n" + cloud.provider("glance", "images: []"));
    PoolConfig pool = PoolConfig.read(yaml, new CloudsFile(List.of()));
    providers = TestProviders.of(vertx, () -> pool);
    store = providers.find("glance").orElseThrow().images();
  }

  @AfterEach
  void close() {
    cloud.mend();
    providers.close().await();
    vertx.close().await();
  }

  /** The cloud's first page is to be this image alone, and not the last one. */
  private void firstPage(JsonObject image) {
    JsonObject page =
        new JsonObject()
            .put("images", new JsonArray().add(image))
            .put("next", "/v2/images?marker=elsewhere");
    cloud.image().answer(1, "GET", LIST, 200, Map.of(), page.encode());
  }

  @Test
  void images_of_all_pages_are_listed() {
    String older = cloud.makeImage("older", PROPERTIES);
    String newer = cloud.makeImage("newer", PROPERTIES);
    firstPage(cloud.image(newer));

    List<StoredImage> listed = store.list(name -> false).await();

    assertThat(listed).extracting(StoredImage::externalId).containsExactlyInAnyOrder(older, newer);
    assertThat(listed).extracting(StoredImage::mark).containsOnly(MARK);
    assertThat(cloud.image().count("GET", "&marker=" + newer)).isEqualTo(1);
  }

  @Test
  void a_list_during_which_the_last_image_of_a_page_was_deleted_may_be_asked_for_again() {
    String there = cloud.makeImage("there", PROPERTIES);
    firstPage(cloud.image(there).put("id", UUID.randomUUID().toString()));

    assertThat(catchThrowable(() -> store.list(name -> false).await()))
        .isInstanceOf(ProviderAway.class)
        .hasMessageContaining("refuses to list images (400)");

    assertThat(store.list(name -> false).await()).hasSize(1);
  }

  @Test
  void a_list_that_is_refused_is_no_empty_one() {
    cloud.image().answer(1, "GET", LIST, 403, Map.of(), "Forbidden");

    assertThat(catchThrowable(() -> store.list(name -> false).await()))
        .isInstanceOf(ProviderFailure.class)
        .hasMessageContaining("Provider glance refuses to list images (403)");
  }

  @Test
  void what_a_proxy_says_in_place_of_a_list_is_no_empty_one() {
    cloud.image().answer(1, "GET", LIST, 200, Map.of(), "<h1>Come back</h1>later");

    assertThat(catchThrowable(() -> store.list(name -> false).await()))
        .isInstanceOf(ProviderAway.class)
        .hasMessage("Provider glance answers no list of images: later");
  }

  @Test
  void a_list_that_never_ends_is_ended() {
    JsonObject page =
        new JsonObject()
            .put("images", new JsonArray().add(new JsonObject().put("id", "the-same")))
            .put("next", "/v2/images?marker=the-same");
    cloud.image().answer(1000, "GET", LIST, 200, Map.of(), page.encode());

    assertThat(catchThrowable(() -> store.list(name -> false).await()))
        .isInstanceOf(ProviderFailure.class)
        .hasMessage("Provider glance lists more than 100000 images.");
  }

  @Test
  void what_was_made_of_a_server_has_inherited_its_mark_and_has_none_of_its_own() {
    Map<String, String> inherited = new HashMap<>(PROPERTIES);
    inherited.put("image_type", "snapshot");
    String snapshot = cloud.makeImage("snapshot", inherited);

    List<StoredImage> listed = store.list(name -> false).await();

    assertThat(listed).extracting(StoredImage::externalId).containsExactly(snapshot);
    assertThat(listed.get(0).mark()).isNull();
  }

  @Test
  void an_image_without_a_mark_is_listed_when_it_is_called_as_ours_are() {
    String ours = cloud.makeImage("template-tiny-1", Map.of());
    cloud.makeImage("others", Map.of());

    assertThat(store.list("template-tiny-1"::equals).await())
        .singleElement()
        .returns(ours, StoredImage::externalId)
        .returns("template-tiny-1", StoredImage::name)
        .returns(null, StoredImage::mark);
  }

  @Test
  void an_image_that_lost_a_part_of_its_mark_is_still_listed() {
    Map<String, String> without = new HashMap<>(PROPERTIES);
    without.remove("nodepool_uuid");
    cloud.makeImage("without", without);

    assertThat(store.list(name -> false).await())
        .hasSize(1)
        .allMatch(image -> image.mark() == null);
  }
}
