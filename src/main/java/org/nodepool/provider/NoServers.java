package org.nodepool.provider;

import io.vertx.core.Future;
import java.util.List;
import org.nodepool.model.AttemptEnd.NotSupportedYet;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Limits;

/** Of a provider that has images alone, or whose servers are none of ours yet. */
public final class NoServers implements Compute {
  private final String notYet;

  /**
   * @param notYet what this version cannot do, where rows may tell of servers; null where there are
   *     none, and to delete one is no work
   */
  public NoServers(String notYet) {
    this.notYet = notYet;
  }

  @Override
  public Future<Server> create(NewServer server) {
    return refused();
  }

  @Override
  public Future<List<Server>> list() {
    return Future.succeededFuture(List.of());
  }

  @Override
  public Future<Void> delete(String externalId) {
    return notYet == null ? Future.succeededFuture() : refused();
  }

  @Override
  public Future<byte[]> console(String externalId) {
    return refused();
  }

  @Override
  public Future<Void> snapshot(
      String externalId, ImageStore.NewImage image, ImageStore.Observer observer) {
    return refused();
  }

  @Override
  public Future<Limits> limits() {
    return Future.succeededFuture(new Limits(0, 0, null, 0));
  }

  private <T> Future<T> refused() {
    return Future.failedFuture(
        notYet == null
            ? new ProviderFailure("This provider has no servers.")
            : new NotSupportedYet(notYet));
  }
}
