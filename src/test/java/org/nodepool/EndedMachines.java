package org.nodepool;

import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;

/**
 * The directories of machines that have ended, as a provider of driver qemu keeps them.
 *
 * @param directory the provider's
 */
record EndedMachines(Path directory) {

  /** One more; returns its external id. */
  String made(String database, long node) throws IOException {
    String uuid = UUID.randomUUID().toString();
    Files.writeString(
        Files.createDirectories(of(uuid)).resolve("server"),
        mark(database, "/v1/nodes/" + node, UUID.randomUUID().toString())
            .put("name", "a-server")
            .put("image", "an-image")
            .put("ram_mib", 96)
            .put("address", "127.64.0.1")
            .put("port", 2222)
            .put("created", 1_416_745_600)
            .encode());
    return uuid;
  }

  /** The directory of that one. */
  Path of(String externalId) {
    return directory.resolve("servers").resolve(externalId);
  }

  /** What the drivers write beside a thing. */
  static JsonObject mark(String database, String subject, String attempt) {
    return new JsonObject()
        .put("database", database)
        .put("subject", subject)
        .put("attempt", attempt);
  }
}
