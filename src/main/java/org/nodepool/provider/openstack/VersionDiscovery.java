package org.nodepool.provider.openstack;

import io.vertx.core.Future;
import java.util.List;
import java.util.regex.Pattern;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;

/**
 * Finds where a service of a cloud has the version that is spoken here (OpenStack's "version
 * discovery"), once for each address. To be used on one context alone.
 */
final class VersionDiscovery {
  private final CloudCalls calls;
  private final String provider;
  private final String service;
  private final int version;
  private final Pattern isVersioned;
  private String root;
  private Future<String> found;

  /**
   * @param service as people call it
   * @param version the major one
   */
  VersionDiscovery(CloudCalls calls, String provider, String service, int version) {
    this.calls = calls;
    this.provider = provider;
    this.service = service;
    this.version = version;
    this.isVersioned = Pattern.compile("/v%d(\\.\\d+)?$".formatted(version));
  }

  /**
   * The address of the version, without a slash at its end. Fails with {@link ProviderFailure} when
   * there is none, and with {@link ProviderAway} when the service does not answer.
   *
   * @param address of the service or of that version of it, without a slash at its end
   */
  Future<String> at(String address) {
    if (!address.equals(root) || found.failed()) {
      root = address;
      found =
          isVersioned.matcher(address).find() ? Future.succeededFuture(address) : discover(address);
    }
    return found;
  }

  private Future<String> discover(String root) {
    return calls
        .get(root + "/", null)
        .map(
            answer -> {
              List<Urls.Version> versions = Urls.versions(answer.json());
              if (versions.isEmpty()) {
                return root + "/v" + version; // a proxy may hide the list
              }
              return versions.stream()
                  .filter(offered -> offered.id().startsWith("v" + version))
                  .findFirst()
                  .map(offered -> Urls.at(root, offered.href()))
                  .orElseThrow(
                      () ->
                          new ProviderFailure(
                              "Provider %s: %s at %s has no version %d, which is needed."
                                  .formatted(provider, service, root, version)));
            });
  }
}
