package org.nodepool.provider;

import io.vertx.core.Future;
import java.util.List;
import java.util.function.Function;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Limits;

/** Of a provider that has images alone, or whose servers are none of ours yet. */
public final class NoServers implements Compute {
  private final Function<String, Future<Void>> deletion;

  /**
   * @param deletion of a server of which a row says that it is there
   */
  public NoServers(Function<String, Future<Void>> deletion) {
    this.deletion = deletion;
  }

  @Override
  public Future<Server> create(NewServer server) {
    return none();
  }

  @Override
  public Future<List<Server>> list() {
    return Future.succeededFuture(List.of());
  }

  @Override
  public Future<Void> delete(String externalId) {
    return deletion.apply(externalId);
  }

  @Override
  public Future<byte[]> console(String externalId) {
    return none();
  }

  @Override
  public Future<Void> snapshot(
      String externalId, ImageStore.NewImage image, ImageStore.Observer observer) {
    return none();
  }

  @Override
  public Future<Limits> limits() {
    return Future.succeededFuture(new Limits(0, 0, null, 0));
  }

  private static <T> Future<T> none() {
    return Future.failedFuture(new ProviderFailure("This provider has no servers."));
  }
}
