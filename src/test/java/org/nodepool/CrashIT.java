package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aDibFile;
import static org.nodepool.Rows.aDibImage;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.aNode;
import static org.nodepool.Rows.anImage;

import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * The packaged service is killed while it builds, in three phases, uploads and deletes. The next
 * start, at once, needs no hand.
 */
@RunsBesideOthers
class CrashIT {
  private static final long EIGHT_GIB = 8L << 30;

  private static ServiceProcess service;
  private static Http.Answer inRoot;
  private static Http.Answer inInstall;
  private static Http.Answer inFinalise;
  private static Http.Answer upload;
  private static long dibImageToDelete;
  private static long imageToDelete;
  private static long nodeToDelete;
  private static long foreign;

  @BeforeAll
  static void kill_it_and_start_it_again() throws Exception {
    service =
        ServiceProcess.in("crash")
            .replace("api.yaml", "build_workers: 3", "build_workers: 3, max_attempts: 1")
            .start();
    Http http = service.http();
    foreign = dibImage("slow-root", "/elsewhere/slow-root-1416832000", 1);
    inRoot = http.post("/v1/dib_images/slow-root/build");
    inInstall = http.post("/v1/dib_images/slow-install/build");
    inFinalise = http.post("/v1/dib_images/slow-finalise/build");
    service.awaitLog(inRoot.job(), "slow-root sleeping");
    service.awaitLog(inInstall.job(), "slow-install sleeping");
    service.awaitLog(inFinalise.job(), "slow-finalise sleeping");
    upload = uploadOf(hugeDibImage());
    Poll.until(
        "a part of it is there",
        () -> service.names("raw-provider").stream().anyMatch(name -> name.endsWith(".raw.part")));

    service.signal("STOP"); // so that it has no time for what is put into its hands now
    deletionsUnderWay();
    service.kill9();

    assertThat(service.names("var/builds")).hasSize(3);
    assertThat(service.remains("var/builds"))
        .anyMatch(remains -> remains.contains("/dev/pts"))
        .anyMatch(remains -> remains.startsWith("loop device"))
        .anyMatch(remains -> remains.startsWith("process"));
    assertThat(service.names("raw-provider")).hasSize(2); // a part, and what is known of it
    service.start();
  }

  @AfterAll
  static void end() {
    service.close();
  }

  @Test
  void builds_have_failed_and_say_why() throws Exception {
    for (Http.Answer build : List.of(inRoot, inInstall, inFinalise)) {
      assertThat(get(build.location()).getString("state")).isEqualTo("failed");
      assertHasFailed(build.job());
    }
  }

  @Test
  void nothing_of_the_builds_is_left() throws Exception {
    assertThat(service.remains("var/builds")).isEmpty();
    assertThat(service.names("var/builds")).isEmpty();
    assertThat(service.names("images")).noneMatch(name -> name.startsWith("slow"));
  }

  @Test
  void the_upload_has_failed_and_the_provider_has_nothing_of_it() throws Exception {
    assertThat(get(upload.location()).getString("state")).isEqualTo("failed");
    assertHasFailed(upload.job());
    assertThat(service.names("raw-provider")).isEmpty();
  }

  @Test
  void deletions_are_finished() throws Exception {
    service.awaitGone("/v1/dib_images/" + dibImageToDelete);
    service.awaitGone("/v1/images/" + imageToDelete);
    service.awaitGone("/v1/nodes/" + nodeToDelete);

    assertThat(service.names("images")).noneMatch(name -> name.startsWith("unlisted"));
    assertThat(service.names("provider")).noneMatch(name -> name.startsWith("to-delete"));
  }

  @Test
  void a_row_that_somebody_else_is_building_stays() throws Exception {
    assertThat(get("/v1/dib_images/" + foreign).getString("state")).isEqualTo("building");
  }

  @Test
  void a_build_of_the_same_name_can_begin_again() throws Exception {
    Http.Answer again = service.http().post("/v1/dib_images/slow-root/build");

    assertThat(again.status()).isEqualTo(201);
    service.awaitLog(again.job(), "slow-root sleeping");
    assertThat(service.http().delete(again.location()).status()).isEqualTo(204);
    service.awaitGone(again.location());
  }

  /** A file of zeros that takes seconds to copy, and hardly a block on the disk. */
  private static long hugeDibImage() throws Exception {
    Path file = Files.createDirectories(service.dir().resolve("images")).resolve("tiny-1416832000");
    long id = dibImage("tiny", file.toString(), 2);
    try (RandomAccessFile huge = new RandomAccessFile(file + ".raw", "rw")) {
      huge.setLength(EIGHT_GIB);
    }
    // it never comes to the checksum
    aDibFile(id).with("type", "raw").with("size", EIGHT_GIB).in(service);
    return id;
  }

  private static Http.Answer uploadOf(long dibImage) throws IOException {
    Http.Answer upload =
        service
            .http()
            .post("/v1/dib_images/tiny/upload", "provider_name=raw-directory&image_name=first");
    assertThat(upload.status()).as("upload of dib image %s: %s", dibImage, upload).isEqualTo(201);
    return upload;
  }

  private static void deletionsUnderWay() throws IOException {
    Path file = service.dir().resolve("images/unlisted-1416832000");
    Files.writeString(Path.of(file + ".qcow2"), "");
    dibImageToDelete = dibImage("unlisted", file.toString(), 4);
    running("delete-dib-image", "/v1/dib_images/" + dibImageToDelete, dibImageToDelete);

    Path provider = Files.createDirectories(service.dir().resolve("provider"));
    Files.writeString(provider.resolve("to-delete.qcow2"), "");
    Files.writeString(provider.resolve("to-delete.qcow2.json"), "");
    imageToDelete = anImage().externalId("to-delete.qcow2").state(4).in(service);
    running("delete-image", "/v1/images/" + imageToDelete, null);

    nodeToDelete = aNode().state(4).in(service);
    running("delete-node", "/v1/nodes/" + nodeToDelete, null);
  }

  private static long dibImage(String name, String filename, int state) throws IOException {
    return aDibImage().image(name).with("filename", filename).state(state).in(service);
  }

  /** A job that this installation has begun. */
  private static void running(String kind, String subject, Long dibImage) throws IOException {
    aJob()
        .kind(kind)
        .subject(subject)
        .provider("directory")
        .dibImage(dibImage)
        .begunBy(
            Installation.hostName(),
            Files.readString(service.dir().resolve("var/installation")).strip())
        .in(service);
  }

  private static JsonObject get(String path) throws IOException {
    return service.http().get(path).json();
  }

  private static void assertHasFailed(String job) throws IOException {
    assertThat(get(job).getString("state")).isEqualTo("failed");
    assertThat(get(job).getString("error"))
        .isEqualTo(
            "The worker on host %s was gone before it had ended.".formatted(Installation.hostName())
                + " It is not tried again (jobs.max_attempts: 1).");
  }
}
