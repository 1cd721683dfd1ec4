package org.nodepool.ssh;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TargetTest {
  @ParameterizedTest
  @ValueSource(strings = {"127.0.0.1", "255.255.255.255", "::1", "2001:db8::1", "::ffff:1.2.3.4"})
  void an_address_in_digits_is_one(String ip) {
    assertThat(new Target(ip, 22).address().getPort()).isEqualTo(22);
  }

  /** Some of them would be looked up. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "localhost",
        "abc",
        "256.1.1.1",
        "1.2.3",
        "01.2.3.4",
        "1.2.3.4.5",
        "1",
        ":",
        "1::2::3",
        "fe80::1%eth0",
        "[::1]",
        "-oProxyCommand=x",
        "1.2.3.4 -v",
        "1.2.3.4\n"
      })
  void anything_else_is_none(String ip) {
    assertThatIllegalArgumentException().isThrownBy(() -> new Target(ip, 22));
  }

  @Test
  void it_is_told_as_people_write_it() {
    assertThat(new Target("127.64.0.2", 2222)).hasToString("127.64.0.2:2222");
    assertThat(new Target("::1", 22)).hasToString("[::1]:22");
    assertThatIllegalArgumentException().isThrownBy(() -> new Target("::1", 0));
    assertThatIllegalArgumentException().isThrownBy(() -> new Target("::1", 65_536));
  }
}
