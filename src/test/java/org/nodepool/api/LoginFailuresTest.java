package org.nodepool.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class LoginFailuresTest {
  private static final String HERE = "192.0.2.1";
  private static final String THERE = "192.0.2.2";

  /** Near its overflow, as System.nanoTime may be. */
  private long now = Long.MAX_VALUE - TimeUnit.SECONDS.toNanos(30);

  private final LoginFailures failures = new LoginFailures(() -> now);

  @Test
  void nineteen_are_nothing_and_the_twentieth_is_one_too_many() {
    fail(HERE, 19);
    assertThat(failures.isSuspect(HERE)).isFalse();
    fail(HERE, 1);
    assertThat(failures.isSuspect(HERE)).isTrue();
    assertThat(failures.of(HERE)).isEqualTo(20);
  }

  @Test
  void only_where_they_came_from_is_suspect() {
    fail(HERE, 20);
    assertThat(failures.isSuspect(THERE)).isFalse();
    assertThat(failures.of(THERE)).isZero();
  }

  @Test
  void it_is_over_when_the_oldest_of_the_twenty_is_a_minute_old() {
    fail(HERE, 1);
    pass(10_000);
    fail(HERE, 19);
    pass(49_999);
    assertThat(failures.isSuspect(HERE)).isTrue();
    pass(1);
    assertThat(failures.isSuspect(HERE)).isFalse();
    fail(HERE, 1);
    assertThat(failures.isSuspect(HERE)).isTrue();
  }

  @Test
  void a_hundred_from_everywhere_make_everybody_suspect_for_a_minute() {
    for (int i = 0; i < 99; i++) {
      fail(somewhere(i), 1);
    }
    assertThat(failures.isSuspect(HERE)).isFalse();
    fail(somewhere(99), 1);
    assertThat(failures.isSuspect(HERE)).isTrue();
    pass(60_000);
    assertThat(failures.isSuspect(HERE)).isFalse();
  }

  @Test
  void of_too_many_places_the_one_that_is_quiet_longest_is_forgotten() {
    fail(THERE, 20);
    fail(HERE, 20);
    for (int i = 0; i < LoginFailures.MOST_REMEMBERED - 2; i++) {
      fail(somewhere(i), 1);
    }
    fail(THERE, 1);
    assertThat(failures.of(HERE)).isEqualTo(20);
    fail(somewhere(-1), 1);
    assertThat(failures.of(HERE)).isZero();
    assertThat(failures.of(THERE)).isEqualTo(20);
    assertThat(failures.size()).isEqualTo(LoginFailures.MOST_REMEMBERED);
  }

  private static String somewhere(int number) {
    return "place " + number;
  }

  private void fail(String where, int times) {
    for (int i = 0; i < times; i++) {
      failures.failed(where);
    }
  }

  private void pass(long milliseconds) {
    now += TimeUnit.MILLISECONDS.toNanos(milliseconds);
  }
}
