package org.nodepool.provider.files;

import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.TreeMap;
import org.nodepool.model.Mark;
import org.nodepool.provider.ImageStore.NewImage;
import org.nodepool.provider.ImageStore.Upload;

/**
 * What is known of an image, in a file beside it, {@code <its name>.json}: there before the image,
 * and gone after it. All of it blocks.
 */
final class Sidecar {
  static final String SUFFIX = ".json";

  /** Far more than is ever written. */
  private static final long MOST_BYTES = 1 << 16;

  private Sidecar() {}

  static Path of(Path image) {
    return image.resolveSibling(image.getFileName() + SUFFIX);
  }

  /** The image whose file, or part of it, or sidecar that is. */
  static Path imageOf(Path file) {
    String name = file.getFileName().toString();
    return file.resolveSibling(name.replaceFirst("\\.part$", "").replaceFirst("\\.json$", ""));
  }

  /** Where it is while it is written. */
  static Path draftOf(Path image) {
    return image.resolveSibling(image.getFileName() + SUFFIX + ".part");
  }

  /** What is known of an upload's file. */
  static JsonObject of(Upload upload) {
    return new JsonObject()
        .put("type", upload.type())
        .put("size", upload.sizeBytes())
        .put("sha256", upload.sha256())
        .put("dib_image_id", upload.dibImageId());
  }

  /**
   * Writes that of an image which is to be made, all at once.
   *
   * @param known what else is known of it
   */
  static void write(NewImage of, JsonObject known, Path image) throws IOException {
    JsonObject json =
        new JsonObject()
            .put("name", of.name())
            .mergeIn(known)
            .put("database", of.mark().database())
            .put("subject", of.mark().subject().path())
            .put("attempt", of.mark().attempt())
            .put("meta", new JsonObject(new TreeMap<>(of.meta())));
    Path draft = draftOf(image);
    Files.writeString(draft, json.encodePrettily() + "\n", StandardCharsets.UTF_8);
    sync(draft);
    Files.move(draft, of(image), StandardCopyOption.ATOMIC_MOVE);
    sync(image.getParent());
  }

  /** Empty when there is none, or none that is whole. */
  static Optional<Mark> mark(Path image) throws IOException {
    Path file = of(image);
    try {
      if (!Files.isRegularFile(file) || Files.size(file) > MOST_BYTES) {
        return Optional.empty();
      }
      JsonObject json = new JsonObject(Files.readString(file, StandardCharsets.UTF_8));
      return Mark.parse(
          json.getValue("database"), json.getValue("subject"), json.getValue("attempt"));
    } catch (NoSuchFileException e) { // deleted meanwhile
      return Optional.empty();
    } catch (DecodeException | CharacterCodingException e) {
      return Optional.empty();
    }
  }

  /** Lets what was written, or a directory's entries, outlive the machine's power. */
  static void sync(Path path) throws IOException {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }
}
