package org.nodepool.api;

import io.vertx.ext.web.RoutingContext;
import java.util.concurrent.atomic.AtomicLong;
import org.nodepool.model.Problem;
import org.nodepool.view.Representation;

/**
 * Answers that were made for one client alone, until he has taken them: of large ones no more are
 * on their way than there is memory for. What many are sent takes memory once, whoever is slow to
 * take it, and is not counted. One for all event loops; thread-safe.
 */
final class OneOffs {
  private static final String OVER = "nodepool.one.off.over";
  private static final Runnable NOTHING = () -> {};

  private final AtomicLong underWay = new AtomicLong();
  private final long mostBytes;

  OneOffs(long mostBytes) {
    this.mostBytes = mostBytes;
  }

  /**
   * The request is to be answered so. Fails with {@link Problem.Unavailable} when there is no room;
   * for one, there always is.
   */
  void begin(RoutingContext ctx, Representation answer) {
    if (!answer.isOneOff()) {
      return;
    }
    long bytes = answer.length();
    if (underWay.getAndAdd(bytes) + bytes > Math.max(mostBytes, bytes)) {
      underWay.addAndGet(-bytes);
      throw new Problem.Unavailable(
          "Too much is on its way to clients that are slow to take it. Try again, or ask for less"
              + " (limit, fields).");
    }
    Runnable over = () -> underWay.addAndGet(-bytes);
    ctx.put(OVER, over);
    ctx.addEndHandler(ended -> over(ctx).run()); // if it was not sent after all, but 304
  }

  /** What is to be run when the request's answer was taken; to be asked for before it is sent. */
  static Runnable over(RoutingContext ctx) {
    Runnable over = ctx.remove(OVER);
    return over == null ? NOTHING : over;
  }
}
