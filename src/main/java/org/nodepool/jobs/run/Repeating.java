package org.nodepool.jobs.run;

import io.vertx.core.Future;
import java.util.function.Supplier;

/**
 * A step that never runs twice at once; asked for while it runs, it runs once more after that. To
 * be used on one context alone.
 */
final class Repeating {
  private enum Stage {
    IDLE,
    UNDER_WAY,
    ASKED_FOR_MEANWHILE
  }

  private final Supplier<Future<?>> step;
  private Stage stage = Stage.IDLE;

  /**
   * @param step whatever it fails with is its own affair
   */
  Repeating(Supplier<Future<?>> step) {
    this.step = step;
  }

  void ask() {
    if (stage != Stage.IDLE) {
      stage = Stage.ASKED_FOR_MEANWHILE;
      return;
    }
    stage = Stage.UNDER_WAY;
    Future.succeededFuture()
        .compose(v -> step.get()) // also when that throws
        .onComplete(
            done -> {
              boolean again = stage == Stage.ASKED_FOR_MEANWHILE;
              stage = Stage.IDLE;
              if (again) {
                ask();
              }
            });
  }

  /** As {@link #ask}, unless it runs. */
  void askIfIdle() {
    if (stage == Stage.IDLE) {
      ask();
    }
  }
}
