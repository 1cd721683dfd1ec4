package org.nodepool;

import io.vertx.core.Vertx;
import java.util.List;
import java.util.function.Supplier;
import org.nodepool.config.PoolConfig;
import org.nodepool.provider.Providers;
import org.nodepool.provider.directory.DirectoryDriver;
import org.nodepool.provider.openstack.OpenStackDriver;
import org.nodepool.provider.qemu.QemuDriver;

/** Providers of all drivers, as the service has them. */
public final class TestProviders {
  private TestProviders() {}

  public static Providers of(Vertx vertx, Supplier<PoolConfig> pool) {
    return new Providers(
        vertx,
        "this-host",
        pool,
        List.of(new OpenStackDriver(), new DirectoryDriver(), new QemuDriver()),
        name -> vertx.createSharedWorkerExecutor("provider " + name, 2));
  }
}
