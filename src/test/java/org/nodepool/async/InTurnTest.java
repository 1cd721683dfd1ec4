package org.nodepool.async;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class InTurnTest {
  private static final List<String> ALL = List.of("a", "b", "c");

  private final List<String> done = new ArrayList<>();

  @Test
  void each_step_begins_when_the_one_before_has_ended() {
    List<Promise<Void>> steps = new ArrayList<>();
    Future<Void> all =
        InTurn.each(
            ALL,
            (String one) -> {
              done.add(one);
              steps.add(Promise.promise());
              return steps.get(steps.size() - 1).future();
            });

    assertThat(done).containsExactly("a");
    steps.get(0).complete();
    assertThat(done).containsExactly("a", "b");
    steps.get(1).complete();
    assertThat(all.isComplete()).isFalse();
    steps.get(2).complete();
    assertThat(all.succeeded()).isTrue();
  }

  @Test
  void the_first_that_fails_or_throws_ends_them() {
    Future<Void> failed = InTurn.each(ALL, (String one) -> step(one, "b"));

    assertThat(done).containsExactly("a", "b");
    assertThat(failed.cause()).hasMessage("b");

    Future<List<String>> thrown =
        InTurn.collect(
            ALL,
            (String one) -> {
              throw new IllegalStateException("at once");
            });
    assertThat(thrown.cause()).hasMessage("at once");
  }

  @Test
  void what_is_given_is_collected_in_order() {
    assertThat(InTurn.collect(ALL, (String one) -> step(one, null)).result())
        .containsExactlyElementsOf(ALL);
    assertThat(InTurn.collect(List.<String>of(), (String one) -> step(one, null)).result())
        .isEmpty();
  }

  @Test
  void a_false_ends_them_without_a_failure() {
    Future<Boolean> all =
        InTurn.whileTrue(ALL, (String one) -> step(one, null).map(!one.equals("b")));

    assertThat(all.result()).isFalse();
    assertThat(done).containsExactly("a", "b");
    assertThat(InTurn.whileTrue(ALL, (String one) -> Future.succeededFuture(true)).result())
        .isTrue();
  }

  private Future<String> step(String one, String failing) {
    done.add(one);
    return one.equals(failing)
        ? Future.failedFuture(new IllegalArgumentException(one))
        : Future.succeededFuture(one);
  }
}
