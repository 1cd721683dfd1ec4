package org.nodepool.view;

import io.vertx.core.Future;
import java.time.Clock;
import org.nodepool.model.DibImage;
import org.nodepool.model.Job;
import org.nodepool.model.Node;
import org.nodepool.model.Resource;
import org.nodepool.model.SnapshotImage;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.NodeTable;
import org.nodepool.store.SnapshotImageTable;

/**
 * Answers every read of the pool, from database state that was read after the request arrived. One
 * object fails with {@link org.nodepool.model.Problem.NotFound} when there is none.
 */
public final class PoolReads {
  private final NodeTable nodes;
  private final SnapshotImageTable images;
  private final DibImageTable dibImages;
  private final JobTable jobs;
  private final AttemptTable attempts;
  private final Clock clock;

  /**
   * @param clock what the ages in tables count from
   */
  public PoolReads(
      NodeTable nodes,
      SnapshotImageTable images,
      DibImageTable dibImages,
      JobTable jobs,
      AttemptTable attempts,
      Clock clock) {
    this.nodes = nodes;
    this.images = images;
    this.dibImages = dibImages;
    this.jobs = jobs;
    this.attempts = attempts;
    this.clock = clock;
  }

  public Future<Page> nodes(Query<Node> query) {
    return nodes.list().map(rows -> query.answer(rows, clock.instant()));
  }

  public Future<Representation> node(long id) {
    return nodes.get(id).map(row -> one(Kind.NODE, row));
  }

  public Future<Page> images(Query<SnapshotImage> query) {
    return images.list().map(rows -> query.answer(rows, clock.instant()));
  }

  public Future<Representation> image(long id) {
    return images.get(id).map(row -> one(Kind.SNAPSHOT_IMAGE, row));
  }

  public Future<Page> dibImages(Query<DibImage> query) {
    return dibImages.list().map(rows -> query.answer(rows, clock.instant()));
  }

  public Future<Representation> dibImage(long id) {
    return dibImages.get(id).map(row -> one(Kind.DIB_IMAGE, row));
  }

  public Future<Page> jobs(Query<Job> query) {
    return jobs.list().map(rows -> query.answer(rows, clock.instant()));
  }

  public Future<Representation> job(long id) {
    return jobs.get(id).map(row -> one(Kind.JOB, row));
  }

  /** The attempts at that job, the first one first. */
  public Future<Representation> attempts(long jobId) {
    // then the job: of one that is removed meanwhile there is no empty list
    return attempts
        .of(jobId)
        .compose(
            rows ->
                jobs.get(jobId)
                    .map(
                        job ->
                            new Representation(
                                Json.array(Kind.ATTEMPT_KEYS, rows), Json.CONTENT_TYPE)));
  }

  private static <T extends Resource> Representation one(Kind<T> kind, T row) {
    return new Representation(Json.object(kind.keys(), row), Json.CONTENT_TYPE);
  }
}
