package org.nodepool;

import org.nodepool.store.AttemptTable;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobHistory;
import org.nodepool.store.JobTable;
import org.nodepool.store.NodeTable;
import org.nodepool.store.ProviderCallTable;
import org.nodepool.store.ProviderLookTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.WorkerTable;

/** The tables of one database. */
record Store(
    Database db,
    NodeTable nodes,
    SnapshotImageTable images,
    DibImageTable dibImages,
    JobTable jobs,
    JobHistory history,
    AttemptTable attempts,
    WorkerTable workers,
    ProviderCallTable calls,
    ProviderLookTable looks) {

  /**
   * @param removeFailed whether the row of an image that could not be made is removed, not kept as
   *     failed
   * @param mostJobs how many jobs that have ended are kept
   */
  static Store of(Database db, boolean removeFailed, int mostJobs) {
    AttemptTable attempts = new AttemptTable(db);
    return new Store(
        db,
        new NodeTable(db),
        new SnapshotImageTable(db, removeFailed),
        new DibImageTable(db, removeFailed),
        new JobTable(db, attempts),
        new JobHistory(db, attempts, mostJobs),
        attempts,
        new WorkerTable(db),
        new ProviderCallTable(db),
        new ProviderLookTable(db));
  }
}
