package org.nodepool.jobs;

import io.vertx.core.Future;
import org.nodepool.model.Job;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;

/**
 * Ends the row of an image that an upload could not make. While anything of an attempt may be left
 * at the provider, the row stays and names it. Thread-safe.
 */
public final class AbandonedImages {
  private final SnapshotImageTable images;
  private final AttemptTable attempts;

  public AbandonedImages(SnapshotImageTable images, AttemptTable attempts) {
    this.images = images;
    this.attempts = attempts;
  }

  /** After an upload that waited, and is not to be begun any more. */
  Future<Void> abandonQueued(Tx tx, Job upload) {
    return abandon(tx, upload, 0, true);
  }

  /**
   * After the latest attempt at an upload.
   *
   * @param isSwept whether nothing is left of that attempt
   */
  public Future<Void> abandonAttempted(Tx tx, Job upload, boolean isSwept) {
    return abandon(tx, upload, upload.attempts(), isSwept);
  }

  /**
   * The row is locked before the attempts are looked at, here as where an attempt is noted as
   * swept: what an earlier one left may just be removed.
   */
  private Future<Void> abandon(Tx tx, Job upload, int attempt, boolean isSwept) {
    long image = upload.subject().id();
    return images
        .lock(tx, image)
        .compose(row -> attempts.areOthersSwept(tx, upload.id(), attempt))
        .compose(others -> images.abandon(tx, image, isSwept && others));
  }
}
