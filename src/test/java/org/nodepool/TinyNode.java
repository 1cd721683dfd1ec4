package org.nodepool;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** An image that boots and lets root in: the packaged service builds it, once for each JVM. */
final class TinyNode {
  /** What it is called in {@link SetupIT#POOL}. */
  static final String NAME = "tiny-node";

  private static Path image;

  private TinyNode() {}

  /** Its file, a qcow2. */
  static synchronized Path image() throws Exception {
    if (image == null) {
      try (ServiceProcess service = ServiceProcess.in(NAME).write("nodepool.yaml", SetupIT.POOL)) {
        service.start();
        Http http = service.http();
        Http.Answer update = http.post("/v1/images/tiny-node/update", "provider_name=local");
        service.succeeds(update.job());
        String made = http.get(update.location()).json().getString("external_id");
        service.terminate();
        image =
            Files.copy(
                service.dir().resolve("local").resolve(made),
                Scratch.dir(NAME + ".qcow2"),
                StandardCopyOption.REPLACE_EXISTING);
      }
    }
    return image;
  }
}
