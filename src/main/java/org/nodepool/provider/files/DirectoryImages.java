package org.nodepool.provider.files;

import io.vertx.core.Future;
import io.vertx.core.WorkerExecutor;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Mark;
import org.nodepool.provider.CallNotes;
import org.nodepool.provider.Driver;
import org.nodepool.provider.ImageStore;

/**
 * A directory that holds images as a cloud would: {@code <name>-<uuid>.<type>}, whole or not there
 * at all, and beside it its {@link Sidecar}, which is there from before the first byte of the copy,
 * {@code <that>.part}, to after the last: so whatever is left of an image is known by its mark. The
 * external id is the image's file name.
 */
public final class DirectoryImages implements ImageStore {
  private static final Pattern EXTERNAL_ID = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]*");
  private static final int BUFFER_BYTES = 1 << 20;
  private static final String SHA_256 = "SHA-256";

  private final String provider;
  private final Path directory;
  private final WorkerExecutor executor;
  private final CallNotes notes;

  public DirectoryImages(String provider, Path directory, Driver.Tools tools) {
    this.provider = provider;
    this.directory = directory;
    this.executor = tools.executor();
    this.notes = tools.notes();
  }

  @Override
  public Future<Void> upload(Upload upload, Observer observer) {
    String externalId = externalId(upload.image(), upload.type());
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
          Files.deleteIfExists(part(file));
          Files.deleteIfExists(Sidecar.draftOf(file));
          Files.deleteIfExists(Sidecar.of(file));
          Failpoint.DELETE_COPY.after();
          if (Files.isDirectory(directory)) {
            Sidecar.sync(directory);
          }
          return null;
        });
  }

  @Override
  public Future<Void> deleteLeftovers(Mark mark) {
    return blocking(
        "delete from",
        () -> {
          Failpoint.DELETE_LEFTOVERS.before();
          List<Path> sidecars = new ArrayList<>();
          try (DirectoryStream<Path> files =
              Files.newDirectoryStream(directory, "*" + mark.attempt() + "*")) {
            for (Path file : files) {
              if (isOthers(file, mark)) {
                continue;
              }
              if (file.toString().endsWith(Sidecar.SUFFIX)) {
                sidecars.add(file);
              } else {
                Files.deleteIfExists(file);
              }
            }
          } catch (NoSuchFileException e) {
            // no directory, no leftovers
          }
          for (Path sidecar : sidecars) {
            Files.deleteIfExists(sidecar);
          }
          Failpoint.DELETE_LEFTOVERS.after();
          return null;
        });
  }

  private static boolean isOthers(Path file, Mark mark) throws IOException {
    return Sidecar.mark(Sidecar.imageOf(file)).filter(of -> !of.isOfDatabaseOf(mark)).isPresent();
  }

  @Override
  public Future<List<StoredImage>> list(Predicate<String> isOurName) {
    return blocking("list", () -> DirectoryListing.of(directory, provider));
  }

  private Void write(Upload upload, String externalId, Observer observer)
      throws IOException, NoSuchAlgorithmException {
    upload.checkThere();
    Path part = begin(externalId, upload.image(), Sidecar.of(upload));
    Failpoint.WRITE_COPY.before();
    copy(upload, part, observer);
    Failpoint.WRITE_COPY.after();
    verify(upload, part, observer);
    publish(externalId);
    return null;
  }

  /** The external id that an image is to have. */
  public String externalId(NewImage image, String type) {
    return "%s-%s.%s".formatted(image.name(), image.mark().attempt(), type);
  }

  /**
   * Where the file of a new image is to be written, for {@link #publish}; what is known of it is
   * written already. Blocks.
   *
   * @param known besides the image's own
   */
  public Path begin(String externalId, NewImage image, JsonObject known) throws IOException {
    Files.createDirectories(directory);
    Path file = file(externalId);
    Failpoint.WRITE_SIDECAR.before();
    Sidecar.write(image, known, file);
    Failpoint.WRITE_SIDECAR.after();
    return part(file);
  }

  /** The file is whole and on the disk: from now on it is the image. Blocks. */
  public void publish(String externalId) throws IOException {
    Path file = file(externalId);
    Failpoint.PUBLISH_COPY.before();
    Files.move(part(file), file, StandardCopyOption.ATOMIC_MOVE);
    Failpoint.PUBLISH_COPY.after();
    Sidecar.sync(directory);
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

  /**
   * The file of that image, which need not be there. The id comes from a row: it must not lead out
   * of the directory.
   *
   * @throws ProviderFailure when it would
   */
  public Path file(String externalId) {
    if (!EXTERNAL_ID.matcher(externalId).matches()) {
      throw new ProviderFailure(
          "'%s' is not the name of an image in provider %s."
              .formatted(externalId.replaceAll("\\p{Cntrl}", "?"), provider));
    }
    return directory.resolve(externalId);
  }

  /** The copy while it is written. */
  private static Path part(Path file) {
    return file.resolveSibling(file.getFileName() + ".part");
  }

  private <T> Future<T> blocking(String act, Callable<T> work) {
    return executor
        .executeBlocking(
            () -> {
              try {
                return work.call();
              } catch (DirectoryIteratorException e) {
                throw away(act, e.getCause());
              } catch (IOException e) {
                throw away(act, e);
              }
            },
            false)
        .onSuccess(v -> notes.succeeded(provider))
        .onFailure(e -> notes.failed(provider, e.getMessage()));
  }

  private ProviderAway away(String act, IOException e) {
    return new ProviderAway(
        "Provider %s cannot %s its directory: %s (%s)."
            .formatted(provider, act, e.getMessage(), e.getClass().getSimpleName()),
        e);
  }
}
