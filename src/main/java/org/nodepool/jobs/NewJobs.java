package org.nodepool.jobs;

import io.vertx.core.Future;
import org.nodepool.model.Job;
import org.nodepool.model.Subject.What;
import org.nodepool.provider.Providers;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.JobTable.Draft;
import org.nodepool.store.Tx;

/** Queues jobs for the hosts where their kind says that they can be done. Thread-safe. */
public final class NewJobs {
  private final JobTable jobs;
  private final DibImageTable dibImages;
  private final Providers providers;

  public NewJobs(JobTable jobs, DibImageTable dibImages, Providers providers) {
    this.jobs = jobs;
    this.dibImages = dibImages;
    this.providers = providers;
  }

  /**
   * As {@link JobTable#insert}.
   *
   * @param isCleanup whether it is the service itself that wants it
   */
  Future<Job> insert(Tx tx, Draft draft, boolean isCleanup) {
    return hostFor(tx, draft).compose(host -> jobs.insert(tx, draft, host, isCleanup));
  }

  /** The only host where it can be done; null for any. */
  private Future<String> hostFor(Tx tx, Draft draft) {
    return switch (draft.kind().place()) {
      case ANYWHERE -> Future.succeededFuture();
      case WITH_ITS_FILES -> hostOfFiles(tx, draft);
      case OF_ITS_PROVIDER ->
          isOnOneHost(draft) ? jobs.hostOfMaker(tx, draft.subject()) : Future.succeededFuture();
    };
  }

  /** A deletion follows the log of the build, which it removes, where there are no files. */
  private Future<String> hostOfFiles(Tx tx, Draft draft) {
    return dibImages
        .hostOf(tx, draft.dibImageId())
        .compose(
            host ->
                host != null || !draft.kind().deletes()
                    ? Future.succeededFuture(host)
                    : jobs.hostOfBuild(tx, draft.dibImageId()));
  }

  /** A provider that keeps images on one host has no servers. */
  private boolean isOnOneHost(Draft draft) {
    return draft.subject().what() == What.IMAGE && providers.isOnOneHost(draft.providerName());
  }
}
