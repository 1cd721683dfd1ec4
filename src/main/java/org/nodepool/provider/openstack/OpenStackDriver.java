package org.nodepool.provider.openstack;

import io.vertx.core.Future;
import org.nodepool.config.DriverConfig.OpenStack;
import org.nodepool.provider.Compute;
import org.nodepool.provider.Driver;
import org.nodepool.provider.ImageStore;
import org.nodepool.provider.NoServers;

/** Makes providers that are OpenStack clouds. */
public final class OpenStackDriver implements Driver<OpenStack> {
  private record Cloud(CloudCalls calls, ImageStore images, Compute servers) implements Made {
    @Override
    public Future<Void> close() {
      calls.close();
      return Future.succeededFuture();
    }
  }

  @Override
  public Class<OpenStack> config() {
    return OpenStack.class;
  }

  @Override
  public boolean isOnOneHost() {
    return false;
  }

  @Override
  public boolean hasServers() {
    return false; // not yet
  }

  @Override
  public Made make(String name, OpenStack config, Tools tools) {
    CloudCalls calls = new CloudCalls(name, config, tools);
    Identity identity = new Identity(calls, name, config.access());
    ImageService images = new ImageService(calls, identity, name, config.access().imageEndpoint());
    return new Cloud(
        calls,
        new OpenStackImages(tools, name, calls, images),
        new NoServers(
            "Servers at OpenStack clouds (provider %s) are not supported yet by this version."
                .formatted(name)));
  }
}
