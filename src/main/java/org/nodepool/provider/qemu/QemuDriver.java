package org.nodepool.provider.qemu;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.util.concurrent.atomic.AtomicBoolean;
import org.nodepool.config.DriverConfig.Qemu;
import org.nodepool.provider.Driver;
import org.nodepool.provider.ImageStore;
import org.nodepool.provider.files.DirectoryImages;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes providers whose servers are QEMU machines of this host. */
public final class QemuDriver implements Driver<Qemu> {
  private static final Logger log = LoggerFactory.getLogger(QemuDriver.class);

  /** A guest prints 100 kB a second at most. */
  private static final long CONSOLES_MS = 10_000;

  private record Host(ImageStore images, QemuServers servers, Vertx vertx, long consoles)
      implements Made {
    @Override
    public Future<Void> close() {
      vertx.cancelTimer(consoles);
      return Future.succeededFuture(); // machines outlive us
    }
  }

  @Override
  public Class<Qemu> config() {
    return Qemu.class;
  }

  @Override
  public boolean isOnOneHost() {
    return true;
  }

  @Override
  public boolean hasServers() {
    return true;
  }

  @Override
  public String host(Qemu config) {
    return config.host();
  }

  @Override
  public Made make(String name, Qemu config, Tools tools) {
    DirectoryImages images = new DirectoryImages(name, config.directory(), tools);
    QemuServers servers = new QemuServers(name, config, images, tools);
    AtomicBoolean isTold = new AtomicBoolean();
    long consoles =
        tools.vertx().setPeriodic(CONSOLES_MS, timer -> boundConsoles(servers, name, isTold));
    return new Host(images, servers, tools.vertx(), consoles);
  }

  /**
   * @param isTold whether the last try failed, too
   */
  private static void boundConsoles(QemuServers servers, String provider, AtomicBoolean isTold) {
    servers
        .boundConsoles()
        .onSuccess(v -> isTold.set(false))
        .onFailure(
            e -> {
              if (!isTold.getAndSet(true)) {
                log.warn("consoles of provider {} are not cut", provider, e);
              }
            });
  }
}
