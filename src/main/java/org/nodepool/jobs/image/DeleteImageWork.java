package org.nodepool.jobs.image;

import io.vertx.core.Future;
import java.util.function.Function;
import org.nodepool.jobs.run.JobRun;
import org.nodepool.jobs.run.Work;
import org.nodepool.model.SnapshotImage;
import org.nodepool.provider.Provider;
import org.nodepool.provider.Providers;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;

/**
 * Deletes an image: its template server and itself at the provider, by external id; then the row.
 */
public final class DeleteImageWork implements Work {
  private final SnapshotImageTable images;
  private final Providers providers;

  public DeleteImageWork(SnapshotImageTable images, Providers providers) {
    this.images = images;
    this.providers = providers;
  }

  @Override
  public Future<Result> run(JobRun run) {
    long id = run.job().subject().id();
    return images
        .find(id)
        .compose(row -> row.isPresent() ? deleteAt(row.get()) : Future.succeededFuture())
        .map(v -> tx -> remove(tx, id));
  }

  private Future<Void> deleteAt(SnapshotImage image) {
    if (image.externalId() == null && image.serverExternalId() == null) {
      return Future.succeededFuture();
    }
    Provider provider = providers.toDeleteFrom(image.providerName());
    return unlessNull(image.serverExternalId(), provider.servers()::delete)
        .compose(v -> unlessNull(image.externalId(), provider.images()::delete));
  }

  private static Future<Void> unlessNull(String id, Function<String, Future<Void>> delete) {
    return id == null ? Future.succeededFuture() : delete.apply(id);
  }

  private Future<Void> remove(Tx tx, long id) {
    return images
        .lock(tx, id)
        .compose(row -> row.isPresent() ? images.remove(tx, row.get()) : Future.succeededFuture());
  }
}
