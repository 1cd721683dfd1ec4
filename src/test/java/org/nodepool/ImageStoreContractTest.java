package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
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
import org.nodepool.provider.Providers;

/** What every driver's images do alike; a new driver is a line of {@link Kind}. */
@RunsBesideOthers
class ImageStoreContractTest {
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
    };

    static Path store(Path dir) {
      return dir.resolve("store");
    }

    /** The external ids of all that it holds. */
    abstract List<String> ids(Path dir) throws Exception;

    /** The data of one image. */
    abstract byte[] held(Path dir, String id) throws Exception;
  }

  /** Notes what it is told; stops the upload when it is told to. */
  private static final class Watcher implements ImageStore.Observer {
    volatile String externalId;
    volatile double sent;
    volatile boolean isStopped;
    volatile Future<Void> stored = Future.succeededFuture();

    @Override
    public Future<Void> created(String id) {
      externalId = id;
      return stored;
    }

    @Override
    public void sent(double fraction) {
      sent = fraction;
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
    return new ImageStore.Upload(
        file,
        "raw",
        BYTES.length,
        sha256(BYTES),
        "contract",
        new Mark(DATABASE, new Subject(What.IMAGE, 7), uuid),
        8,
        Map.of("purpose", "test"));
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

    store(kind).deleteLeftovers(uuid).await();
    store(kind).deleteLeftovers(uuid).await();
    store(kind).deleteLeftovers(uuid()).await();

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
    store(kind).deleteLeftovers(upload.mark().attempt()).await();
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
    store(kind).deleteLeftovers(upload.mark().attempt()).await();
    assertThat(kind.ids(dir)).isEmpty();
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
