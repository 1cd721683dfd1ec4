package org.nodepool.provider.directory;

import io.vertx.core.Future;
import io.vertx.core.WorkerExecutor;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.NoSuchAlgorithmException;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Failpoint;
import org.nodepool.provider.CallNotes;
import org.nodepool.provider.Driver;
import org.nodepool.provider.ImageStore;
import org.nodepool.provider.files.FileDigests;

/**
 * A directory that holds images as a cloud would: {@code <name>-<uuid>.<type>}, whole or not there
 * at all, and beside it {@code <that>.json} with what is known of it. The external id is the file's
 * name.
 */
final class DirectoryImages implements ImageStore {
  private static final Pattern EXTERNAL_ID = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]*");
  private static final int BUFFER_BYTES = 1 << 20;
  private static final String PART = ".part";
  private static final String SHA_256 = "SHA-256";

  private final String provider;
  private final Path directory;
  private final WorkerExecutor executor;
  private final CallNotes notes;

  DirectoryImages(String provider, Path directory, Driver.Tools tools) {
    this.provider = provider;
    this.directory = directory;
    this.executor = tools.executor();
    this.notes = tools.notes();
  }

  @Override
  public Future<Void> upload(Upload upload, Observer observer) {
    String externalId = "%s-%s.%s".formatted(upload.name(), upload.uuid(), upload.type());
    return observer
        .created(externalId)
        .compose(v -> blocking("write to", () -> write(upload, externalId, observer)));
  }

  @Override
  public Future<Void> delete(String externalId) {
    return blocking(
        "delete from",
        () -> {
          Path file = file(externalId);
          Failpoint.DELETE_COPY.before();
          Files.deleteIfExists(file);
          Files.deleteIfExists(sidecar(file));
          Failpoint.DELETE_COPY.after();
          if (Files.isDirectory(directory)) {
            sync(directory);
          }
        });
  }

  @Override
  public Future<Void> deleteLeftovers(String uuid) {
    return blocking(
        "delete from",
        () -> {
          Failpoint.DELETE_LEFTOVERS.before();
          try (DirectoryStream<Path> files =
              Files.newDirectoryStream(directory, "*" + uuid + "*")) {
            for (Path file : files) {
              Files.deleteIfExists(file);
            }
          } catch (NoSuchFileException e) {
            // no directory, no leftovers
          }
          Failpoint.DELETE_LEFTOVERS.after();
        });
  }

  private void write(Upload upload, String externalId, Observer observer)
      throws IOException, NoSuchAlgorithmException {
    upload.checkThere();
    Files.createDirectories(directory);
    Path file = file(externalId);
    Path part = file.resolveSibling(file.getFileName() + PART);
    Failpoint.WRITE_COPY.before();
    copy(upload, part, observer);
    Failpoint.WRITE_COPY.after();
    verify(upload, part, observer);
    Failpoint.PUBLISH_COPY.before();
    Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
    Failpoint.PUBLISH_COPY.after();
    Failpoint.WRITE_SIDECAR.before();
    writeSidecar(upload, sidecar(file));
    Failpoint.WRITE_SIDECAR.after();
    sync(directory);
  }

  private static void copy(Upload upload, Path target, Observer observer) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
    try (FileChannel in = FileChannel.open(upload.file(), StandardOpenOption.READ);
        FileChannel out =
            FileChannel.open(target, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      long copied = 0;
      while (in.read(buffer) >= 0) {
        observer.checkGoesOn();
        buffer.flip();
        copied += buffer.limit();
        while (buffer.hasRemaining()) {
          out.write(buffer);
        }
        buffer.clear();
        observer.sent(Math.min(1.0, (double) copied / Math.max(1, upload.sizeBytes())));
      }
      out.force(true);
    }
  }

  /** Reads back what was written: the promise is about the copy, not about the source. */
  private static void verify(Upload upload, Path copy, Observer observer)
      throws IOException, NoSuchAlgorithmException {
    FileDigests copied = FileDigests.of(copy, observer, SHA_256);
    if (copied.sizeBytes() != upload.sizeBytes()) {
      throw new ProviderFailure(
          "The copy has %d bytes, the build had %d."
              .formatted(copied.sizeBytes(), upload.sizeBytes()));
    }
    String sha256 = copied.hex().get(SHA_256);
    if (!sha256.equals(upload.sha256())) {
      throw new ProviderFailure(
          "The copy's SHA-256 is %s, the build's was %s.".formatted(sha256, upload.sha256()));
    }
  }

  private void writeSidecar(Upload upload, Path sidecar) throws IOException {
    JsonObject json =
        new JsonObject()
            .put("name", upload.name())
            .put("type", upload.type())
            .put("size", upload.sizeBytes())
            .put("sha256", upload.sha256())
            .put("dib_image_id", upload.dibImageId())
            .put("meta", new JsonObject(new TreeMap<>(upload.meta())));
    Path part = sidecar.resolveSibling(sidecar.getFileName() + PART);
    Files.writeString(part, json.encodePrettily() + "\n", StandardCharsets.UTF_8);
    sync(part);
    Files.move(part, sidecar, StandardCopyOption.ATOMIC_MOVE);
  }

  /** The id comes from a row: it must not lead out of the directory. */
  private Path file(String externalId) {
    if (!EXTERNAL_ID.matcher(externalId).matches()) {
      throw new ProviderFailure(
          "'%s' is not the name of an image in provider %s."
              .formatted(externalId.replaceAll("\\p{Cntrl}", "?"), provider));
    }
    return directory.resolve(externalId);
  }

  private static Path sidecar(Path file) {
    return file.resolveSibling(file.getFileName() + ".json");
  }

  private static void sync(Path path) throws IOException {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  private interface Blocking {
    void run() throws IOException, NoSuchAlgorithmException;
  }

  private Future<Void> blocking(String act, Blocking work) {
    return executor
        .<Void>executeBlocking(
            () -> {
              try {
                work.run();
                return null;
              } catch (IOException e) {
                throw new ProviderAway(
                    "Provider %s cannot %s its directory: %s (%s)."
                        .formatted(provider, act, e.getMessage(), e.getClass().getSimpleName()),
                    e);
              }
            },
            false)
        .onSuccess(v -> notes.succeeded(provider))
        .onFailure(e -> notes.failed(provider, e.getMessage()));
  }
}
