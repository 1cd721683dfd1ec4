package org.nodepool.async;

import io.vertx.core.Future;
import io.vertx.core.Timer;
import io.vertx.core.Vertx;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeUnit;

/**
 * Pauses of work that a stop ends: one that is left to the end of Vert.x completes where nothing
 * runs any more. Thread-safe.
 */
public final class StoppablePauses {
  private final Vertx vertx;
  private final Set<Timer> underWay = new HashSet<>();
  private boolean isStopped;

  public StoppablePauses(Vertx vertx) {
    this.vertx = vertx;
  }

  /** Completes then; fails with {@link CancellationException} when it is stopped. */
  public synchronized Future<Void> pause(long length, TimeUnit unit) {
    if (isStopped) {
      return Future.failedFuture(new CancellationException("The service is being stopped."));
    }
    Timer timer = vertx.timer(length, unit);
    underWay.add(timer);
    return timer.onComplete(over -> forget(timer));
  }

  private synchronized void forget(Timer timer) {
    underWay.remove(timer);
  }

  /** Ends those that are under way, and all that come. */
  public void stop() {
    List<Timer> ended;
    synchronized (this) {
      isStopped = true;
      ended = List.copyOf(underWay);
    }
    ended.forEach(Timer::cancel);
  }
}
