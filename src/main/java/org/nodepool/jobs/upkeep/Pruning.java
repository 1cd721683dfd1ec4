package org.nodepool.jobs.upkeep;

import io.vertx.core.Future;
import io.vertx.core.WorkerExecutor;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.nodepool.jobs.JobLogs;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Job;
import org.nodepool.store.Database;
import org.nodepool.store.JobTable;
import org.nodepool.store.WorkerTable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Forgets what is past: jobs that ended long ago, with their attempts; their logs, on whichever
 * host they lie, for each worker looks in its own directory; and workers that are no more.
 */
public final class Pruning {
  private static final Logger log = LoggerFactory.getLogger(Pruning.class);

  /** So that no transaction takes long. */
  private static final int BATCH = 500;

  private final Database db;
  private final JobTable jobs;
  private final WorkerTable workers;
  private final JobLogs logs;
  private final WorkerExecutor executor;
  private final Duration keep;

  /**
   * @param executor what removes logs
   * @param keep how long jobs are kept after their end
   */
  public Pruning(
      Database db,
      JobTable jobs,
      WorkerTable workers,
      JobLogs logs,
      WorkerExecutor executor,
      Duration keep) {
    this.db = db;
    this.jobs = jobs;
    this.workers = workers;
    this.logs = logs;
    this.executor = executor;
    this.keep = keep;
  }

  /** Does it once; fails as {@link Database#transaction}, or when the logs cannot be removed. */
  Future<Void> run() {
    return pruneJobs()
        .compose(v -> db.transaction(Failpoint.PRUNE, tx -> workers.forgetGone(tx, keep)))
        .compose(v -> pruneLogs());
  }

  private Future<Void> pruneJobs() {
    return jobs.prunable(keep, BATCH)
        .compose(
            batch ->
                batch.isEmpty()
                    ? Future.succeededFuture()
                    : remove(batch)
                        .compose(
                            v -> batch.size() < BATCH ? Future.succeededFuture() : pruneJobs()));
  }

  private Future<Void> remove(List<Job> batch) {
    return db.transaction(Failpoint.PRUNE, tx -> jobs.removeAll(tx, batch))
        .map(
            removed -> {
              log.info("{} jobs that ended more than {} ago are forgotten", removed, keep);
              return null;
            });
  }

  /** A log goes when nothing has been written to it for that long and its job is forgotten. */
  private Future<Void> pruneLogs() {
    Instant then = Instant.ofEpochSecond(db.now()).minus(keep);
    return executor
        .executeBlocking(() -> logs.untouchedSince(then), false)
        .compose(this::pruneLogs);
  }

  private Future<Void> pruneLogs(List<String> uuids) {
    if (uuids.isEmpty()) {
      return Future.succeededFuture();
    }
    List<String> batch = uuids.subList(0, Math.min(BATCH, uuids.size()));
    return jobs.known(batch)
        .compose(known -> executor.executeBlocking(() -> deleteLogs(batch, known), false))
        .compose(v -> pruneLogs(uuids.subList(batch.size(), uuids.size())));
  }

  private Void deleteLogs(List<String> uuids, Set<String> known) throws IOException {
    for (String uuid : uuids) {
      if (!known.contains(uuid)) {
        logs.delete(uuid);
      }
    }
    return null;
  }
}
