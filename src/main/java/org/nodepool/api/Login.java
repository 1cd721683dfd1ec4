package org.nodepool.api;

import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.WorkerExecutor;
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
 * remembered, as a keyed hash, and costs next to nothing from then on; any other waits its turn to
 * be checked, if that takes long or may be a guess ({@link LoginChecks}). Lives on one event loop;
 * all of them share a {@link Memory}.
 */
final class Login implements Handler<RoutingContext> {
  static final String CHALLENGE = "Basic realm=\"nodepool\", charset=\"UTF-8\"";

  /** Set while the login is being asked for. */
  private static final String ASKED = "nodepool.login.asked";

  private static final Refusal WRONG =
      new Refusal(
          ProblemType.UNAUTHORIZED, "This needs the login of an administrator (HTTP Basic).");

  private static final String HMAC = "HmacSHA256";

  /** Vert.x warns of a longer one. */
  private static final long LONGEST_CHECK_SECONDS = 60;

  private final String user;
  private final StoredPassword password;
  private final Vertx vertx;
  private final WorkerExecutor threadOfUser;
  private final WorkerExecutor threadOfOthers;
  private final Memory memory;

  /** Shared by the logins of all event loops. Thread-safe. */
  static final class Memory {
    private final SecretKeySpec key = randomKey();
    private final LoginChecks ofUser;

    /** Apart, so that made-up names neither delay the user nor hide guesses at his password. */
    private final LoginChecks ofOthers;

    /** The checks that have not ended, by the login's hash; it is its own lock. */
    private final Map<ByteBuffer, Future<Boolean>> underWay = new HashMap<>();

    private volatile ByteBuffer remembered;

    /**
     * @param nanoTime {@link System#nanoTime} or what behaves like it
     */
    Memory(LongSupplier nanoTime) {
      this.ofUser = new LoginChecks(nanoTime);
      this.ofOthers = new LoginChecks(nanoTime);
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
    String where = Proxies.place(Proxies.client(ctx).address());
    // one a request: a provider is not told whose credentials it gets
    BasicAuthHandler.create(
            given -> Future.succeededFuture(given).compose(g -> authenticate(where, g)), "nodepool")
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

  private Future<User> authenticate(String where, Credentials credentials) {
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
    return isRight(where, login, given)
        .map(
            right -> {
              if (!right) {
                throw WRONG;
              }
              return User.fromName(user);
            });
  }

  /** Requests that come with the same login at the same time share one check. */
  private Future<Boolean> isRight(
      String where, ByteBuffer login, UsernamePasswordCredentials given) {
    boolean isUser = given.getUsername().equals(user);
    LoginChecks checks = isUser ? memory.ofUser : memory.ofOthers;
    WorkerExecutor thread = !password.isHash() ? null : isUser ? threadOfUser : threadOfOthers;
    Promise<Boolean> begun = Promise.promise();
    synchronized (memory.underWay) {
      Future<Boolean> same = memory.underWay.get(login);
      if (same != null) {
        return here(same);
      }
      memory.underWay.put(login, begun.future());
    }
    checks
        .check(vertx, where, thread, () -> check(given))
        .onComplete(
            done -> {
              if (done.succeeded() && done.result()) {
                memory.remembered = login;
              }
              synchronized (memory.underWay) {
                memory.underWay.remove(login);
              }
              begun.handle(done);
            });
    return here(begun.future());
  }

  /** A future that is completed on this event loop, whichever completes the other. */
  private <T> Future<T> here(Future<T> anywhere) {
    if (anywhere.isComplete()) {
      return anywhere;
    }
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
