package org.nodepool.api;

import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.WorkerExecutor;
import io.vertx.core.net.SocketAddress;
import io.vertx.ext.auth.User;
import io.vertx.ext.auth.authentication.Credentials;
import io.vertx.ext.auth.authentication.UsernamePasswordCredentials;
import io.vertx.ext.web.RoutingContext;
import io.vertx.ext.web.handler.BasicAuthHandler;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * HTTP Basic (RFC 7617) against the one user of api.yaml. The login that was right last is
 * remembered, as a keyed hash, and costs next to nothing from then on; any other is checked, on a
 * thread of its own if that takes long, and only so often ({@link LoginThrottle}). Lives on one
 * event loop; what it remembers is of all of them.
 */
final class Login implements Handler<RoutingContext> {
  static final String CHALLENGE = "Basic realm=\"nodepool\"";

  /** Set while the login is being asked for. */
  private static final String ASKED = "nodepool.login.asked";

  private static final Refusal WRONG =
      new Refusal(Slug.UNAUTHORIZED, "This needs the login of an administrator (HTTP Basic).");

  private static final String HMAC = "HmacSHA256";

  /** Different logins of one lane that wait to be checked, the one that is checked included. */
  private static final int MOST_UNDER_WAY = 16;

  /** What Vert.x warns of. */
  private static final long LONGEST_CHECK_SECONDS = 60;

  /**
   * Those who log in under the same kind of name, and keep only each other waiting.
   *
   * @param underWay what is being checked for whichever event loop; its lock is its own
   */
  private record Lane(LoginThrottle throttle, Map<ByteBuffer, Future<Boolean>> underWay) {
    static Lane empty(LongSupplier nanoTime) {
      return new Lane(new LoginThrottle(nanoTime), new HashMap<>());
    }
  }

  private final String user;
  private final StoredPassword password;
  private final Vertx vertx;
  private final WorkerExecutor checksOfUser;
  private final WorkerExecutor checksOfOthers;
  private final Memory memory;

  /** What the logins of all event loops know together. Thread-safe. */
  static final class Memory {
    private final SecretKeySpec key = randomKey();
    private final Lane ofUser;

    /** Apart, so that whoever makes up names neither delays the user nor hides his own guesses. */
    private final Lane ofOthers;

    private volatile ByteBuffer remembered;

    /**
     * @param nanoTime {@link System#nanoTime} or what behaves like it
     */
    Memory(LongSupplier nanoTime) {
      this.ofUser = Lane.empty(nanoTime);
      this.ofOthers = Lane.empty(nanoTime);
    }
  }

  Login(Vertx vertx, String user, StoredPassword password, Memory memory) {
    this.user = user;
    this.password = password;
    this.vertx = vertx;
    this.memory = memory;
    this.checksOfUser = checks(vertx, "nodepool-login");
    this.checksOfOthers = checks(vertx, "nodepool-login-others");
  }

  /**
   * Of one thread for all event loops, because a check may need as much memory as is allowed at
   * all.
   */
  private static WorkerExecutor checks(Vertx vertx, String name) {
    return vertx.createSharedWorkerExecutor(name, 1, LONGEST_CHECK_SECONDS, TimeUnit.SECONDS);
  }

  @Override
  public void handle(RoutingContext ctx) {
    ctx.put(ASKED, true);
    SocketAddress peer = ctx.request().remoteAddress();
    String address = peer == null ? "" : String.valueOf(peer.hostAddress());
    // one a request: a provider is not told whose credentials it gets
    BasicAuthHandler.create(
            given -> Future.succeededFuture(given).compose(g -> authenticate(address, g)),
            "nodepool")
        .handle(ctx);
  }

  /** What a request failed of: a login that was refused, or else its own failure. */
  static Throwable failure(RoutingContext ctx) {
    Throwable failure = ctx.failure();
    if (ctx.get(ASKED) == null || ctx.user() != null || ctx.statusCode() >= 500) {
      return failure;
    }
    // whatever is wrong with the header, for which the handler has codes of its own
    boolean wasChecked = ctx.statusCode() == 401 && failure != null && failure.getCause() != null;
    return wasChecked ? failure.getCause() : WRONG;
  }

  private Future<User> authenticate(String address, Credentials credentials) {
    if (!(credentials instanceof UsernamePasswordCredentials given)
        || given.getUsername() == null
        || given.getPassword() == null) {
      return Future.failedFuture(WRONG);
    }
    ByteBuffer login = hash(given.getUsername(), given.getPassword(), password.text());
    ByteBuffer last = memory.remembered;
    if (last != null && MessageDigest.isEqual(login.array(), last.array())) {
      return Future.succeededFuture(User.fromName(user));
    }
    ByteBuffer who = hash(address, given.getUsername());
    boolean isUser = given.getUsername().equals(user);
    Lane lane = isUser ? memory.ofUser : memory.ofOthers;
    checkMayTry(lane, who);
    return isRight(lane, login, given, isUser ? checksOfUser : checksOfOthers)
        .map(
            right -> {
              checkMayTry(lane, who); // others of his guesses may have ended meanwhile
              if (!right) {
                lane.throttle().failed(who);
                throw WRONG;
              }
              memory.remembered = login;
              return User.fromName(user);
            });
  }

  private static void checkMayTry(Lane lane, ByteBuffer who) {
    long seconds = lane.throttle().secondsToWait(who);
    if (seconds > 0) {
      throw tooMany(
          "%d logins have failed within a minute".formatted(LoginThrottle.LIMIT), seconds);
    }
  }

  /** Those who come with the same login at the same time share one check. */
  private Future<Boolean> isRight(
      Lane lane, ByteBuffer login, UsernamePasswordCredentials given, WorkerExecutor checks) {
    if (!password.isHash()) {
      return Future.succeededFuture(check(given));
    }
    Promise<Boolean> begun = Promise.promise();
    synchronized (lane.underWay()) {
      Future<Boolean> same = lane.underWay().get(login);
      if (same != null) {
        return here(same);
      }
      if (lane.underWay().size() >= MOST_UNDER_WAY) {
        return Future.failedFuture(tooMany("Too many logins are being checked", 1));
      }
      lane.underWay().put(login, begun.future());
    }
    return checks
        .executeBlocking(() -> check(given), false)
        .onComplete(
            done -> {
              synchronized (lane.underWay()) {
                lane.underWay().remove(login);
              }
              begun.handle(done);
            });
  }

  /** What may end on another event loop, on this one. */
  private <T> Future<T> here(Future<T> anywhere) {
    Context context = vertx.getOrCreateContext();
    Promise<T> here = Promise.promise();
    anywhere.onComplete(done -> context.runOnContext(v -> here.handle(done)));
    return here.future();
  }

  /** Both are compared, so that neither shows in how long it took. */
  private boolean check(UsernamePasswordCredentials given) {
    boolean isUser = MessageDigest.isEqual(bytes(user), bytes(given.getUsername()));
    return password.matches(given.getPassword()) & isUser;
  }

  private static Refusal tooMany(String what, long seconds) {
    return new Refusal(
        Slug.TOO_MANY_REQUESTS, "%s. Try again in %d s.".formatted(what, seconds), seconds);
  }

  /** Not to be made by anybody else, nor undone: nothing that was typed stays in memory. */
  private ByteBuffer hash(String... parts) {
    try {
      Mac mac = Mac.getInstance(HMAC);
      mac.init(memory.key);
      for (String part : parts) {
        byte[] bytes = bytes(part);
        mac.update(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).flip());
        mac.update(bytes);
      }
      return ByteBuffer.wrap(mac.doFinal());
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  private static SecretKeySpec randomKey() {
    byte[] key = new byte[32];
    new SecureRandom().nextBytes(key);
    return new SecretKeySpec(key, HMAC);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
