package org.nodepool.provider;

import io.vertx.core.Future;
import java.nio.file.Path;
import java.util.Map;
import org.nodepool.model.AttemptEnd.NotSupportedYet;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;

/**
 * A cloud, or a directory in its place. Every future fails with {@link ProviderFailure} when the
 * provider refuses, with {@link ProviderAway} for a fault that may pass, and with {@link
 * NotSupportedYet} for an act that its driver is still to learn.
 */
public interface Provider {
  /**
   * A file that is to be sent, and the image that it is to become.
   *
   * @param file the verified file; {@code type} its format, as in its name
   * @param sha256 lower case hex
   * @param name what the image is to be called at the provider
   * @param uuid of this attempt; part of the external name, so that leftovers are found by it
   * @param imageId the image's row
   * @param dibImageId the row of the dib image whose file it is
   * @param meta properties to go with the image
   */
  record Upload(
      Path file,
      String type,
      long sizeBytes,
      String sha256,
      String name,
      String uuid,
      long imageId,
      long dibImageId,
      Map<String, String> meta) {}

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
  }

  /** Completes when the provider holds the whole file and its size and checksum are right. */
  Future<Void> upload(Upload upload, Observer observer);

  /** Completes when the provider has no such image, also if it never had. */
  Future<Void> deleteImage(String externalId);

  /** Removes all that an attempt at an upload may have left. */
  Future<Void> deleteLeftovers(String uuid);

  /** Completes when the provider has no such server, also if it never had. */
  Future<Void> deleteServer(String externalId);
}
