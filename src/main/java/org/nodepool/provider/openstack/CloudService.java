package org.nodepool.provider.openstack;

import io.vertx.core.Future;
import java.util.function.Function;
import org.nodepool.model.AttemptEnd.ProviderFailure;

/**
 * A service of a cloud, called with its login, at the version that is spoken here. To be used on
 * one context alone.
 */
final class CloudService {
  private final Identity identity;
  private final String provider;
  private final String type;
  private final String override;
  private final VersionDiscovery version;

  /**
   * @param provider its name
   * @param type as the catalog has it
   * @param override where the service is whatever the catalog says; null when that decides
   */
  CloudService(
      Identity identity, String provider, String type, String override, VersionDiscovery version) {
    this.identity = identity;
    this.provider = provider;
    this.type = type;
    this.override = override;
    this.version = version;
  }

  /** As {@link Identity#call}; the endpoint is that of the version. */
  Future<CloudAnswer> call(Function<Identity.Access, Future<CloudAnswer>> call) {
    return identity.call(
        type,
        override,
        access ->
            version
                .at(access.endpoint())
                .compose(endpoint -> call.apply(new Identity.Access(access.token(), endpoint))));
  }

  /**
   * The failure of a call that was not answered as it should be.
   *
   * @param what was to be done: {@code to make an image}
   */
  ProviderFailure refused(String what, CloudAnswer answer) {
    return new ProviderFailure(
        "Provider %s refuses %s (%d): %s"
            .formatted(provider, what, answer.status(), answer.reason()));
  }
}
