package org.nodepool.jobs;

import io.vertx.core.Future;
import io.vertx.core.eventbus.EventBus;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.nodepool.config.PoolConfig;
import org.nodepool.config.PoolConfig.Driver;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.model.DibImage;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.JobKind;
import org.nodepool.model.Node;
import org.nodepool.model.Problem;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.State;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.NodeTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Accepts deletions: each method marks the row and makes the job in one transaction, then knocks at
 * the worker verticle. State first, provider next, row last. Checks are in the order of API.md.
 */
public final class Deletions {
  private static final Logger log = LoggerFactory.getLogger(Deletions.class);

  private final Database db;
  private final NodeTable nodes;
  private final SnapshotImageTable images;
  private final DibImageTable dibImages;
  private final JobTable jobs;
  private final AttemptTable attempts;
  private final Supplier<PoolConfig> config;
  private final EventBus bus;

  public Deletions(
      Database db,
      NodeTable nodes,
      SnapshotImageTable images,
      DibImageTable dibImages,
      JobTable jobs,
      AttemptTable attempts,
      Supplier<PoolConfig> config,
      EventBus bus) {
    this.db = db;
    this.nodes = nodes;
    this.images = images;
    this.dibImages = dibImages;
    this.jobs = jobs;
    this.attempts = attempts;
    this.config = config;
    this.bus = bus;
  }

  /**
   * Marks a node for deletion and has it deleted. Fails with {@link Problem.NotFound}, or with
   * {@link Problem.Conflict} when it has a server and its provider is not configured.
   */
  public Future<Ticket> deleteNode(long id) {
    return db.transaction(
            Failpoint.ACCEPT_DELETION,
            tx ->
                lockNode(tx, id)
                    .compose(
                        node -> {
                          if (node.hasServer()) {
                            checkProviderIsConfigured(node.providerName());
                          }
                          return jobs.lockActive(tx, node.subject())
                              .compose(active -> deleteNode(tx, node, active));
                        }))
        .map(this::knock);
  }

  private Future<Ticket> deleteNode(Tx tx, Node node, List<Job> active) {
    Future<?> marked =
        State.DELETE.equals(node.state())
            ? Future.succeededFuture()
            : nodes.setState(tx, node, State.DELETE);
    return marked.compose(
        v ->
            deletion(
                tx,
                active,
                new JobTable.Draft(
                    JobKind.DELETE_NODE,
                    node.subject(),
                    null,
                    node.providerName(),
                    null,
                    null,
                    false)));
  }

  /** Removes a node's rows at once, whatever its provider holds. Fails as {@link #deleteNode}. */
  public Future<Void> removeNodeRecord(long id) {
    return db.transaction(
            Failpoint.REMOVE_RECORD,
            tx ->
                lockNode(tx, id)
                    .compose(
                        node ->
                            jobs.lockActive(tx, node.subject())
                                .compose(active -> endAll(tx, active))
                                .compose(v -> nodes.remove(tx, node))))
        .map(this::knock);
  }

  private Future<Node> lockNode(Tx tx, long id) {
    return nodes.lock(tx, id).map(row -> row.orElseThrow(() -> Problem.NotFound.row("node", id)));
  }

  /**
   * Marks an image for deletion and has it deleted; work on it is cancelled. Fails with {@link
   * Problem.NotFound}, or with {@link Problem.Conflict} when its provider is not configured.
   */
  public Future<Ticket> deleteImage(long id) {
    return db.transaction(
            Failpoint.ACCEPT_DELETION,
            tx ->
                lockImage(tx, id)
                    .compose(
                        image -> {
                          checkProviderIsConfigured(image.providerName());
                          return jobs.lockActive(tx, image.subject())
                              .compose(active -> deleteImage(tx, image, active, false));
                        }))
        .map(this::knock);
  }

  /** As {@link #deleteImage(long)} of an image on which nothing works, on our own account. */
  Future<Ticket> cleanUp(Tx tx, SnapshotImage image) {
    return deleteImage(tx, image, List.of(), true);
  }

  private Future<Ticket> deleteImage(
      Tx tx, SnapshotImage image, List<Job> active, boolean isCleanup) {
    Future<?> marked =
        State.DELETE.equals(image.state())
            ? Future.succeededFuture()
            : images.setState(tx, image, State.DELETE);
    List<Job> work = active.stream().filter(job -> job.kind() != JobKind.DELETE_IMAGE).toList();
    return marked
        .compose(v -> endAll(tx, work))
        .compose(
            v ->
                hostOf(tx, image)
                    .compose(
                        host ->
                            deletion(
                                tx,
                                active,
                                new JobTable.Draft(
                                    JobKind.DELETE_IMAGE,
                                    image.subject(),
                                    image.imageName(),
                                    image.providerName(),
                                    null,
                                    host,
                                    isCleanup))));
  }

  /** Removes an image's row at once, whatever its provider holds. Fails as {@link #deleteImage}. */
  public Future<Void> removeImageRecord(long id) {
    return db.transaction(
            Failpoint.REMOVE_RECORD,
            tx ->
                lockImage(tx, id)
                    .compose(
                        image ->
                            jobs.lockActive(tx, image.subject())
                                .compose(active -> endAll(tx, active))
                                .compose(v -> images.remove(tx, image))))
        .map(this::knock);
  }

  private Future<SnapshotImage> lockImage(Tx tx, long id) {
    return images.lock(tx, id).map(row -> row.orElseThrow(() -> Problem.NotFound.row("image", id)));
  }

  /**
   * Marks a dib image for deletion and has it deleted: a build of it is stopped, uploads of it that
   * wait fail, running ones end first. Fails with {@link Problem.NotFound}.
   */
  public Future<Ticket> deleteDibImage(long id) {
    return db.transaction(
            Failpoint.ACCEPT_DELETION,
            tx ->
                dibImages
                    .lock(tx, id)
                    .map(row -> row.orElseThrow(() -> Problem.NotFound.row("dib image", id)))
                    .compose(
                        image ->
                            jobs.lockActiveOf(tx, id)
                                .compose(active -> deleteDibImage(tx, image, active, false))))
        .map(this::knock);
  }

  /** As {@link #deleteDibImage(long)} of one on which nothing works, on our own account. */
  Future<Ticket> cleanUp(Tx tx, DibImage image) {
    return deleteDibImage(tx, image, List.of(), true);
  }

  private Future<Ticket> deleteDibImage(
      Tx tx, DibImage image, List<Job> active, boolean isCleanup) {
    Future<?> marked =
        State.DELETE.equals(image.state())
            ? Future.succeededFuture()
            : dibImages.setState(tx, image, State.DELETE);
    List<Job> builds = active.stream().filter(job -> job.kind() == JobKind.BUILD).toList();
    return marked
        .compose(v -> endAll(tx, builds))
        .compose(v -> failQueuedUploads(tx, image, active))
        .compose(
            v ->
                hostOf(tx, image)
                    .compose(
                        host ->
                            deletion(
                                tx,
                                active,
                                new JobTable.Draft(
                                    JobKind.DELETE_DIB_IMAGE,
                                    image.subject(),
                                    image.imageName(),
                                    null,
                                    image.id(),
                                    host,
                                    isCleanup))));
  }

  private Future<Void> failQueuedUploads(Tx tx, DibImage image, List<Job> active) {
    String error = "%s was deleted before it could be uploaded.".formatted(image.path());
    Future<Void> done = Future.succeededFuture();
    for (Job job : active) {
      boolean sends = job.kind() == JobKind.UPLOAD || job.kind() == JobKind.UPDATE;
      if (sends && job.state() == JobState.QUEUED) {
        done =
            done.compose(v -> abandonImage(tx, job))
                .compose(v -> endQueued(tx, job, JobState.FAILED, error));
      }
    }
    return done;
  }

  /** What earlier attempts left there is named by its row until it is removed. */
  private Future<Void> abandonImage(Tx tx, Job upload) {
    return images
        .lock(tx, upload.subject().id())
        .compose(row -> attempts.areOthersSwept(tx, upload.id(), 0))
        .compose(isSwept -> images.abandon(tx, upload.subject().id(), isSwept));
  }

  /** The deletion that is under way already, or a new one. */
  private Future<Ticket> deletion(Tx tx, List<Job> active, JobTable.Draft draft) {
    Optional<Job> underWay = active.stream().filter(job -> job.kind() == draft.kind()).findFirst();
    return underWay.isPresent()
        ? jobs.adopt(tx, underWay.get()).map(Ticket.joined(underWay.get()))
        : jobs.insert(tx, draft).map(Ticket::started);
  }

  /** Where the files of a build are, or its log alone; null when it is nowhere. */
  private Future<String> hostOf(Tx tx, DibImage image) {
    return dibImages
        .hostOf(tx, image.id())
        .compose(
            host -> host != null ? Future.succeededFuture(host) : jobs.hostOfBuild(tx, image.id()));
  }

  /** A directory is there where it was written; a cloud is everywhere. */
  private Future<String> hostOf(Tx tx, SnapshotImage image) {
    ProviderConfig provider = config.get().providers().get(image.providerName());
    boolean isOnAHost =
        provider != null && provider.driver() == Driver.DIRECTORY && image.externalId() != null;
    return isOnAHost ? jobs.hostOfMaker(tx, image.subject()) : Future.succeededFuture();
  }

  /** Ends what waits, and asks what runs to end. */
  Future<Void> endAll(Tx tx, List<Job> work) {
    Future<Void> done = Future.succeededFuture();
    for (Job job : work) {
      done =
          done.compose(
              v ->
                  job.state() == JobState.QUEUED
                      ? endQueued(tx, job, JobState.CANCELLED, null)
                      : jobs.requestCancel(tx, job));
    }
    return done;
  }

  private Future<Void> endQueued(Tx tx, Job job, JobState end, String error) {
    return jobs.endQueued(tx, job, end, error)
        .onSuccess(
            v ->
                log.info(
                    "{}: {} before it began{}",
                    job.named(),
                    end,
                    error == null ? "" : ": " + error));
  }

  private void checkProviderIsConfigured(String name) {
    if (!config.get().providers().containsKey(name)) {
      throw new Problem.Conflict(
          ("Provider %s is no longer in nodepool.yaml, so what it holds cannot be deleted."
                  + " Put it back, or delete the record alone with ?record_only=true.")
              .formatted(name));
    }
  }

  /** After the commit: tells the worker verticle that the rows have changed. */
  <T> T knock(T answer) {
    bus.send(Jobs.KNOCK, true);
    return answer;
  }
}
