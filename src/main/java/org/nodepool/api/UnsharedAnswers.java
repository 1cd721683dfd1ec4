package org.nodepool.api;

import io.vertx.ext.web.RoutingContext;
import java.util.concurrent.atomic.AtomicLong;
import org.nodepool.model.Problem;
import org.nodepool.view.Representation;

/**
 * The large answers that were made for one client alone, until it has taken them: no more are on
 * their way than there is memory for. An answer that many clients are sent takes memory once,
 * however slow they are, and is not counted. One for all event loops; thread-safe.
 */
final class UnsharedAnswers {
  private static final String OVER = "nodepool.unshared.over";
  private static final Runnable NOTHING = () -> {};

  private final AtomicLong underWay = new AtomicLong();
  private final long mostBytes;

  UnsharedAnswers(long mostBytes) {
    this.mostBytes = mostBytes;
  }

  /**
   * Counts the answer to a request, if it is one of these.
   *
   * @throws Problem.Unavailable when there is no room; for one alone there always is
   */
  void begin(RoutingContext ctx, Representation answer) {
    if (!answer.isLargeUnshared()) {
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

  /** To be run when the client has taken the answer; to be asked for before that is sent. */
  static Runnable over(RoutingContext ctx) {
    Runnable over = ctx.remove(OVER);
    return over == null ? NOTHING : over;
  }
}
