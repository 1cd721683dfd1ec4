package org.nodepool.api;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class RequestMemoryTest {
  private static final int SHARE = 1_000;

  /** Beyond the shares; half of it for those that take little. */
  private static final int BEYOND = 10_000;

  private final RequestMemory memory = new RequestMemory(160_000, 10);

  @Test
  void a_share_is_there_whatever_others_take() {
    RequestMemory.Account greedy = memory.open();
    assertThat(greedy.take(SHARE + BEYOND / 2)).isTrue();
    assertThat(greedy.take(1)).isFalse();
    fill();
    assertThat(memory.open().take(SHARE)).isTrue();
    assertThat(memory.open().take(SHARE + 1)).isFalse();
    assertThat(memory.beyond()).isEqualTo(BEYOND);
  }

  @Test
  void who_takes_little_has_room_when_others_have_taken_much() {
    assertThat(memory.open().take(SHARE + BEYOND / 2)).isTrue();
    assertThat(memory.open().take(RequestMemory.LITTLE + 1)).isFalse();
    assertThat(memory.open().take(RequestMemory.LITTLE)).isTrue();
  }

  @Test
  void what_was_refused_is_not_taken() {
    RequestMemory.Account one = memory.open();
    assertThat(one.take(SHARE + BEYOND / 2 + 1)).isFalse();
    assertThat(memory.beyond()).isZero();
    assertThat(one.take(SHARE + BEYOND / 2)).isTrue();
  }

  @Test
  void what_is_given_back_is_there_for_others() {
    RequestMemory.Account one = memory.open();
    RequestMemory.Account other = memory.open();
    assertThat(one.take(5_000)).isTrue();
    assertThat(other.take(5_000)).isFalse();
    one.giveBack(4_500);
    assertThat(memory.beyond()).isZero();
    assertThat(other.take(5_000)).isTrue();
    one.close();
    other.close();
    assertThat(memory.beyond()).isZero();
  }

  private void fill() {
    while (memory.beyond() < BEYOND) {
      long left = BEYOND - memory.beyond();
      assertThat(memory.open().take(Math.min(RequestMemory.LITTLE, SHARE + left))).isTrue();
    }
  }
}
