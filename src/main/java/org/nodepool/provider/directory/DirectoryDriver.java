package org.nodepool.provider.directory;

import io.vertx.core.Future;
import org.nodepool.config.DriverConfig;
import org.nodepool.provider.Compute;
import org.nodepool.provider.Driver;
import org.nodepool.provider.ImageStore;
import org.nodepool.provider.NoServers;
import org.nodepool.provider.files.DirectoryImages;

/** Makes providers that are directories of this host. */
public final class DirectoryDriver implements Driver<DriverConfig.Directory> {
  private record Directory(ImageStore images) implements Made {
    @Override
    public Compute servers() {
      return new NoServers(null);
    }

    @Override
    public Future<Void> close() {
      return Future.succeededFuture();
    }
  }

  @Override
  public Class<DriverConfig.Directory> config() {
    return DriverConfig.Directory.class;
  }

  @Override
  public boolean isOnOneHost() {
    return true;
  }

  @Override
  public boolean hasServers() {
    return false;
  }

  @Override
  public Made make(String name, DriverConfig.Directory config, Tools tools) {
    return new Directory(new DirectoryImages(name, config.directory(), tools));
  }
}
