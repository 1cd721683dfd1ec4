package org.nodepool.view;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.WorkerExecutor;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.nodepool.model.Problem;

/**
 * Makes the answers that are one client's alone, on a few threads that all event loops share: one
 * that takes its time must not hold up those whose answer is there. Lives on one event loop.
 */
final class AnswerMaker {
  private static final String NAME = "nodepool-answers";
  private static final int THREADS = Math.max(1, Runtime.getRuntime().availableProcessors() / 2);

  /** Those of clients that may wait on this event loop. */
  private static final int MOST = 32;

  private final WorkerExecutor threads;
  private int underWay;

  AnswerMaker(Vertx vertx) {
    this.threads = vertx.createSharedWorkerExecutor(NAME, THREADS, 1, TimeUnit.MINUTES);
  }

  /**
   * For a client that has just asked; fails with {@link Problem.Unavailable} when too many have.
   */
  Future<Page> forClient(Callable<Page> answer) {
    if (underWay >= MOST) {
      return Future.failedFuture(
          new Problem.Unavailable(
              "Too many answers are being made that nobody else has asked for. Try again, or ask for"
                  + " less (limit, fields)."));
    }
    underWay++;
    return make(answer).onComplete(done -> underWay--);
  }

  /** For those who wait already. */
  Future<Page> make(Callable<Page> answer) {
    return threads.executeBlocking(answer, false);
  }
}
