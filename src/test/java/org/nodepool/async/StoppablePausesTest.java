package org.nodepool.async;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class StoppablePausesTest {
  private final Vertx vertx = Vertx.vertx();
  private final StoppablePauses pauses = new StoppablePauses(vertx);

  @AfterEach
  void close() {
    vertx.close().await();
  }

  @Test
  void a_pause_is_over_when_its_time_has_passed() {
    long began = System.nanoTime();
    pauses.pause(20, TimeUnit.MILLISECONDS).await();
    assertThat(System.nanoTime() - began).isGreaterThanOrEqualTo(TimeUnit.MILLISECONDS.toNanos(20));
  }

  @Test
  void a_stop_ends_those_that_are_under_way_and_all_that_come() {
    Future<Void> underWay = pauses.pause(1, TimeUnit.HOURS);
    assertThat(underWay.isComplete()).isFalse();

    pauses.stop();

    assertThat(catchThrowable(underWay::await)).isInstanceOf(CancellationException.class);
    assertThat(pauses.pause(1, TimeUnit.HOURS).cause()).isInstanceOf(CancellationException.class);
  }
}
