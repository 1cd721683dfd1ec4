package org.nodepool.jobs;

import io.vertx.core.Future;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.nodepool.model.Job;
import org.nodepool.model.Problem;
import org.nodepool.model.Subject.What;
import org.nodepool.model.Worker;
import org.nodepool.provider.Providers;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.JobTable.Draft;
import org.nodepool.store.Tx;
import org.nodepool.store.WorkerTable;

/** Queues jobs for the hosts where their kind says that they can be done. Thread-safe. */
public final class NewJobs {
  private final JobTable jobs;
  private final DibImageTable dibImages;
  private final WorkerTable workers;
  private final Providers providers;

  public NewJobs(JobTable jobs, DibImageTable dibImages, WorkerTable workers, Providers providers) {
    this.jobs = jobs;
    this.dibImages = dibImages;
    this.workers = workers;
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
    Optional<String> configured = providers.host(draft.providerName());
    if (configured.isPresent()) {
      return Future.succeededFuture(configured.get());
    }
    return draft.subject().what() == What.IMAGE && draft.kind().deletes()
        ? jobs.hostOfMaker(tx, draft.subject())
        : onlyHost(draft.providerName());
  }

  /** Where servers are of which nobody said where. A provider without servers has none anywhere. */
  private Future<String> onlyHost(String provider) {
    if (!providers.hasServers(provider)) {
      return Future.succeededFuture();
    }
    return workers
        .list()
        .map(
            all -> {
              List<String> alive = hosts(all.stream().filter(Worker::isAlive));
              List<String> hosts = alive.isEmpty() ? hosts(all.stream()) : alive;
              if (hosts.size() > 1) {
                throw new Problem.Conflict(
                    ("The servers of provider %s are on one host, and there are workers on several"
                            + " (%s). Say which one it is with host: in nodepool.yaml.")
                        .formatted(provider, String.join(", ", hosts)));
              }
              return hosts.isEmpty() ? null : hosts.get(0);
            });
  }

  private static List<String> hosts(Stream<Worker> workers) {
    return workers.map(Worker::host).distinct().toList();
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
