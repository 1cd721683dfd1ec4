package org.nodepool.jobs;

import io.vertx.core.Future;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.nodepool.async.InTurn;
import org.nodepool.config.PoolConfig;
import org.nodepool.model.DibImage;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.JobKind;
import org.nodepool.model.Node;
import org.nodepool.model.Problem;
import org.nodepool.model.Resource;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.State;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.JobTable.Draft;
import org.nodepool.store.NodeTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;

/**
 * Accepts deletions: each method marks the row and makes the job in one transaction, then knocks at
 * the worker verticle. State first, provider next, row last. Checks are in the order of API.md.
 * Thread-safe.
 */
public final class Deletions {
  /**
   * One of the tables, with what is done to a row in a transaction.
   *
   * @param name what a row is called in a sentence
   * @param check throws a {@link Problem.Conflict} for what cannot be deleted now
   * @param lockActive the jobs that have not ended and have to do with it, by id, locked
   * @param endWork ends those of these jobs that cannot go on when the row goes; others are waited
   *     for
   * @param draft the job that deletes it
   */
  private record Deletable<T extends Resource>(
      String name,
      BiFunction<Tx, Long, Future<Optional<T>>> lock,
      Consumer<T> check,
      BiFunction<Tx, T, Future<List<Job>>> lockActive,
      BiFunction<Tx, T, Future<?>> mark,
      EndWork<T> endWork,
      Function<T, Draft> draft) {}

  private interface EndWork<T> {
    Future<?> end(Tx tx, T row, List<Job> active);
  }

  private final Database db;
  private final NodeTable nodeTable;
  private final SnapshotImageTable imageTable;
  private final JobTable jobs;
  private final NewJobs newJobs;
  private final EarlyEnds earlyEnds;
  private final AbandonedImages abandoned;
  private final Supplier<PoolConfig> config;
  private final Knock knock;
  private final Deletable<Node> nodes;
  private final Deletable<SnapshotImage> images;
  private final Deletable<DibImage> dibImages;

  public Deletions(
      Database db,
      NodeTable nodes,
      SnapshotImageTable images,
      DibImageTable dibImages,
      JobTable jobs,
      AttemptTable attempts,
      NewJobs newJobs,
      Supplier<PoolConfig> config,
      Knock knock) {
    this.db = db;
    this.nodeTable = nodes;
    this.imageTable = images;
    this.jobs = jobs;
    this.newJobs = newJobs;
    this.earlyEnds = new EarlyEnds(jobs);
    this.abandoned = new AbandonedImages(images, attempts);
    this.config = config;
    this.knock = knock;
    this.nodes =
        new Deletable<>(
            "node",
            nodes::lock,
            this::checkServerCanBeDeleted,
            (tx, node) -> jobs.lockActive(tx, node.subject()),
            (tx, node) -> nodes.setState(tx, node, State.DELETE),
            (tx, node, active) -> Future.succeededFuture(), // no job makes nodes
            Deletions::draft);
    this.images =
        new Deletable<>(
            "image",
            images::lock,
            image -> checkProviderIsConfigured(image.providerName()),
            (tx, image) -> jobs.lockActive(tx, image.subject()),
            (tx, image) -> images.setState(tx, image, State.DELETE),
            (tx, image, active) -> earlyEnds.all(tx, makersOf(image.subject(), active)),
            Deletions::draft);
    this.dibImages =
        new Deletable<>(
            "dib image",
            dibImages::lock,
            image -> {},
            (tx, image) -> jobs.lockActiveOf(tx, image.id()),
            (tx, image) -> dibImages.setState(tx, image, State.DELETE),
            this::endWork,
            Deletions::draft);
  }

  /**
   * Marks a node for deletion and has it deleted. Fails with {@link Problem.NotFound}, or with
   * {@link Problem.Conflict} when it has a server and its provider is not configured.
   *
   * @param condition is told of the node when it can be deleted; fails with what that throws. So
   *     are those of all deletions here
   */
  public Future<Ticket> deleteNode(long id, Consumer<Node> condition) {
    return delete(nodes, id, condition);
  }

  /** Removes a node's rows at once, whatever its provider holds. Fails as {@link #deleteNode}. */
  public Future<Void> removeNodeRecord(long id, Consumer<Node> condition) {
    return removeRecord(nodes, id, condition, nodeTable::remove);
  }

  /**
   * Marks an image for deletion and has it deleted; work on it is cancelled. Fails with {@link
   * Problem.NotFound}, or with {@link Problem.Conflict} when its provider is not configured.
   */
  public Future<Ticket> deleteImage(long id, Consumer<SnapshotImage> condition) {
    return delete(images, id, condition);
  }

  /** Removes an image's row at once, whatever its provider holds. Fails as {@link #deleteImage}. */
  public Future<Void> removeImageRecord(long id, Consumer<SnapshotImage> condition) {
    return removeRecord(images, id, condition, imageTable::remove);
  }

  /**
   * Marks a dib image for deletion and has it deleted: a build of it is stopped, uploads of it that
   * wait fail, running ones end first. Fails with {@link Problem.NotFound}.
   */
  public Future<Ticket> deleteDibImage(long id, Consumer<DibImage> condition) {
    return delete(dibImages, id, condition);
  }

  /** As {@link #deleteImage} of an image on which nothing works, on our own account. */
  public Future<Ticket> cleanUp(Tx tx, SnapshotImage image) {
    return delete(tx, images, image, List.of(), true);
  }

  /** As {@link #deleteDibImage} of one on which nothing works, on our own account. */
  public Future<Ticket> cleanUp(Tx tx, DibImage image) {
    return delete(tx, dibImages, image, List.of(), true);
  }

  private <T extends Resource> Future<Ticket> delete(
      Deletable<T> rows, long id, Consumer<T> condition) {
    return db.transaction(
            Failpoint.ACCEPT_DELETION,
            tx ->
                lock(tx, rows, id)
                    .compose(
                        row -> {
                          rows.check().accept(row);
                          condition.accept(row);
                          return rows.lockActive()
                              .apply(tx, row)
                              .compose(active -> delete(tx, rows, row, active, false));
                        }))
        .map(knock::after);
  }

  private <T extends Resource> Future<Ticket> delete(
      Tx tx, Deletable<T> rows, T row, List<Job> active, boolean isCleanup) {
    Future<?> marked =
        State.DELETE.toString().equals(row.stateName())
            ? Future.succeededFuture()
            : rows.mark().apply(tx, row);
    return marked
        .compose(v -> rows.endWork().end(tx, row, active))
        .compose(v -> joinOrInsert(tx, active, rows.draft().apply(row), isCleanup));
  }

  /** The deletion that is under way already, or a new one. */
  private Future<Ticket> joinOrInsert(Tx tx, List<Job> active, Draft draft, boolean isCleanup) {
    Optional<Job> underWay = active.stream().filter(job -> job.kind() == draft.kind()).findFirst();
    return underWay.isPresent()
        ? jobs.adopt(tx, underWay.get()).map(Ticket.joined(underWay.get()))
        : newJobs.insert(tx, draft, isCleanup).map(Ticket::started);
  }

  private <T extends Resource> Future<Void> removeRecord(
      Deletable<T> rows, long id, Consumer<T> condition, BiFunction<Tx, T, Future<Void>> remove) {
    return db.transaction(
            Failpoint.REMOVE_RECORD,
            tx ->
                lock(tx, rows, id)
                    .compose(
                        row -> {
                          condition.accept(row);
                          return rows.lockActive()
                              .apply(tx, row)
                              .compose(active -> earlyEnds.all(tx, active))
                              .compose(v -> remove.apply(tx, row));
                        }))
        .map(knock::after);
  }

  private static <T extends Resource> Future<T> lock(Tx tx, Deletable<T> rows, long id) {
    return rows.lock()
        .apply(tx, id)
        .map(row -> row.orElseThrow(() -> Problem.NotFound.row(rows.name(), id)));
  }

  /** A build is stopped, uploads that wait fail, and running ones end first. */
  private Future<?> endWork(Tx tx, DibImage image, List<Job> active) {
    String error = "%s was deleted before it could be uploaded.".formatted(image.path());
    List<Job> waitingUploads =
        active.stream()
            .filter(job -> job.kind().makes() && job.subject().what() == What.IMAGE)
            .filter(job -> job.state() == JobState.QUEUED)
            .toList();
    return earlyEnds
        .all(tx, makersOf(image.subject(), active))
        .compose(
            v ->
                InTurn.each(
                    waitingUploads,
                    (Job job) ->
                        abandoned
                            .abandonQueued(tx, job)
                            .compose(w -> earlyEnds.ofQueued(tx, job, JobState.FAILED, error))));
  }

  private static List<Job> makersOf(Subject subject, List<Job> active) {
    return active.stream()
        .filter(job -> job.kind().makes() && job.subject().equals(subject))
        .toList();
  }

  private static Draft draft(Node node) {
    return new Draft(JobKind.DELETE_NODE, node.subject(), null, node.providerName(), null);
  }

  private static Draft draft(SnapshotImage image) {
    String name = image.imageName();
    return new Draft(JobKind.DELETE_IMAGE, image.subject(), name, image.providerName(), null);
  }

  private static Draft draft(DibImage image) {
    String name = image.imageName();
    return new Draft(JobKind.DELETE_DIB_IMAGE, image.subject(), name, null, image.id());
  }

  private void checkServerCanBeDeleted(Node node) {
    if (node.hasServer()) {
      checkProviderIsConfigured(node.providerName());
    }
  }

  private void checkProviderIsConfigured(String name) {
    if (!config.get().providers().containsKey(name)) {
      throw new Problem.Conflict(
          ("Provider %s is no longer in nodepool.yaml, so what it holds cannot be deleted."
                  + " Put it back, or delete the record alone with ?record_only=true.")
              .formatted(name));
    }
  }
}
