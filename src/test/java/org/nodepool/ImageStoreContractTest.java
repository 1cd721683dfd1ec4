package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.tuple;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.json.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.nodepool.config.CloudsFile;
import org.nodepool.config.PoolConfig;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Mark;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;
import org.nodepool.provider.ImageStore;
import org.nodepool.provider.ImageStore.StoredImage;
import org.nodepool.provider.Providers;

/** What every driver's images do alike; a new driver is a line of {@link Kind}. */
@RunsBesideOthers
class ImageStoreContractTest {
  private static final String NAME = "contract";
  private static final String DATABASE = UUID.randomUUID().toString();
  private static final byte[] BYTES = new byte[3 << 20];

  static {
    new Random(1).nextBytes(BYTES);
  }

  @TempDir Path dir;

  private final Vertx vertx = Vertx.vertx();
  private Providers providers;
  private Path file;

  /** The drivers, and how one looks at what their providers hold. */
  enum Kind {
    DIRECTORY {
      @Override
      List<String> ids(Path dir) throws Exception {
        if (Files.notExists(store(dir))) {
          return List.of();
        }
        try (Stream<Path> files = Files.list(store(dir))) {
          return files
              .map(path -> path.getFileName().toString())
              .filter(name -> !name.endsWith(".json"))
              .toList();
        }
      }

      @Override
      byte[] held(Path dir, String id) throws Exception {
        return Files.readAllBytes(store(dir).resolve(id));
      }

      @Override
      String make(Path dir, String uuid, Map<String, String> mark) throws Exception {
        JsonObject sidecar = new JsonObject().put("name", NAME).put("size", 3);
        mark.forEach(sidecar::put);
        String id = "%s-%s.raw".formatted(NAME, uuid);
        Files.createDirectories(store(dir));
        Files.writeString(store(dir).resolve(id), "old");
        Files.writeString(store(dir).resolve(id + ".json"), sidecar.encode());
        return id;
      }

      @Override
      void makeForeign(Path dir) throws Exception {
        Files.createDirectories(store(dir));
        Files.writeString(store(dir).resolve(NAME + ".raw"), "another's");
        Files.writeString(store(dir).resolve(NAME + ".raw.json"), "{}");
      }
    },
    OPENSTACK {
      @Override
      List<String> ids(Path dir) {
        return Cloud.shared().images().stream().map(image -> image.getString("id")).toList();
      }

      @Override
      byte[] held(Path dir, String id) throws Exception {
        return Files.readAllBytes(Cloud.shared().store().resolve(id));
      }

      @Override
      String make(Path dir, String uuid, Map<String, String> mark) {
        Map<String, String> properties = new HashMap<>(Map.of("nodepool_uuid", uuid));
        mark.forEach((part, value) -> properties.put("nodepool_" + part, value));
        return Cloud.shared().makeImage(NAME, properties);
      }

      @Override
      void makeForeign(Path dir) {
        Cloud.shared().makeImage(NAME, Map.of("purpose", "another"));
      }
    };

    static Path store(Path dir) {
      return dir.resolve("store");
    }

    /** The external ids of all that it holds. */
    abstract List<String> ids(Path dir) throws Exception;

    /** The data of one image. */
    abstract byte[] held(Path dir, String id) throws Exception;

    /**
     * Makes an image as early versions did, and with these parts of a mark besides; its external
     * id.
     */
    abstract String make(Path dir, String uuid, Map<String, String> mark) throws Exception;

    /** Makes an image of the same name with which we have nothing to do. */
    abstract void makeForeign(Path dir) throws Exception;
  }

  /** Notes what it is told; stops the upload when it is told to. */
  private static final class Watcher implements ImageStore.Observer {
    volatile String externalId;
    volatile double sent;
    volatile boolean isStopped;
    volatile boolean stopsHalfway;
    volatile Future<Void> stored = Future.succeededFuture();

    @Override
    public Future<Void> created(String id) {
      externalId = id;
      return stored;
    }

    @Override
    public void sent(double fraction) {
      sent = fraction;
      isStopped |= stopsHalfway;
    }

    @Override
    public void note(String line) {}

    @Override
    public boolean isStopped() {
      return isStopped;
    }
  }

  @BeforeEach
  void configure() throws Exception {
    Cloud.shared().mend();
    for (String id : Kind.OPENSTACK.ids(dir)) {
      Cloud.shared().delete(id);
    }
    Path yaml = dir.resolve("nodepool.yaml");
    Files.writeString(
        yaml,
        "providers:\n"
            + Cloud.shared().provider("OPENSTACK", "image-type: raw", "images: []")
            + "  - {name: DIRECTORY, driver: directory, directory: store, images: []}\n");
    PoolConfig pool = PoolConfig.read(yaml, new CloudsFile(List.of()));
    providers = TestProviders.of(vertx, () -> pool);
    file = Files.write(dir.resolve("image.raw"), BYTES);
  }

  @AfterEach
  void close() {
    providers.close().await();
    vertx.close().await();
  }

  private ImageStore store(Kind kind) {
    return providers.find(kind.name()).orElseThrow().images();
  }

  private ImageStore.Upload upload(String uuid) throws Exception {
    return upload(mark(DATABASE, uuid));
  }

  private ImageStore.Upload upload(Mark mark) throws Exception {
    return new ImageStore.Upload(
        file, "raw", BYTES.length, sha256(BYTES), NAME, mark, 8, Map.of("purpose", "test"));
  }

  private static Mark mark(String database, String uuid) {
    return new Mark(database, new Subject(What.IMAGE, 7), uuid);
  }

  private static String sha256(byte[] bytes) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
  }

  private static String uuid() {
    return UUID.randomUUID().toString();
  }

  @ParameterizedTest
  @EnumSource
  void an_upload_brings_the_whole_file(Kind kind) throws Exception {
    Watcher watcher = new Watcher();
    store(kind).upload(upload(uuid()), watcher).await();
    assertThat(watcher.sent).isEqualTo(1.0);
    assertThat(kind.ids(dir)).containsExactly(watcher.externalId);
    assertThat(kind.held(dir, watcher.externalId)).isEqualTo(BYTES);
  }

  @ParameterizedTest
  @EnumSource
  void nothing_is_sent_before_its_id_is_stored(Kind kind) throws Exception {
    Watcher watcher = new Watcher();
    watcher.stored = Future.failedFuture("the database is away");
    assertThat(catchThrowable(() -> store(kind).upload(upload(uuid()), watcher).await()))
        .hasMessage("the database is away");
    assertThat(watcher.sent).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void a_deletion_can_be_done_twice_and_touches_no_other(Kind kind) throws Exception {
    Watcher first = new Watcher();
    Watcher second = new Watcher();
    store(kind).upload(upload(uuid()), first).await();
    store(kind).upload(upload(uuid()), second).await();
    assertThat(second.externalId).isNotEqualTo(first.externalId);

    store(kind).delete(first.externalId).await();
    store(kind).delete(first.externalId).await();

    assertThat(kind.ids(dir)).containsExactly(second.externalId);
  }

  @ParameterizedTest
  @EnumSource
  void leftovers_of_an_attempt_go_and_those_of_others_stay(Kind kind) throws Exception {
    String uuid = uuid();
    Watcher ours = new Watcher();
    Watcher other = new Watcher();
    store(kind).upload(upload(uuid), ours).await();
    store(kind).upload(upload(uuid()), other).await();

    store(kind).deleteLeftovers(upload(uuid).mark()).await();
    store(kind).deleteLeftovers(upload(uuid).mark()).await();
    store(kind).deleteLeftovers(upload(uuid()).mark()).await();

    assertThat(kind.ids(dir)).containsExactly(other.externalId);
  }

  @ParameterizedTest
  @EnumSource
  void a_file_that_is_not_what_was_built_is_refused(Kind kind) throws Exception {
    ImageStore.Upload upload = upload(uuid());
    byte[] others = BYTES.clone();
    others[BYTES.length / 2]++;
    Files.write(file, others);
    assertThat(catchThrowable(() -> store(kind).upload(upload, new Watcher()).await()))
        .isInstanceOf(ProviderFailure.class)
        .hasMessageContaining("SHA-256")
        .hasMessageContaining(upload.sha256());
    store(kind).deleteLeftovers(upload.mark()).await();
    assertThat(kind.ids(dir)).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void a_file_that_is_gone_is_told_without_its_directory(Kind kind) throws Exception {
    ImageStore.Upload upload = upload(uuid());
    Files.delete(file);
    assertThat(catchThrowable(() -> store(kind).upload(upload, new Watcher()).await()))
        .isInstanceOf(ProviderFailure.class)
        .hasMessage("The file of the dib image is gone: image.raw.");
  }

  @ParameterizedTest
  @EnumSource
  void one_that_is_to_stop_stops(Kind kind) throws Exception {
    ImageStore.Upload upload = upload(uuid());
    Watcher watcher = new Watcher();
    watcher.isStopped = true;
    assertThat(catchThrowable(() -> store(kind).upload(upload, watcher).await()))
        .isInstanceOf(ProviderFailure.class)
        .hasMessage("The upload was stopped.");
    store(kind).deleteLeftovers(upload.mark()).await();
    assertThat(kind.ids(dir)).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void where_nothing_is_the_list_is_empty(Kind kind) {
    assertThat(store(kind).list(name -> false).await()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void what_was_uploaded_is_listed_with_its_mark(Kind kind) throws Exception {
    Watcher watcher = new Watcher();
    String uuid = uuid();
    Instant before = Instant.now().minusSeconds(2); // clouds cut the rest of a second off
    store(kind).upload(upload(uuid), watcher).await();

    List<StoredImage> listed = store(kind).list(name -> false).await();

    assertThat(listed).hasSize(1);
    StoredImage image = listed.get(0);
    assertThat(image.externalId()).isEqualTo(watcher.externalId);
    assertThat(image.name()).isEqualTo(NAME);
    assertThat(image.mark()).isEqualTo(mark(DATABASE, uuid));
    assertThat(image.created()).isBetween(before, Instant.now().plusSeconds(2));
  }

  @ParameterizedTest
  @EnumSource
  void what_was_uploaded_from_another_database_is_listed_with_that_ones_mark(Kind kind)
      throws Exception {
    Mark ours = mark(DATABASE, uuid());
    Mark others = mark(uuid(), uuid());
    store(kind).upload(upload(others), new Watcher()).await();
    store(kind).upload(upload(ours), new Watcher()).await();

    List<StoredImage> listed = store(kind).list(name -> false).await();

    assertThat(listed).extracting(StoredImage::mark).containsExactlyInAnyOrder(ours, others);
    assertThat(listed).extracting(StoredImage::externalId).isSorted();
  }

  @ParameterizedTest
  @EnumSource
  void a_copy_of_the_database_does_not_sweep_what_the_original_has(Kind kind) throws Exception {
    Watcher ours = new Watcher();
    ImageStore.Upload upload = upload(uuid());
    store(kind).upload(upload, ours).await();
    Mark mark = upload.mark();

    store(kind).deleteLeftovers(new Mark(uuid(), mark.subject(), mark.attempt())).await();

    assertThat(kind.ids(dir)).containsExactly(ours.externalId);
    assertThat(store(kind).list(name -> false).await())
        .extracting(StoredImage::mark)
        .containsExactly(mark);
  }

  @ParameterizedTest
  @EnumSource
  void what_was_deleted_is_not_listed(Kind kind) throws Exception {
    Watcher deleted = new Watcher();
    Watcher other = new Watcher();
    String swept = uuid();
    store(kind).upload(upload(uuid()), deleted).await();
    store(kind).upload(upload(swept), new Watcher()).await();
    store(kind).upload(upload(uuid()), other).await();

    store(kind).delete(deleted.externalId).await();
    store(kind).deleteLeftovers(upload(swept).mark()).await();

    assertThat(store(kind).list(name -> false).await())
        .extracting(StoredImage::externalId)
        .containsExactly(other.externalId);
  }

  @ParameterizedTest
  @EnumSource
  void an_image_of_before_is_listed_without_a_mark_and_still_found_by_its_attempt(Kind kind)
      throws Exception {
    String uuid = uuid();
    String id = kind.make(dir, uuid, Map.of());

    assertThat(store(kind).list(name -> false).await())
        .extracting(StoredImage::externalId, StoredImage::name, StoredImage::mark)
        .containsExactly(tuple(id, NAME, null));

    store(kind).deleteLeftovers(upload(uuid).mark()).await();
    assertThat(store(kind).list(name -> false).await()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void a_mark_that_is_not_whole_is_none(Kind kind) throws Exception {
    String subject = "/v1/images/7";
    List<String> uuids = Stream.generate(ImageStoreContractTest::uuid).limit(4).toList();
    kind.make(dir, uuids.get(0), mark("ours", subject, uuids.get(0)));
    kind.make(dir, uuids.get(1), mark(DATABASE, "/v1/pools/7", uuids.get(1)));
    kind.make(dir, uuids.get(2), Map.of("database", DATABASE));
    String whole = kind.make(dir, uuids.get(3), mark(DATABASE, subject, uuids.get(3)));

    List<StoredImage> listed = store(kind).list(name -> false).await();

    assertThat(listed).hasSize(4);
    assertThat(listed)
        .filteredOn(image -> image.mark() != null)
        .extracting(StoredImage::externalId)
        .containsExactly(whole);
  }

  private static Map<String, String> mark(String database, String subject, String attempt) {
    return Map.of("database", database, "subject", subject, "attempt", attempt);
  }

  @ParameterizedTest
  @EnumSource
  void what_others_brought_there_is_not_listed(Kind kind) throws Exception {
    kind.makeForeign(dir);
    assertThat(kind.ids(dir)).hasSize(1);

    assertThat(store(kind).list(name -> false).await()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void an_attempt_that_was_cut_off_halfway_is_found_by_its_mark_and_can_be_deleted(Kind kind)
      throws Exception {
    Watcher watcher = new Watcher();
    watcher.stopsHalfway = true;
    String uuid = uuid();
    assertThat(catchThrowable(() -> store(kind).upload(upload(uuid), watcher).await()))
        .hasMessage("The upload was stopped.");

    assertThat(store(kind).list(name -> false).await())
        .extracting(StoredImage::externalId, StoredImage::mark)
        .containsExactly(tuple(watcher.externalId, mark(DATABASE, uuid)));

    store(kind).delete(watcher.externalId).await();
    assertThat(kind.ids(dir)).isEmpty();
    assertThat(store(kind).list(name -> false).await()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void an_id_of_a_row_leads_nowhere_else(Kind kind) throws Exception {
    for (String id : List.of("../image.raw", "a/b", "..", "", "x\u0000y", "a?b", "é")) {
      assertThat(catchThrowable(() -> store(kind).delete(id).await()))
          .as(id)
          .hasMessageContaining("is not the");
    }
    assertThat(file).exists();
  }
}
