package org.nodepool.jobs;

import io.vertx.core.Future;
import java.util.List;
import java.util.Optional;
import java.util.function.LongFunction;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.Problem;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;

/** Cancels jobs that have not ended, and does again what failed or was cancelled. Thread-safe. */
public final class Jobs {
  private final Database db;
  private final SnapshotImageTable images;
  private final DibImageTable dibImages;
  private final JobTable jobs;
  private final Builds builds;
  private final Uploads uploads;
  private final Deletions deletions;
  private final EarlyEnds earlyEnds;
  private final Knock knock;

  public Jobs(
      Database db,
      SnapshotImageTable images,
      DibImageTable dibImages,
      JobTable jobs,
      Builds builds,
      Uploads uploads,
      Deletions deletions,
      Knock knock) {
    this.db = db;
    this.images = images;
    this.dibImages = dibImages;
    this.jobs = jobs;
    this.builds = builds;
    this.uploads = uploads;
    this.deletions = deletions;
    this.earlyEnds = new EarlyEnds(jobs);
    this.knock = knock;
  }

  /**
   * Does again, by a new job, what a job could not do. An upload sends the same dib image; an
   * update does too if that is ready, and builds no other. Fails with {@link Problem.NotFound};
   * with {@link Problem.WrongState} unless the job failed or was cancelled; as the operation that
   * it does again; and with {@link Problem.Conflict} when what it is about is gone.
   */
  public Future<Ticket> retry(long id) {
    return jobs.get(id)
        .compose(
            job -> {
              if (job.state() != JobState.FAILED && job.state() != JobState.CANCELLED) {
                throw new Problem.WrongState(
                    "Job %d is %s; only what failed or was cancelled can be tried again."
                        .formatted(id, job.state()));
              }
              return again(job);
            });
  }

  private Future<Ticket> again(Job job) {
    return switch (job.kind()) {
      case BUILD -> builds.build(job.imageName());
      case UPLOAD -> uploads.uploadAgain(job);
      case UPDATE -> uploads.updateAgain(job);
      case DELETE_NODE -> deleteAgain(job, id -> deletions.deleteNode(id, node -> {}));
      case DELETE_IMAGE -> deleteAgain(job, id -> deletions.deleteImage(id, image -> {}));
      case DELETE_DIB_IMAGE -> deleteAgain(job, id -> deletions.deleteDibImage(id, image -> {}));
    };
  }

  private static Future<Ticket> deleteAgain(Job job, LongFunction<Future<Ticket>> deletion) {
    return deletion
        .apply(job.subject().id())
        .recover(
            e ->
                Future.failedFuture(
                    e instanceof Problem.NotFound
                        ? new Problem.Conflict(
                            "%s is gone: there is nothing left to delete.".formatted(job.subject()))
                        : e));
  }

  /**
   * Ends a job that waits, with the row that it was making; has one that runs ended in the same
   * way. Fails with {@link Problem.NotFound}, or with {@link Problem.WrongState} when it has ended
   * or removes something.
   *
   * @return the job as it then is: ended, or to be ended by whoever runs it
   */
  public Future<Job> cancel(long id) {
    return db.transaction(
            Failpoint.CANCEL,
            tx ->
                jobs.find(tx, id)
                    .map(seen -> mayBeCancelled(seen, id))
                    // the pool's row before the job's
                    .compose(seen -> lockMade(tx, seen))
                    .compose(v -> jobs.lock(tx, id))
                    .map(row -> mayBeCancelled(row, id))
                    .compose(job -> cancel(tx, job))
                    .compose(v -> jobs.find(tx, id))
                    .map(Optional::orElseThrow))
        .map(knock::after);
  }

  private Future<Void> cancel(Tx tx, Job job) {
    return earlyEnds
        .all(tx, List.of(job))
        .compose(
            v ->
                job.state() == JobState.QUEUED
                    ? discardMade(tx, job)
                    : Future.succeededFuture()); // whoever runs it does that
  }

  private static Job mayBeCancelled(Optional<Job> row, long id) {
    Job job = row.orElseThrow(() -> Problem.NotFound.row("job", id));
    if (job.finished() != null) {
      throw new Problem.WrongState(
          "Job %d has ended already: it is %s.".formatted(id, job.state()));
    }
    if (job.kind().deletes()) {
      throw new Problem.WrongState(
          job.subject().what() == What.DIB_IMAGE
              ? "Job %d deletes %s; what was begun to be deleted cannot be kept. Wait for its end."
                  .formatted(id, job.subject())
              : ("Job %d deletes %s; what was begun to be deleted cannot be kept. Wait for its end,"
                      + " or have the record alone removed: DELETE %2$s?record_only=true")
                  .formatted(id, job.subject()));
    }
    return job;
  }

  private Future<?> lockMade(Tx tx, Job job) {
    if (!job.kind().makes()) {
      return Future.succeededFuture();
    }
    Subject made = job.subject();
    return switch (made.what()) {
      case DIB_IMAGE -> dibImages.lock(tx, made.id());
      case IMAGE -> images.lock(tx, made.id());
      case NODE -> throw new IllegalStateException("no job makes nodes: " + job.named());
    };
  }

  private Future<Void> discardMade(Tx tx, Job job) {
    if (!job.kind().makes()) {
      return Future.succeededFuture();
    }
    Subject made = job.subject();
    return switch (made.what()) {
      case DIB_IMAGE -> dibImages.discard(tx, made.id());
      case IMAGE -> images.discard(tx, made.id());
      case NODE -> throw new IllegalStateException("no job makes nodes: " + job.named());
    };
  }
}
