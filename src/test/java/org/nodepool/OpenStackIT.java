package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** The packaged service and a real cloud: images larger than its memory. */
class OpenStackIT {
  private static final long GIB = 1L << 30;
  private static final long MIB = 1L << 20;
  private static final Duration LIMIT = Duration.ofMinutes(5);

  @Test
  void an_image_many_times_as_large_as_the_heap_goes_to_the_cloud_whole() throws Exception {
    try (Site site = Site.named("openstack").with(Cloud.shared())) {
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
      assertThat(site.end(build.job(), LIMIT)).isEqualTo("succeeded");
      Path raw =
          Path.of(
              site.text("SELECT filename FROM dib_image WHERE id = ?", Site.id(build.location()))
                  + ".raw");
      assertThat(Files.size(raw)).isGreaterThanOrEqualTo(2 * GIB);

      Http.Answer upload = process.http().post("/v1/dib_images/tiny/upload", "provider_name=cloud");

      assertThat(site.end(upload.job(), LIMIT)).isEqualTo("succeeded");
      Settled.await(site, Duration.ofSeconds(30));
      assertThat(mostMemory(process)).isLessThan(640 * MIB);
      assertThat(process.http().delete(upload.location()).status()).isEqualTo(204);
      Settled.await(site, Duration.ofSeconds(60));
    }
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
