package org.nodepool.jobs;

import io.vertx.core.Future;
import java.util.Optional;
import org.nodepool.model.Job;
import org.nodepool.model.Problem;
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
  private final ServerHosts hosts;
  private final Providers providers;

  public NewJobs(JobTable jobs, DibImageTable dibImages, ServerHosts hosts, Providers providers) {
    this.jobs = jobs;
    this.dibImages = dibImages;
    this.hosts = hosts;
    this.providers = providers;
  }

  /**
   * As {@link JobTable#insert}; fails besides with {@link Problem.Conflict} when nobody can tell
   * where it has to be done.
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
      case WITH_ITS_FILES ->
          draft.dibImageId() == null
              ? hostOfProvider(tx, draft)
              : hostOfFiles(tx, draft).map(files -> checkIsWithProvider(draft, files));
      case OF_ITS_PROVIDER -> hostOfProvider(tx, draft);
    };
  }

  /** What is on one host cannot be sent to a provider that is on another one. */
  private String checkIsWithProvider(Draft draft, String files) {
    String provider = draft.providerName();
    Optional<String> only = provider == null ? Optional.empty() : providers.host(provider);
    if (files != null && only.isPresent() && !only.get().equals(files)) {
      throw new Problem.Conflict(
          "The files of the dib image are on the host %s, and provider %s is on %s. Build it there."
              .formatted(files, provider, only.get()));
    }
    return files;
  }

  private Future<String> hostOfProvider(Tx tx, Draft draft) {
    if (!providers.isOnOneHost(draft.providerName())) {
      return Future.succeededFuture();
    }
    boolean isOfMaker =
        draft.subject().what() == What.IMAGE
            && draft.kind().deletes()
            && providers.host(draft.providerName()).isEmpty();
    return isOfMaker
        ? jobs.hostOfMaker(tx, draft.subject())
        : hosts.ofServers(draft.providerName());
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
}
