package org.nodepool.jobs.image;

import io.vertx.core.Future;
import org.nodepool.jobs.run.JobRun;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.AttemptEnd.NotOurs;
import org.nodepool.model.Failpoint;
import org.nodepool.model.SnapshotImage;
import org.nodepool.provider.ImageStore;
import org.nodepool.store.Database;
import org.nodepool.store.JobTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;

/** Stores what the provider calls an image as soon as it is known, and how far its upload is. */
final class UploadObserver implements ImageStore.Observer {
  private final Database db;
  private final SnapshotImageTable images;
  private final JobTable jobs;
  private final SnapshotImage image;
  private final JobRun run;

  UploadObserver(
      Database db, SnapshotImageTable images, JobTable jobs, SnapshotImage image, JobRun run) {
    this.db = db;
    this.images = images;
    this.jobs = jobs;
    this.image = image;
    this.run = run;
  }

  @Override
  public Future<Void> created(String externalId) {
    run.log().note("the image is %s there".formatted(externalId));
    return db.transaction(Failpoint.EXTERNAL_ID, tx -> store(tx, externalId))
        .map(
            isThere -> {
              if (!isThere) {
                throw new JobFailure("Its image is not in the table any more.");
              }
              return null;
            });
  }

  /** Whether there is such a row. What another worker has taken over is not written. */
  private Future<Boolean> store(Tx tx, String externalId) {
    return images
        .setExternalId(tx, image.id(), externalId)
        .compose(
            isThere ->
                jobs.lockCurrent(tx, run.job())
                    .map(
                        row -> {
                          row.orElseThrow(NotOurs::new);
                          return isThere;
                        }));
  }

  @Override
  public void sent(double fraction) {
    run.progress(fraction, fraction < 1 ? "send" : "verify");
  }

  @Override
  public void note(String line) {
    run.log().note(line);
  }

  @Override
  public boolean isStopped() {
    return run.stopped().isPresent();
  }
}
