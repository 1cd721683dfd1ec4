package org.nodepool.provider;

import io.vertx.core.Future;
import org.nodepool.model.AttemptEnd.NotSupportedYet;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;

/**
 * What runs servers for us. Every future fails with {@link ProviderFailure} when the provider
 * refuses, with {@link ProviderAway} for a fault that may pass, and with {@link NotSupportedYet}
 * for an act that its driver is still to learn.
 */
public interface Compute {
  /** Of a provider that never has a server. */
  Compute NONE = externalId -> Future.succeededFuture();

  /** Completes when the provider has no such server, also if it never had. */
  Future<Void> delete(String externalId);
}
