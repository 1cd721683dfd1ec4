package org.nodepool.provider;

import io.vertx.core.Future;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Mark;

/**
 * What holds images for us: a cloud, or a directory in its place. Every future fails with {@link
 * ProviderFailure} when the provider refuses, and with {@link ProviderAway} for a fault that may
 * pass. A deletion that fails may be asked again.
 */
public interface ImageStore {
  /** The longest list: it is held in memory as a whole. */
  int MOST_LISTED = 100_000;

  /**
   * A file that is to be sent, and the image that it is to become.
   *
   * @param file the verified file; {@code type} its format, as in its name
   * @param sha256 lower case hex
   * @param name what the image is to be called at the provider
   * @param mark what the image carries: its row, and this attempt, by whose uuid leftovers are
   *     found
   * @param dibImageId the row of the dib image whose file it is
   * @param meta properties to go with the image
   */
  record Upload(
      Path file,
      String type,
      long sizeBytes,
      String sha256,
      String name,
      Mark mark,
      long dibImageId,
      Map<String, String> meta) {

    /** What it is to become. */
    public NewImage image() {
      return new NewImage(name, mark, meta);
    }

    /**
     * Blocks.
     *
     * @throws ProviderFailure when there is no such file
     */
    public void checkThere() {
      if (!Files.isRegularFile(file)) {
        throw new ProviderFailure(
            "The file of the dib image is gone: %s.".formatted(file.getFileName()));
      }
    }
  }

  /**
   * An image at the provider, or what an attempt at an upload that is under way, or was cut off,
   * has made of one.
   *
   * @param name what it is called there; null when it has no name
   * @param mark null when it has none that is whole: an image of a version before the ids of
   *     databases, or one that others have changed or made of ours. Nobody can tell whose it is, so
   *     it is never removed by itself
   * @param created when the provider first had something of it; null when it does not say
   */
  record StoredImage(String externalId, String name, Mark mark, Instant created) {}

  /**
   * An image that is to be made.
   *
   * @param name what it is to be called at the provider
   * @param mark its attempt's uuid is part of the external name, so that leftovers are found by it
   * @param meta properties to go with the image
   */
  record NewImage(String name, Mark mark, Map<String, String> meta) {}

  /** The caller that waits for an upload. Called from any thread. */
  interface Observer {
    /**
     * The provider has, or will have, an image of this id; the upload goes on once it is stored.
     */
    Future<Void> created(String externalId);

    /** How much has been sent, 0 to 1. */
    void sent(double fraction);

    /** A line for the log of the upload. */
    void note(String line);

    /** Whether the upload is to end, by failing, as soon as it can. */
    boolean isStopped();

    /**
     * @throws ProviderFailure when it is stopped
     */
    default void checkGoesOn() {
      if (isStopped()) {
        throw new ProviderFailure("The upload was stopped.");
      }
    }
  }

  /** Completes when the provider holds the whole file and its size and checksum are right. */
  Future<Void> upload(Upload upload, Observer observer);

  /** Completes when the provider has no such image, also if it never had. */
  Future<Void> delete(String externalId);

  /**
   * Removes all that an attempt at an upload may have left. What carries the mark of another
   * database stays: one is a copy of the other, and has attempts of the same uuids.
   */
  Future<Void> deleteLeftovers(Mark mark);

  /**
   * The images here that carry a mark, whichever database's, or are called as we call them; by
   * external id. At a provider that is on one host alone, those on this host. One that is made or
   * deleted meanwhile may be among them or not. Fails with {@link ProviderFailure} also when there
   * are more images than {@value #MOST_LISTED}, whoever's: a list that is cut short would be taken
   * for the whole.
   *
   * @param isOurName whether we may have called an image so, of a name that may be null; not asked
   *     where external names are ours
   */
  Future<List<StoredImage>> list(Predicate<String> isOurName);
}
