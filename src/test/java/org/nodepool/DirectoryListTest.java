package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nodepool.config.CloudsFile;
import org.nodepool.config.PoolConfig;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.Mark;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;
import org.nodepool.provider.ImageStore;
import org.nodepool.provider.ImageStore.StoredImage;
import org.nodepool.provider.Providers;

/** What is found in a directory that others use too, and where processes have died. */
class DirectoryListTest {
  private static final String DATABASE = "0b8f2a52-7d3c-4c2e-9a55-0f5a9f6f0001";
  private static final String ATTEMPT = "1c9f3b63-8e4d-3d3f-8b66-106bafaf1112";
  private static final String OTHER_ATTEMPT = "2c9f3b63-8e4d-3d3f-8b66-106bafaf1112";
  private static final String ID = "tiny-1416832000-" + ATTEMPT + ".raw";
  private static final Mark MARK = new Mark(DATABASE, new Subject(What.IMAGE, 7), ATTEMPT);
  private static final String SIDECAR =
      "{\"database\": \"%s\", \"subject\": \"/v1/images/7\", \"attempt\": \"%s\"}"
          .formatted(DATABASE, ATTEMPT);

  @TempDir Path dir;

  private final Vertx vertx = Vertx.vertx();
  private Providers providers;
  private ImageStore store;

  @BeforeEach
  void configure() throws Exception {
    Path yaml = dir.resolve("nodepool.yaml");
    Files.writeString(
        yaml, "providers: [{name: dir, driver: directory, directory: store, images: []}]\n");
    PoolConfig pool = PoolConfig.read(yaml, new CloudsFile(List.of()));
    providers = TestProviders.of(vertx, () -> pool);
    store = providers.find("dir").orElseThrow().images();
    Files.createDirectory(dir.resolve("store"));
  }

  @AfterEach
  void close() {
    providers.close().await();
    vertx.close().await();
  }

  private void write(String name, String text) throws Exception {
    Files.writeString(dir.resolve("store").resolve(name), text);
  }

  private List<String> names() throws Exception {
    try (Stream<Path> files = Files.list(dir.resolve("store"))) {
      return files.map(file -> file.getFileName().toString()).toList();
    }
  }

  private StoredImage only() {
    List<StoredImage> listed = store.list(name -> false).await();
    assertThat(listed).hasSize(1);
    assertThat(listed.get(0).externalId()).isEqualTo(ID);
    assertThat(listed.get(0).name()).isEqualTo("tiny-1416832000");
    assertThat(listed.get(0).created()).isBefore(Instant.now().plusSeconds(2));
    return listed.get(0);
  }

  @Test
  void files_of_one_image_are_one() throws Exception {
    write(ID, "whole");
    write(ID + ".json", SIDECAR);
    write(ID + ".part", "of one that was written twice");

    assertThat(only().mark()).isEqualTo(MARK);
  }

  @Test
  void what_a_deletion_that_died_has_left_is_found_and_goes_with_the_next() throws Exception {
    write(ID + ".json", SIDECAR);

    assertThat(only().mark()).isEqualTo(MARK);

    store.delete(ID).await();
    assertThat(names()).isEmpty();
  }

  @Test
  void what_was_copied_before_there_were_marks_has_none() throws Exception {
    write(ID + ".part", "half");

    assertThat(only().mark()).isNull();

    store.delete(ID).await();
    assertThat(names()).isEmpty();
  }

  @Test
  void a_mark_of_another_image_is_none() throws Exception {
    write(ID, "whole");
    write(ID + ".json", SIDECAR.replace(ATTEMPT, OTHER_ATTEMPT));

    assertThat(only().mark()).isNull();
  }

  @Test
  void what_is_known_of_an_image_may_be_anything() throws Exception {
    write(ID, "whole");
    List<String> texts =
        List.of(
            "", "{", "null", "[]", "7", "{}", "{\"database\": 7}", " ".repeat(70_000) + SIDECAR);
    for (String text : texts) {
      write(ID + ".json", text);
      assertThat(only().mark()).as(text.strip()).isNull();
    }
    Files.write(dir.resolve("store/" + ID + ".json"), new byte[] {'{', (byte) 0xff, '}'});
    assertThat(only().mark()).isNull();
    Files.delete(dir.resolve("store/" + ID + ".json"));
    Files.createDirectory(dir.resolve("store/" + ID + ".json"));
    assertThat(only().mark()).isNull();
  }

  @Test
  void files_of_other_names_are_not_listed_whatever_is_said_of_them() throws Exception {
    for (String name :
        List.of(
            "tiny.raw",
            ATTEMPT + ".raw",
            "tiny-" + ATTEMPT,
            ID + ".md5",
            ID + ".json.part",
            "." + ID,
            ID.toUpperCase())) {
      write(name, "another's");
      write(name + ".json", SIDECAR);
    }
    Files.createDirectory(dir.resolve("store/" + ID));
    assertThat(names()).hasSize(15);

    assertThat(store.list(name -> false).await()).isEmpty();
  }

  @Test
  void a_directory_that_cannot_be_read_may_be_later() throws Exception {
    Files.delete(dir.resolve("store"));
    Files.writeString(dir.resolve("store"), "a file is in the way");

    assertThat(catchThrowable(() -> store.list(name -> false).await()))
        .isInstanceOf(ProviderAway.class)
        .hasMessageContaining("Provider dir cannot list its directory");

    Files.delete(dir.resolve("store"));
    assertThat(store.list(name -> false).await()).isEmpty();
  }

  @Test
  void the_mark_is_there_before_the_first_byte() throws Exception {
    Path file = Files.write(dir.resolve("image.raw"), new byte[] {1, 2, 3});
    String sha256 =
        HexFormat.of()
            .formatHex(MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file)));
    ImageStore.Upload upload =
        new ImageStore.Upload(file, "raw", 3, sha256, "tiny-1416832000", MARK, 8, Map.of());
    List<String> there = new ArrayList<>();

    store
        .upload(
            upload,
            new ImageStore.Observer() {
              @Override
              public Future<Void> created(String externalId) {
                return Future.succeededFuture();
              }

              @Override
              public void sent(double fraction) {}

              @Override
              public void note(String line) {}

              @Override
              public boolean isStopped() {
                try {
                  there.addAll(names()); // asked before the first byte is written
                } catch (Exception e) {
                  throw new AssertionError(e);
                }
                return true;
              }
            })
        .transform(v -> Future.succeededFuture())
        .await();

    assertThat(there).containsExactlyInAnyOrder(ID + ".json", ID + ".part");
    assertThat(only().mark()).isEqualTo(MARK);
  }
}
