package org.nodepool.jobs;

import io.vertx.core.Future;
import java.util.function.Supplier;
import org.nodepool.config.PoolConfig;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.model.JobKind;
import org.nodepool.model.Problem;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.DuplicateKey;
import org.nodepool.store.JobTable;
import org.nodepool.store.JobTable.Draft;
import org.nodepool.store.Tx;

/**
 * Accepts builds: the rows are written in one transaction, then the worker verticle is knocked at.
 * Thread-safe.
 */
public final class Builds {
  private static final int ATTEMPTS_AT_A_RACE = 3;

  private final Database db;
  private final DibImageTable dibImages;
  private final JobTable jobs;
  private final NewJobs newJobs;
  private final Supplier<PoolConfig> config;
  private final Knock knock;

  public Builds(
      Database db,
      DibImageTable dibImages,
      JobTable jobs,
      NewJobs newJobs,
      Supplier<PoolConfig> config,
      Knock knock) {
    this.db = db;
    this.dibImages = dibImages;
    this.jobs = jobs;
    this.newJobs = newJobs;
    this.config = config;
    this.knock = knock;
  }

  /**
   * Builds a diskimage, or joins the build of it that is queued or running. Fails with {@link
   * Problem.NotFound}, or with {@link Problem.Conflict} when there is nowhere to put it.
   */
  public Future<Ticket> build(String diskImage) {
    PoolConfig current = config.get();
    checkDiskImage(current, diskImage);
    return build(current, diskImage);
  }

  /** As above, of a diskimage that is in that configuration. */
  Future<Ticket> build(PoolConfig current, String diskImage) {
    if (current.imagesDir() == null) {
      throw new Problem.Conflict("images-dir is not set in nodepool.yaml; builds go there.");
    }
    return build(current, diskImage, ATTEMPTS_AT_A_RACE).map(knock::after);
  }

  private Future<Ticket> build(PoolConfig current, String diskImage, int attempts) {
    return jobs.activeBuild(diskImage)
        .compose(
            active ->
                active.isPresent()
                    ? Future.succeededFuture(Ticket.joined(active.get()))
                    : db.transaction(
                            Failpoint.ACCEPT_BUILD, tx -> insertBuild(tx, current, diskImage))
                        .map(Ticket::started))
        // another caller was quicker: the database says which of us makes the build
        .recover(
            e ->
                e instanceof DuplicateKey && attempts > 1
                    ? build(current, diskImage, attempts - 1)
                    : Future.failedFuture(e));
  }

  private Future<Job> insertBuild(Tx tx, PoolConfig current, String diskImage) {
    return dibImages
        .insert(tx, diskImage, current.imagesDir())
        .compose(
            image ->
                newJobs.insert(
                    tx,
                    new Draft(JobKind.BUILD, image.subject(), diskImage, null, image.id()),
                    false));
  }

  static void checkDiskImage(PoolConfig current, String diskImage) {
    if (!current.diskImages().containsKey(diskImage)) {
      throw new Problem.NotFound("Diskimage %s is not configured.".formatted(diskImage));
    }
  }
}
