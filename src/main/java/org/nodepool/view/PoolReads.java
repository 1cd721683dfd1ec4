package org.nodepool.view;

import io.vertx.core.Future;
import java.util.Comparator;
import java.util.List;
import org.nodepool.model.DibImage;
import org.nodepool.model.Job;
import org.nodepool.model.Node;
import org.nodepool.model.Resource;
import org.nodepool.model.SnapshotImage;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.NodeTable;
import org.nodepool.store.SnapshotImageTable;

/**
 * Answers every read of the pool, from database state that was read after the request arrived.
 * Lists are in the contract's order, by code point. One object fails with {@link
 * org.nodepool.model.Problem.NotFound} when there is none.
 */
public final class PoolReads {
  private final NodeTable nodes;
  private final SnapshotImageTable images;
  private final DibImageTable dibImages;
  private final JobTable jobs;

  public PoolReads(
      NodeTable nodes, SnapshotImageTable images, DibImageTable dibImages, JobTable jobs) {
    this.nodes = nodes;
    this.images = images;
    this.dibImages = dibImages;
    this.jobs = jobs;
  }

  public Future<Representation> nodes() {
    return nodes.list().map(rows -> list(rows, Node.LIST_ORDER));
  }

  public Future<Representation> node(long id) {
    return nodes.get(id).map(PoolReads::one);
  }

  public Future<Representation> images() {
    return images.list().map(rows -> list(rows, SnapshotImage.LIST_ORDER));
  }

  public Future<Representation> image(long id) {
    return images.get(id).map(PoolReads::one);
  }

  public Future<Representation> dibImages() {
    return dibImages.list().map(rows -> list(rows, DibImage.LIST_ORDER));
  }

  public Future<Representation> dibImage(long id) {
    return dibImages.get(id).map(PoolReads::one);
  }

  public Future<Representation> jobs() {
    return jobs.list().map(rows -> list(rows, Job.LIST_ORDER));
  }

  public Future<Representation> job(long id) {
    return jobs.get(id).map(PoolReads::one);
  }

  private static <T extends Resource> Representation list(List<T> rows, Comparator<T> order) {
    return new Representation(Json.array(rows.stream().sorted(order).toList()), Json.CONTENT_TYPE);
  }

  private static Representation one(Resource row) {
    return new Representation(Json.object(row), Json.CONTENT_TYPE);
  }
}
