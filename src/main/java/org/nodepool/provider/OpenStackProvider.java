package org.nodepool.provider;

import io.vertx.core.Future;
import org.nodepool.config.PoolConfig.ProviderConfig;

/** An OpenStack cloud. It is configured and listed; to speak to it is a later version's work. */
final class OpenStackProvider implements Provider {
  private final ProviderConfig config;

  OpenStackProvider(ProviderConfig config) {
    this.config = config;
  }

  @Override
  public Future<Void> upload(Upload upload, Observer observer) {
    return notYet("Uploads to OpenStack clouds");
  }

  @Override
  public Future<Void> deleteImage(String externalId) {
    return notYet("Deleting images at OpenStack clouds");
  }

  /** None were made. */
  @Override
  public Future<Void> deleteLeftovers(String uuid) {
    return Future.succeededFuture();
  }

  @Override
  public Future<Void> deleteServer(String externalId) {
    return notYet("Deleting servers at OpenStack clouds");
  }

  private Future<Void> notYet(String what) {
    return Future.failedFuture(
        new NotSupportedYet(
            "%s (provider %s) is not supported yet by this version."
                .formatted(what, config.name())));
  }
}
