package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The packaged service and a real cloud: images larger than all the memory that it ever has. */
@RunsBesideOthers
class OpenStackIT {
  private static final long MIB = 1L << 20;

  @Test
  @Tag("long")
  void an_image_larger_than_the_memory_goes_to_the_cloud_whole() throws Exception {
    try (Site site = Site.named("openstack").with(Cloud.shared())) {
      ServiceProcess process = site.process("service").jvm("-Xmx64m").start();
      site.awaitReady(process);
      Path bytes = site.images().resolve("any-bytes");
      ServiceProcess.run("bash", "-c", "head -c 400M /dev/urandom >$0", bytes.toString());
      site.readyDibImage("tiny", "raw", Installation.hostName(), bytes);

      upload(site, process);

      assertThat(mostMemory(process)).isLessThan(400 * MIB);
    }
  }

  @Test
  @Tag("long")
  @Timeout(value = 15, unit = TimeUnit.MINUTES) // 2 GiB are built, hashed, sent and hashed again
  void an_image_many_times_as_large_as_the_heap_is_built_and_goes_to_the_cloud_whole()
      throws Exception {
    try (Site site = Site.named("openstack-built").with(Cloud.shared())) {
      ServiceProcess process =
          site.process("service")
              .replace(
                  "nodepool.yaml",
                  "DIB_JOURNAL_SIZE: '4'",
                  "DIB_JOURNAL_SIZE: '4'\n      DIB_IMAGE_SIZE: '2'")
              .jvm("-Xmx256m")
              .start();
      site.awaitReady(process);
      Http.Answer build = process.http().post("/v1/dib_images/tiny/build");
      assertThat(site.end(build.job())).isEqualTo("succeeded");
      String built =
          site.text("SELECT filename FROM dib_image WHERE id = ?", Site.id(build.location()));
      assertThat(Files.size(Path.of(built + ".raw"))).isGreaterThanOrEqualTo(2048 * MIB);

      upload(site, process);

      assertThat(mostMemory(process)).isLessThan(640 * MIB);
    }
  }

  /** Sends it there, looks at what is there, and deletes it. */
  private static void upload(Site site, ServiceProcess process) throws Exception {
    Http.Answer upload = process.http().post("/v1/dib_images/tiny/upload", "provider_name=cloud");
    assertThat(site.end(upload.job())).isEqualTo("succeeded");
    Settled.await(site);
    assertThat(process.http().delete(upload.location()).status()).isEqualTo(204);
    Settled.await(site);
  }

  /** The most that the process ever had in memory; in bytes. */
  private static long mostMemory(ServiceProcess process) throws Exception {
    return Files.readString(Path.of("/proc/%d/status".formatted(process.pid())))
        .lines()
        .filter(line -> line.startsWith("VmHWM:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
        .findFirst()
        .orElseThrow();
  }
}
