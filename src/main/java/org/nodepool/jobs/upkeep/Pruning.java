package org.nodepool.jobs.upkeep;

import io.vertx.core.Future;
import io.vertx.core.WorkerExecutor;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.nodepool.async.InTurn;
import org.nodepool.async.StoppablePauses;
import org.nodepool.jobs.JobLogs;
import org.nodepool.model.Failpoint;
import org.nodepool.store.Database;
import org.nodepool.store.JobHistory;
import org.nodepool.store.JobHistory.Prunable;
import org.nodepool.store.WorkerTable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Forgets what is past: jobs that ended long ago, or before as many others as are kept, with their
 * attempts; their logs, on whichever host they lie, for each worker looks in its own directory; and
 * workers that are no more.
 */
public final class Pruning {
  private static final Logger log = LoggerFactory.getLogger(Pruning.class);

  /** So that no transaction takes long, and who polls has few changes to read at once. */
  private static final int BATCH = 100;

  /** After each batch that many times as long as it took, for those who poll. */
  private static final int REST = 4;

  /** So many are looked for at once: to know which are needed takes its time. */
  private static final int LOOK = 20 * BATCH;

  /** So many logs are looked at at once. */
  private static final int LOGS = 500;

  private final Database db;
  private final JobHistory jobs;
  private final WorkerTable workers;
  private final JobLogs logs;
  private final WorkerExecutor executor;
  private final Duration keep;
  private final StoppablePauses pauses;

  /**
   * @param executor what removes logs
   * @param keep how long jobs are kept after their end
   */
  public Pruning(
      Database db,
      JobHistory jobs,
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
    this.pauses = new StoppablePauses(db.vertx());
  }

  /** Does it once; fails as {@link Database#transaction}, or when the logs cannot be removed. */
  Future<Void> run() {
    return pruneJobs()
        .compose(v -> db.transaction(Failpoint.PRUNE, tx -> workers.forgetGone(tx, keep)))
        .compose(v -> pruneLogs());
  }

  /** Ends it between two batches. */
  void stop() {
    pauses.stop();
  }

  private Future<Void> pruneJobs() {
    return jobs.prunable(keep, LOOK)
        .compose(
            found ->
                removeAll(found)
                    .compose(v -> found.size() < LOOK ? Future.succeededFuture() : pruneJobs()));
  }

  private Future<Void> removeAll(List<Prunable> found) {
    List<List<Prunable>> batches = new ArrayList<>();
    for (int from = 0; from < found.size(); from += BATCH) {
      batches.add(found.subList(from, Math.min(found.size(), from + BATCH)));
    }
    return InTurn.collect(batches, this::remove)
        .map(
            removed -> {
              if (!found.isEmpty()) {
                int all = removed.stream().mapToInt(Integer::intValue).sum();
                log.info("{} jobs that ended are forgotten", all);
              }
              return null;
            });
  }

  /** How many were still there. */
  private Future<Integer> remove(List<Prunable> batch) {
    long began = System.nanoTime();
    List<String> uuids = batch.stream().map(Prunable::uuid).toList();
    return db.transaction(Failpoint.PRUNE, tx -> jobs.removeAll(tx, batch))
        .compose(
            removed ->
                executor
                    .executeBlocking(() -> deleteLogs(uuids, Set.of()), false)
                    .compose(v -> batch.size() < BATCH ? Future.succeededFuture() : rest(began))
                    .map(removed));
  }

  private Future<?> rest(long began) {
    return pauses.pause(REST * (System.nanoTime() - began), TimeUnit.NANOSECONDS);
  }

  /**
   * Those of jobs that workers on other hosts have forgotten, when nothing was written to them for
   * as long as jobs are kept: a service may be put on another database by mistake.
   */
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
    List<String> batch = uuids.subList(0, Math.min(LOGS, uuids.size()));
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
