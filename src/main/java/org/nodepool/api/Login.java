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
 * remembered, as a keyed hash, and costs next to nothing from then on; any other is checked, off
 * the event loop if that takes long, and only so often ({@link LoginThrottle}). Lives on one event
 * loop; all of them share a {@link Memory}.
 */
final class Login implements Handler<RoutingContext> {
  static final String CHALLENGE = "Basic realm=\"nodepool\"";

  /** Set while the login is being asked for. */
  private static final String ASKED = "nodepool.login.asked";

  private static final Refusal WRONG =
      new Refusal(
          ProblemType.UNAUTHORIZED, "This needs the login of an administrator (HTTP Basic).");

  private static final String HMAC = "HmacSHA256";

  /** Different logins that wait for one thread, the one that it checks included. */
  private static final int MOST_UNDER_WAY = 16;

  /** Vert.x warns of a longer one. */
  private static final long LONGEST_CHECK_SECONDS = 60;

  /**
   * The checks of logins under the user's name, or of those under any other.
   *
   * @param underWay the checks that have not ended, of all event loops, by the login's hash; it is
   *     its own lock
   */
  private record Checks(LoginThrottle throttle, Map<ByteBuffer, Future<Boolean>> underWay) {
    static Checks empty(LongSupplier nanoTime) {
      return new Checks(new LoginThrottle(nanoTime), new HashMap<>());
    }
  }

  private final String user;
  private final StoredPassword password;
  private final Vertx vertx;
  private final WorkerExecutor threadOfUser;
  private final WorkerExecutor threadOfOthers;
  private final Memory memory;

  /** Shared by the logins of all event loops. Thread-safe. */
  static final class Memory {
    private final SecretKeySpec key = randomKey();
    private final Checks ofUser;

    /** Apart, so that made-up names neither delay the user nor hide guesses at his password. */
    private final Checks ofOthers;

    private volatile ByteBuffer remembered;

    /**
     * @param nanoTime {@link System#nanoTime} or what behaves like it
     */
    Memory(LongSupplier nanoTime) {
      this.ofUser = Checks.empty(nanoTime);
      this.ofOthers = Checks.empty(nanoTime);
    }
  }

  Login(Vertx vertx, String user, StoredPassword password, Memory memory) {
    this.user = user;
    this.password = password;
    this.vertx = vertx;
    this.memory = memory;
    this.threadOfUser = thread(vertx, "nodepool-login");
    this.threadOfOthers = thread(vertx, "nodepool-login-others");
  }

  /** One for all event loops: a check may need as much memory as is allowed at all. */
  private static WorkerExecutor thread(Vertx vertx, String name) {
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

  /** The failure of a request: that of its login, or else its own. */
  static Throwable failure(RoutingContext ctx) {
    Throwable failure = ctx.failure();
    if (ctx.get(ASKED) == null || ctx.user() != null || ctx.statusCode() >= 500) {
      return failure;
    }
    // the handler has codes of its own for a header that it cannot read
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
    Checks checks = isUser ? memory.ofUser : memory.ofOthers;
    checkMayTry(checks, who);
    return isRight(checks, login, given, isUser ? threadOfUser : threadOfOthers)
        .map(
            right -> {
              checkMayTry(checks, who); // other guesses may have ended meanwhile
              if (!right) {
                checks.throttle().failed(who);
                throw WRONG;
              }
              memory.remembered = login;
              return User.fromName(user);
            });
  }

  private static void checkMayTry(Checks checks, ByteBuffer who) {
    long seconds = checks.throttle().secondsToWait(who);
    if (seconds > 0) {
      throw tooMany(
          "%d logins have failed within a minute".formatted(LoginThrottle.LIMIT), seconds);
    }
  }

  /** Requests that come with the same login at the same time share one check. */
  private Future<Boolean> isRight(
      Checks checks, ByteBuffer login, UsernamePasswordCredentials given, WorkerExecutor thread) {
    if (!password.isHash()) {
      return Future.succeededFuture(check(given));
    }
    Promise<Boolean> begun = Promise.promise();
    synchronized (checks.underWay()) {
      Future<Boolean> same = checks.underWay().get(login);
      if (same != null) {
        return here(same);
      }
      if (checks.underWay().size() >= MOST_UNDER_WAY) {
        return Future.failedFuture(tooMany("Too many logins are being checked", 1));
      }
      checks.underWay().put(login, begun.future());
    }
    return thread
        .executeBlocking(() -> check(given), false)
        .onComplete(
            done -> {
              synchronized (checks.underWay()) {
                checks.underWay().remove(login);
              }
              begun.handle(done);
            });
  }

  /** A future that is completed on this event loop, whichever completes the other. */
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
        ProblemType.TOO_MANY_REQUESTS, "%s. Try again in %d s.".formatted(what, seconds), seconds);
  }

  /** Keyed, so that nobody else can make or undo it: no password stays in memory. */
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
