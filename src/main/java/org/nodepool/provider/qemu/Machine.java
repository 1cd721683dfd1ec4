package org.nodepool.provider.qemu;

import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonObject;
import java.time.Instant;
import java.util.Optional;
import org.nodepool.model.Mark;

/**
 * What is known of a machine from before its start: its file {@code server}.
 *
 * @param imageId the file that it began with
 * @param address where it listens for ssh, with {@code port}
 */
record Machine(
    String name, String imageId, int ramMib, String address, int port, Mark mark, Instant created) {

  String toJson() {
    return new JsonObject()
            .put("name", name)
            .put("image", imageId)
            .put("ram_mib", ramMib)
            .put("address", address)
            .put("port", port)
            .put("database", mark.database())
            .put("subject", mark.subject().path())
            .put("attempt", mark.attempt())
            .put("created", created.getEpochSecond())
            .encodePrettily()
        + "\n";
  }

  /** Empty when it is not what {@link #toJson} writes. */
  static Optional<Machine> of(String json) {
    try {
      JsonObject known = new JsonObject(json);
      return Mark.parse(
              known.getValue("database"), known.getValue("subject"), known.getValue("attempt"))
          .map(
              mark ->
                  new Machine(
                      known.getString("name"),
                      known.getString("image"),
                      known.getInteger("ram_mib"),
                      known.getString("address"),
                      known.getInteger("port"),
                      mark,
                      Instant.ofEpochSecond(known.getLong("created"))));
    } catch (DecodeException | ClassCastException | NullPointerException e) { // of somebody else
      return Optional.empty();
    }
  }
}
