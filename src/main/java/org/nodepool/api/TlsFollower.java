package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServer;
import io.vertx.core.net.PemKeyCertOptions;
import io.vertx.core.net.ServerSSLOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives a server the certificate and key anew when their files change: new connections have them
 * within some seconds, those that are open go on. What cannot be used is told and changes nothing.
 */
final class TlsFollower {
  private static final Logger log = LoggerFactory.getLogger(TlsFollower.class);
  static final Set<String> PROTOCOLS = Set.of("TLSv1.2", "TLSv1.3");

  private static final long LOOK_MS = 2_000;

  /** How the files were when they were read; another key means that they have changed. */
  private record Seen(Object certKey, Object keyKey) {}

  private final Vertx vertx;
  private final HttpServer server;
  private final ApiVerticle.Tls files;

  /** For the look that is under way alone, of which there is one at a time. */
  private Seen seen;

  private TlsFollower(Vertx vertx, HttpServer server, ApiVerticle.Tls files) {
    this.vertx = vertx;
    this.server = server;
    this.files = files;
  }

  /** From now on, as long as the verticle is deployed on whose context it is called. */
  static void follow(Vertx vertx, HttpServer server, ApiVerticle.Tls files) {
    new TlsFollower(vertx, server, files).lookSoon();
  }

  private static ServerSSLOptions options(PemKeyCertOptions pem) {
    ServerSSLOptions options = new ServerSSLOptions().setKeyCertOptions(pem);
    options.setEnabledSecureTransportProtocols(PROTOCOLS);
    return options;
  }

  private void lookSoon() {
    vertx.setTimer(LOOK_MS, timer -> look().onComplete(done -> lookSoon()));
  }

  private Future<?> look() {
    return vertx
        .executeBlocking(this::changed)
        .compose(
            pem ->
                pem == null
                    ? Future.succeededFuture()
                    : server.updateSSLOptions(options(pem)).onSuccess(TlsFollower::tell))
        .onFailure(e -> log.warn("server.tls goes on as it was: {}", e.getMessage()));
  }

  /** The first look finds what the server has, unless it has changed right after the start. */
  private static void tell(boolean isOther) {
    if (isOther) {
      log.info("server.tls was read again");
    }
  }

  /** Null when they are as they were at the last look. */
  private PemKeyCertOptions changed() throws IOException {
    Seen now = new Seen(key(files.cert()), key(files.key()));
    if (now.equals(seen)) {
      return null;
    }
    seen = now; // also when it cannot be used: that is told once
    return TlsFiles.read(vertx, files);
  }

  private static Object key(Path file) throws IOException {
    BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
    return attributes.lastModifiedTime() + " " + attributes.size() + " " + attributes.fileKey();
  }
}
