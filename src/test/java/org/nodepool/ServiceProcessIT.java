package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aNode;
import static org.nodepool.Rows.anImage;

import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The packaged service at work, and in surroundings that do not let it work. */
@RunsBesideOthers
class ServiceProcessIT {
  private static final String UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";

  private ServiceProcess service;

  @AfterEach
  void end() {
    service.close();
  }

  @Test
  void a_disk_image_is_built_uploaded_and_deleted_and_nothing_is_left() throws Exception {
    service = ServiceProcess.in("walk").start();
    Http http = service.http();

    Http.Answer build = http.post("/v1/dib_images/tiny/build");
    assertThat(build.status()).isEqualTo(201);
    service.succeeds(build.job());
    assertThat(state(build.location())).isEqualTo("ready");
    Poll.until("what was beside is gone", () -> service.names("images").size() == 6);
    assertThat(service.names("images")).allMatch(name -> name.startsWith("tiny-"));

    Http.Answer upload = http.post("/v1/dib_images/tiny/upload", "provider_name=directory");
    assertThat(upload.status()).isEqualTo(201);
    service.succeeds(upload.job());
    JsonObject image = http.get(upload.location()).json();
    assertThat(image.getString("state")).isEqualTo("ready");
    assertIsWhole(image);

    assertThat(http.delete(upload.location()).status()).isEqualTo(204);
    service.awaitGone(upload.location());
    assertThat(service.names("provider")).isEmpty();
    assertThat(http.delete(build.location()).status()).isEqualTo(204);
    service.awaitGone(build.location());
    assertThat(service.names("images")).isEmpty();
    assertThat(http.get(build.job() + "/log").status()).isEqualTo(410);

    assertThat(service.remains("var/builds")).isEmpty();
    assertThat(service.names("var/builds")).isEmpty();
    service.terminate();
    assertThat(service.remains()).isEmpty();
  }

  @Test
  void an_update_builds_and_uploads_and_the_image_before_it_stays() throws Exception {
    service = ServiceProcess.in("update").start();
    Http http = service.http();
    long before = anImage().in(service);

    Http.Answer update = http.post("/v1/images/" + before + "/update", "provider_name=directory");

    assertThat(update.status()).isEqualTo(201);
    service.succeeds(update.job());
    assertIsWhole(http.get(update.location()).json());
    assertThat(http.get("/v1/dib_images").array()).hasSize(1);
    assertThat(state("/v1/dib_images/1")).isEqualTo("ready");
    assertThat(state("/v1/images/" + before)).isEqualTo("ready");
  }

  @Test
  void without_the_image_program_a_build_says_how_to_install_it_and_the_rest_works()
      throws Exception {
    service = ServiceProcess.in("no-image-program");
    // mounts that only this process sees: a file that cannot be executed hides the program
    service
        .launchedBy(
            "unshare",
            "--mount",
            "bash",
            "-c",
            "for p in $(type -ap disk-image-create); do mount --bind $0 $p || exit; done; exec \"$@\"",
            service.config().toString())
        .start();
    Http http = service.http();

    Http.Answer build = http.post("/v1/dib_images/tiny/build");

    assertThat(build.status()).isEqualTo(201);
    JsonObject job = service.ended(build.job());
    assertThat(job.getString("state")).isEqualTo("failed");
    assertThat(job.getString("error"))
        .contains("disk-image-create is not installed")
        .contains("apt-get install")
        .contains("python3-diskimage-builder");
    assertThat(state(build.location())).isEqualTo("failed");
    long node = aNode().in(service);
    assertThat(http.put("/v1/nodes/" + node, "state=hold").status()).isEqualTo(200);
    assertThat(http.delete(build.location()).status()).isEqualTo(204);
    service.awaitGone(build.location());
  }

  @Test
  void an_images_dir_that_cannot_be_written_is_named() throws Exception {
    service = ServiceProcess.in("no-place");
    String below = service.dir().resolve("nodepool.yaml/images").toString();
    service.replace("nodepool.yaml", service.dir().resolve("images").toString(), below).start();

    Http.Answer build = service.http().post("/v1/dib_images/tiny/build");

    JsonObject job = service.ended(build.job());
    assertThat(job.getString("state")).isEqualTo("failed");
    assertThat(job.getString("error")).contains("images-dir").contains(below);
    assertThat(state(build.location())).isEqualTo("failed");
  }

  @Test
  void a_build_waits_for_disk_space_and_says_so_and_begins_when_there_is_enough() throws Exception {
    service =
        ServiceProcess.in("low-disk")
            .replace("api.yaml", "build_workers: 3", "build_workers: 3, disk_floor: 100 MiB");
    Path images = Files.createDirectory(service.dir().resolve("images"));
    ServiceProcess.run("mount", "-t", "tmpfs", "-o", "size=50m", "tmpfs", images.toString());
    try {
      service.start();
      Http http = service.http();

      Http.Answer build = http.post("/v1/dib_images/tiny/build");

      Poll.until(
          "it says what it waits for",
          () -> http.get(build.job()).body().contains("images-dir has 50 MiB free"));
      assertThat(http.get(build.job()).json().getString("phase"))
          .startsWith("position 1; waits for disk space")
          .contains("jobs.disk_floor is 100 MiB");
      assertThat(http.get(build.job()).json().getInteger("attempts")).isZero();
      ServiceProcess.run("mount", "-o", "remount,size=300m", images.toString());
      service.succeeds(build.job());
    } finally {
      ServiceProcess.run("umount", images.toString());
    }
  }

  @Test
  @Tag("long")
  void a_build_on_a_full_disk_says_so_and_leaves_nothing_there() throws Exception {
    service =
        ServiceProcess.in("full-disk")
            .replace("api.yaml", "build_workers: 3", "build_workers: 3, disk_floor: 0");
    Path images = Files.createDirectory(service.dir().resolve("images"));
    ServiceProcess.run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", images.toString());
    try {
      service.start();

      Http.Answer build = service.http().post("/v1/dib_images/tiny/build");

      JsonObject job = service.ended(build.job());
      assertThat(job.getString("state")).isEqualTo("failed");
      assertThat(job.getString("error")).contains("No space left on device");
      assertThat(state(build.location())).isEqualTo("failed");
      assertThat(service.names("images")).isEmpty();
      assertThat(service.names("var/builds")).isEmpty();
      assertThat(service.remains("var/builds")).isEmpty();
    } finally {
      ServiceProcess.run("umount", images.toString());
    }
  }

  @Test
  void a_database_that_is_killed_comes_back_with_every_row() throws Exception {
    service = ServiceProcess.in("database-killed").start();
    aNode().in(service);

    service.databases().forEach(ProcessHandle::destroyForcibly);

    Http http = service.http();
    Poll.until(
        "the database is back",
        () -> {
          Http.Answer read = http.get("/v1/nodes");
          assertThat(read.status()).isIn(200, 503);
          return read.status() == 200;
        });
    assertThat(service.err()).contains("ended by itself", "answers again").doesNotContain("\tat ");
    assertThat(http.get("/v1/nodes").array()).hasSize(1);
    assertThat(http.put("/v1/nodes/1", "state=hold").status()).isEqualTo(200);
    assertThat(service.terminate()).isLessThan(Duration.ofSeconds(10));
    service.start();
    assertThat(service.http().get("/v1/nodes").array()).hasSize(1);
  }

  private String state(String path) throws IOException {
    return service.http().get(path).json().getString("state");
  }

  /** The provider has what the row promises. */
  private void assertIsWhole(JsonObject image) throws Exception {
    assertThat(image.getString("hostname"))
        .isEqualTo("tiny-image.template.example.org-" + image.getLong("version"));
    String name = image.getString("external_id");
    assertThat(name)
        .startsWith(image.getString("hostname") + "-")
        .matches(".*-" + UUID + "\\.qcow2");
    assertThat(service.names("provider")).containsExactly(name, name + ".json");
    Path file = service.dir().resolve("provider").resolve(name);
    JsonObject sidecar = new JsonObject(Files.readString(Path.of(file + ".json")));
    assertThat(sidecar.getString("name")).isEqualTo(image.getString("hostname"));
    assertThat(sidecar.getString("sha256")).isEqualTo(sha256(file));
    assertThat(sidecar.getLong("size")).isEqualTo(Files.size(file));
    assertThat(ServiceProcess.run("qemu-img", "check", file.toString()))
        .contains("No errors were found");
  }

  private static String sha256(Path file) throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    return HexFormat.of().formatHex(digest.digest(Files.readAllBytes(file)));
  }
}
