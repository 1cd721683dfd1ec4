package org.nodepool.async;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BackoffTest {
  private static final Backoff BACKOFF = new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(30));

  @ParameterizedTest
  @CsvSource({"1, 1", "2, 2", "3, 4", "5, 16", "6, 30", "7, 30", "64, 30", "2147483647, 30"})
  void a_pause_is_twice_the_one_before_up_to_the_longest(int tries, long seconds) {
    assertThat(BACKOFF.after(tries)).isEqualTo(Duration.ofSeconds(seconds));
  }

  @ParameterizedTest
  @CsvSource({"0, 3000", "0.5, 4000", "1, 5000"})
  void jitter_is_a_quarter(double random, long millis) {
    assertThat(Backoff.jittered(Duration.ofSeconds(4), random)).hasMillis(millis);
  }
}
