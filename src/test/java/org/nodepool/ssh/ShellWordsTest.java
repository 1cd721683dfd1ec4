package org.nodepool.ssh;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.From;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.nodepool.programs.Program;
import org.nodepool.programs.Running;

class ShellWordsTest {
  private static final List<List<String>> SHELLS =
      List.of(List.of("sh"), List.of("bash"), List.of("busybox", "sh"));

  @Property(tries = 60)
  void any_text_survives_a_shell(@ForAll @Size(min = 1, max = 20) List<@From("texts") String> words)
      throws Exception {
    for (List<String> shell : SHELLS) {
      assertThat(printed(shell, "printf '%s\\0' " + ShellWords.join(words)))
          .isEqualTo(String.join("\0", words) + "\0");
    }
  }

  /** A remote command goes through two of them. */
  @Property(tries = 30)
  void any_text_survives_a_shell_within_a_shell(@ForAll("texts") String word) throws Exception {
    String inner = "printf '%s' " + ShellWords.quote(word);
    for (List<String> shell : SHELLS) {
      assertThat(printed(shell, "sh -c " + ShellWords.quote(inner))).isEqualTo(word);
    }
  }

  @Property(tries = 60)
  void any_text_survives_as_the_value_of_a_variable(
      @ForAll("texts") String value, @ForAll("texts") String word) throws Exception {
    Command command =
        Command.of("sh", "-c", "printf '%s\\0%s' \"$A\" \"$0\"", word)
            .with(Map.of("A", value))
            .in("/");
    for (List<String> shell : SHELLS) {
      assertThat(printed(shell, command.script())).isEqualTo(value + "\0" + word);
    }
  }

  @Provide
  Arbitrary<String> texts() {
    Arbitrary<String> any =
        Arbitraries.strings()
            .all()
            .excludeChars('\0')
            .ofMaxLength(50)
            .filter(text -> UTF_8.newEncoder().canEncode(text));
    Arbitrary<String> odd =
        Arbitraries.strings()
            .withChars("'\"\\$`(){}[]<>|&;!*?~#=%^-\n\r\t aé€\u0081\u0088")
            .ofMaxLength(50);
    return Arbitraries.oneOf(any, odd);
  }

  @Test
  void what_no_shell_can_hold_is_refused() {
    assertThatIllegalArgumentException().isThrownBy(() -> ShellWords.quote("a\0b"));
    assertThatIllegalArgumentException().isThrownBy(() -> Command.of("a\0b"));
    assertThatIllegalArgumentException().isThrownBy(() -> Command.of("a").in("\0"));
    assertThatIllegalArgumentException().isThrownBy(() -> Command.of("a").with(Map.of("A", "\0")));
    assertThatIllegalArgumentException().isThrownBy(() -> Command.of());
    for (String name : List.of("", "1A", "A B", "A=B", "A\n", "é", "A;id")) {
      assertThatIllegalArgumentException()
          .as(name)
          .isThrownBy(() -> Command.of("a").with(Map.of(name, "")));
    }
  }

  private static String printed(List<String> shell, String script) throws Exception {
    Running running = new Program(shell).fed().read().start();
    try (var input = running.input()) {
      input.write(script.getBytes(UTF_8));
    }
    return new String(running.output().readAllBytes(), UTF_8);
  }
}
