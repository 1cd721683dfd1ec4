package org.nodepool.jobs.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Promise;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class RepeatingTest {
  private final List<Promise<Void>> runs = new ArrayList<>();
  private final Repeating repeating =
      new Repeating(
          () -> {
            runs.add(Promise.promise());
            return runs.get(runs.size() - 1).future();
          });

  @Test
  void asked_for_many_times_while_it_runs_it_runs_once_more() {
    repeating.ask();
    repeating.ask();
    repeating.ask();
    assertThat(runs).hasSize(1);

    runs.get(0).complete();
    assertThat(runs).hasSize(2);
    runs.get(1).complete();
    assertThat(runs).hasSize(2);
  }

  @Test
  void a_step_that_fails_or_throws_is_over_too() {
    repeating.ask();
    repeating.ask();
    runs.get(0).fail("for a reason");
    assertThat(runs).hasSize(2);

    List<String> thrown = new ArrayList<>();
    Repeating throwing =
        new Repeating(
            () -> {
              thrown.add("once");
              throw new IllegalStateException();
            });
    throwing.ask();
    throwing.ask();
    assertThat(thrown).hasSize(2);
  }

  @Test
  void unless_idle_it_need_not_run_again() {
    repeating.askIfIdle();
    repeating.askIfIdle();
    runs.get(0).complete();
    assertThat(runs).hasSize(1);

    repeating.askIfIdle();
    assertThat(runs).hasSize(2);
  }
}
