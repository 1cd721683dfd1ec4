package org.nodepool.api;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class MostConnectionsTest {
  private static final long MIB = 1 << 20;

  @Test
  void there_may_be_as_many_as_heap_and_files_allow_and_20000_at_most() {
    assertThat(new MostConnections(160 * MIB, 65_536).usual()).isEqualTo(10_240);
    assertThat(new MostConnections(4_096 * MIB, 65_536).usual()).isEqualTo(20_000);
    assertThat(new MostConnections(4_096 * MIB, 1_024).usual()).isEqualTo(524);
    assertThat(new MostConnections(4_096 * MIB, 100).usual()).isEqualTo(1);
  }

  @Test
  void more_are_a_misfit_that_says_why() {
    MostConnections small = new MostConnections(160 * MIB, 12_000);
    assertThat(small.misfit(10_240)).isEmpty();
    assertThat(small.misfit(10_241)).hasValueSatisfying(why -> assertThat(why).contains("160 MiB"));
    assertThat(small.misfit(11_501))
        .hasValueSatisfying(why -> assertThat(why).contains("ulimit -n"));
  }
}
