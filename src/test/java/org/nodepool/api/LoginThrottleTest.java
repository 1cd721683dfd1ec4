package org.nodepool.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class LoginThrottleTest {
  private static final ByteBuffer ANN = ByteBuffer.wrap(new byte[] {1});
  private static final ByteBuffer BOB = ByteBuffer.wrap(new byte[] {2});

  /** Near its overflow, as System.nanoTime may be. */
  private long now = Long.MAX_VALUE - TimeUnit.SECONDS.toNanos(30);

  private final LoginThrottle throttle = new LoginThrottle(() -> now);

  @Test
  void nineteen_failures_are_nothing_and_the_twentieth_is_one_too_many() {
    fail(ANN, 19);
    assertThat(throttle.secondsToWait(ANN)).isZero();
    fail(ANN, 1);
    assertThat(throttle.secondsToWait(ANN)).isEqualTo(60);
  }

  @Test
  void only_whoever_failed_waits() {
    fail(ANN, 20);
    assertThat(throttle.secondsToWait(BOB)).isZero();
  }

  @Test
  void the_wait_ends_when_the_oldest_of_the_twenty_is_a_minute_old() {
    fail(ANN, 1);
    pass(10_000);
    fail(ANN, 19);
    assertThat(throttle.secondsToWait(ANN)).isEqualTo(50);
    pass(49_001);
    assertThat(throttle.secondsToWait(ANN)).isEqualTo(1);
    pass(999);
    assertThat(throttle.secondsToWait(ANN)).isZero();
  }

  @Test
  void after_the_wait_one_more_failure_waits_for_the_next_oldest() {
    fail(ANN, 1);
    pass(10_000);
    fail(ANN, 19);
    pass(50_000);
    fail(ANN, 1);
    assertThat(throttle.secondsToWait(ANN)).isEqualTo(10);
  }

  @Test
  void failures_that_come_slowly_never_wait() {
    for (int i = 0; i < 100; i++) {
      assertThat(throttle.secondsToWait(ANN)).isZero();
      fail(ANN, 1);
      pass(3_001);
    }
  }

  @Test
  void of_too_many_who_fail_the_one_that_is_quiet_longest_is_forgotten() {
    fail(BOB, 20);
    fail(ANN, 20);
    for (int i = 0; i < LoginThrottle.MOST_REMEMBERED - 2; i++) {
      fail(somebody(i), 1);
    }
    fail(BOB, 1);
    assertThat(throttle.secondsToWait(ANN)).isPositive();
    fail(somebody(-1), 1);
    assertThat(throttle.secondsToWait(ANN)).isZero();
    assertThat(throttle.secondsToWait(BOB)).isPositive();
    assertThat(throttle.size()).isEqualTo(LoginThrottle.MOST_REMEMBERED);
  }

  private static ByteBuffer somebody(int number) {
    return ByteBuffer.allocate(8).putLong(1000L + number).flip();
  }

  private void fail(ByteBuffer who, int times) {
    for (int i = 0; i < times; i++) {
      throttle.failed(who);
    }
  }

  private void pass(long milliseconds) {
    now += TimeUnit.MILLISECONDS.toNanos(milliseconds);
  }
}
