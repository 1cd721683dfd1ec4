package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.ext.auth.User;
import io.vertx.ext.auth.authentication.Credentials;
import io.vertx.ext.auth.authentication.UsernamePasswordCredentials;
import io.vertx.ext.web.RoutingContext;
import io.vertx.ext.web.handler.BasicAuthHandler;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** HTTP Basic (RFC 7617) against the one user of api.yaml. */
final class Login implements Handler<RoutingContext> {
  static final String CHALLENGE = "Basic realm=\"nodepool\"";

  /** Set while the login is being asked for. */
  private static final String ASKED = "nodepool.login.asked";

  private final BasicAuthHandler basic;
  private final byte[] user;
  private final byte[] password;

  Login(String user, String password) {
    this.user = digest(user);
    this.password = digest(password);
    this.basic = BasicAuthHandler.create(this::authenticate, "nodepool");
  }

  @Override
  public void handle(RoutingContext ctx) {
    ctx.put(ASKED, true);
    basic.handle(ctx);
  }

  /** Whether a request failed because of its login: the handler has other codes for bad headers. */
  static boolean isRefused(RoutingContext ctx) {
    return ctx.get(ASKED) != null && ctx.user() == null && ctx.statusCode() < 500;
  }

  private Future<User> authenticate(Credentials credentials) {
    if (credentials instanceof UsernamePasswordCredentials given
        && given.getUsername() != null
        && given.getPassword() != null) {
      // both are compared, and in constant time, so that neither shows in how long it took
      boolean sameUser = MessageDigest.isEqual(user, digest(given.getUsername()));
      boolean samePassword = MessageDigest.isEqual(password, digest(given.getPassword()));
      if (sameUser & samePassword) {
        return Future.succeededFuture(User.fromName(given.getUsername()));
      }
    }
    return Future.failedFuture("wrong user or password");
  }

  private static byte[] digest(String text) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
