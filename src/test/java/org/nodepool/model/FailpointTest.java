package org.nodepool.model;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class FailpointTest {
  @Test
  void without_the_property_nothing_is_armed_and_every_failpoint_is_passed() {
    assertThat(Failpoint.armed()).isNull();
    for (Failpoint failpoint : Failpoint.values()) {
      failpoint.before();
      failpoint.after();
    }
  }

  @Test
  void each_has_a_name_for_either_side_as_the_property_has_it() {
    assertThat(Failpoint.names())
        .contains("claim.before", "claim.after", "set-node-state.before")
        .doesNotHaveDuplicates()
        .hasSize(2 * Failpoint.values().length);
  }
}
