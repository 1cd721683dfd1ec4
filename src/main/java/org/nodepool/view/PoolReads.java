package org.nodepool.view;

import static java.util.stream.Collectors.toMap;

import io.vertx.core.Future;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.nodepool.model.DibImage;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.Node;
import org.nodepool.model.ProviderCall;
import org.nodepool.model.SnapshotImage;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.NodeTable;
import org.nodepool.store.ProviderCallTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.WorkerTable;

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
  private final WorkerTable workers;
  private final ProviderCallTable providerCalls;
  private final Supplier<List<PoolProvider>> providers;
  private final Clock clock;

  /**
   * @param workers who could run the jobs
   * @param providers of the configuration as it is now, in the order of the file
   * @param clock what the ages in tables count from, and pauses last by
   */
  public PoolReads(
      NodeTable nodes,
      SnapshotImageTable images,
      DibImageTable dibImages,
      JobTable jobs,
      AttemptTable attempts,
      WorkerTable workers,
      ProviderCallTable providerCalls,
      Supplier<List<PoolProvider>> providers,
      Clock clock) {
    this.nodes = nodes;
    this.images = images;
    this.dibImages = dibImages;
    this.jobs = jobs;
    this.attempts = attempts;
    this.workers = workers;
    this.providerCalls = providerCalls;
    this.providers = providers;
    this.clock = clock;
  }

  public Future<Page> nodes(Query<Node> query) {
    return nodes.list().map(rows -> query.answer(rows, clock.instant()));
  }

  public Future<Representation> node(long id) {
    return nodes.get(id).map(Kind.NODE::one);
  }

  public Future<Page> images(Query<SnapshotImage> query) {
    return images.list().map(rows -> query.answer(rows, clock.instant()));
  }

  public Future<Representation> image(long id) {
    return images.get(id).map(Kind.SNAPSHOT_IMAGE::one);
  }

  public Future<Page> dibImages(Query<DibImage> query) {
    return dibImages.list().map(rows -> query.answer(rows, clock.instant()));
  }

  public Future<Representation> dibImage(long id) {
    return dibImages.get(id).map(Kind.DIB_IMAGE::one);
  }

  public Future<Page> jobs(Query<Job> query) {
    return jobs.list()
        .compose(rows -> explained(rows, rows))
        .map(rows -> query.answer(rows, clock.instant()));
  }

  /** The job as people see it: one that is queued says what it waits for. */
  public Future<Job> job(long id) {
    return jobs.get(id)
        .compose(
            row ->
                row.state() == JobState.QUEUED
                    ? jobs.unfinished().compose(all -> explained(List.of(row), all))
                    : Future.succeededFuture(List.of(row)))
        .map(rows -> rows.get(0));
  }

  /**
   * The rows as people see them, in the same order.
   *
   * @param all at least the jobs that have not ended
   */
  private Future<List<Job>> explained(List<Job> rows, List<Job> all) {
    if (rows.stream().noneMatch(row -> row.state() == JobState.QUEUED)) {
      return Future.succeededFuture(rows);
    }
    List<Job> unfinished = all.stream().filter(job -> job.finished() == null).toList();
    return workers
        .list()
        .map(
            known -> {
              Waiting waiting = new Waiting(unfinished, known, clock.instant());
              return rows.stream().map(waiting::explained).toList();
            });
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

  /** The providers that are configured, each with the newest call to it. */
  public Future<Representation> providers() {
    return providerCalls.list().map(calls -> shown(providers.get(), calls));
  }

  private static Representation shown(List<PoolProvider> providers, List<ProviderCall> calls) {
    Map<String, ProviderCall> last = calls.stream().collect(toMap(ProviderCall::provider, c -> c));
    return new Representation(Json.providers(providers, last), Json.CONTENT_TYPE);
  }
}
