package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

/** How long a newcomer waits. */
@RunsAlone("it is timed")
class FirstImageIT {
  @Test
  void a_disk_image_is_built_uploaded_and_deleted_within_a_minute() throws Exception {
    try (ServiceProcess service = ServiceProcess.in("first-image").start()) {
      Http http = service.http();
      long began = System.nanoTime();

      Http.Answer build = http.post("/v1/dib_images/tiny/build");
      service.succeeds(build.job());
      Http.Answer upload = http.post("/v1/dib_images/tiny/upload", "provider_name=directory");
      service.succeeds(upload.job());
      http.delete(upload.location());
      service.awaitGone(upload.location());
      http.delete(build.location());
      service.awaitGone(build.location());

      assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofMinutes(1));
    }
  }
}
