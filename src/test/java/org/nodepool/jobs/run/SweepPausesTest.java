package org.nodepool.jobs.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.nodepool.model.Attempt;

class SweepPausesTest {
  private static final Attempt ONE = attempt(1);
  private static final Attempt OTHER = attempt(2);

  private long now = Long.MAX_VALUE - 5; // as nanoTime may, it runs over
  private final SweepPauses pauses = new SweepPauses(() -> now);

  @Test
  void what_fails_again_and_again_is_tried_after_growing_pauses_of_an_hour_at_most() {
    List<Duration> seen = new ArrayList<>();
    for (int i = 0; i < 9; i++) {
      assertThat(pauses.due(List.of(ONE))).containsExactly(ONE);
      pauses.failed(ONE);
      Duration pause = Duration.ZERO;
      while (pauses.due(List.of(ONE)).isEmpty()) {
        pause = pause.plusSeconds(10);
        now += Duration.ofSeconds(10).toNanos();
      }
      seen.add(pause);
    }

    assertThat(seen)
        .extracting(Duration::toSeconds)
        .containsExactly(30L, 60L, 120L, 240L, 480L, 960L, 1920L, 3600L, 3600L);
  }

  @Test
  void one_that_fails_does_not_put_off_another() {
    pauses.failed(ONE);

    assertThat(pauses.due(List.of(ONE, OTHER))).containsExactly(OTHER);
  }

  @Test
  void of_what_is_removed_nothing_is_remembered() {
    pauses.failed(ONE);

    assertThat(pauses.due(List.of(OTHER))).containsExactly(OTHER);
    assertThat(pauses.due(List.of(ONE, OTHER))).containsExactly(ONE, OTHER);
  }

  private static Attempt attempt(int number) {
    return new Attempt(7, number, "here", "a worker", 1, 2L, "It failed.", false);
  }
}
