package org.nodepool.api.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.OptionalInt;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

class PreferencesTest {
  @Property
  void seconds_up_to_sixty_are_as_they_are_said(@ForAll @IntRange(min = 0) int seconds) {
    OptionalInt expected = OptionalInt.of(Math.min(60, seconds));
    for (String form : List.of("wait=%d", "WAIT = %d", "wait=\"%d\"", "wait=00%d;x=1")) {
      assertThat(waitSeconds(List.of(form.formatted(seconds)))).as(form).isEqualTo(expected);
    }
  }

  @Property
  void any_text_is_read(@ForAll String text) {
    waitSeconds(List.of(text));
    assertThat(waitSeconds(List.of("wait=7", text))).hasValue(7);
  }

  @Example
  void among_others_the_first_wait_counts() {
    String header = "return=minimal; note=\"wait=9, \", respond-async, wait=5, wait=6";
    assertThat(waitSeconds(List.of(header))).hasValue(5);
    assertThat(waitSeconds(List.of("respond-async", "wait=8"))).hasValue(8);
    assertThat(waitSeconds(List.of("wait=99999999999999999999"))).hasValue(60);
  }

  @Example
  void what_is_no_number_is_no_wait() {
    for (String header : List.of("", "wait", "wait=", "wait=-1", "wait=x", "wait=1.5", "await=3")) {
      assertThat(waitSeconds(List.of(header))).as(header).isEmpty();
    }
    assertThat(waitSeconds(List.of())).isEmpty();
  }

  private static OptionalInt waitSeconds(List<String> lines) {
    return Preferences.waitSeconds(lines, 60);
  }
}
