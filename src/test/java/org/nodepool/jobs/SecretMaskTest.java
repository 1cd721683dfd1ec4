package org.nodepool.jobs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is hidden of what a real bash prints of its variables. */
class SecretMaskTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "correct horse",
        "it's mine",
        "say \"please\"",
        "$HOME`id`",
        "back\\slash",
        "pässwörd",
        "ключ",
        "it's ünder $lock"
      })
  void a_secret_is_found_however_bash_prints_it(String secret) throws Exception {
    for (String locale : new String[] {"C", "C.UTF-8"}) {
      String printed = printedByBash(secret, locale);
      assertThat(printed).contains("begin").contains("end");

      String masked = new SecretMask(Map.of("A_TOKEN", secret)).hide(printed);

      assertThat(masked)
          .as("in locale %s: %s", locale, printed)
          .doesNotContain(secret)
          .containsPattern("plain \\*\\*\\*")
          .containsPattern("X=.{0,2}\\*\\*\\*.?\n");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "REGISTRY_PASSWORD, hidden",
    "api_key, hidden",
    "GITHUB_TOKEN, hidden",
    "DB_PWD, hidden",
    "PWD, shown",
    "DIB_RELEASE, shown"
  })
  void a_secret_is_known_by_its_name(String name, String what) {
    String line = new SecretMask(Map.of(name, "/a/value")).hide("it is /a/value.");

    assertThat(line).isEqualTo(what.equals("hidden") ? "it is ***." : "it is /a/value.");
  }

  @Test
  void the_login_of_a_proxy_is_hidden_and_its_address_is_not() {
    SecretMask mask = new SecretMask(Map.of("https_proxy", "http://joe:geheim@proxy:3128"));

    assertThat(mask.hide("via http://joe:geheim@proxy:3128"))
        .isEqualTo("via http://***@proxy:3128");
    assertThat(mask.hide("password geheim")).isEqualTo("password ***");
  }

  @Test
  void a_short_value_and_an_empty_one_hide_nothing() {
    assertThat(new SecretMask(Map.of("A_KEY", "no", "B_KEY", "")).hide("no way"))
        .isEqualTo("no way");
  }

  @Test
  void of_a_line_that_was_cut_no_half_of_a_secret_is_left() {
    String secret = "0123456789abcdef";
    String cut = "x".repeat(100) + secret.substring(0, 8);
    String hidden = new SecretMask(Map.of("A_SECRET", secret)).hide(cut, 100_008);
    assertThat(hidden)
        .startsWith("xxx")
        .doesNotContain("01234")
        .endsWith("… (cut: 100008 bytes more)");
  }

  /** A trace, the list of variables, and the value itself. */
  private static String printedByBash(String secret, String locale) throws Exception {
    ProcessBuilder bash =
        new ProcessBuilder(
            "bash",
            "-c",
            "echo begin; set -x; X=$A_TOKEN; set +x; declare -p X; "
                + "printf 'plain %s\\n' \"$X\"; echo end");
    bash.environment().put("A_TOKEN", secret);
    bash.environment().put("LC_ALL", locale);
    Process process = bash.redirectErrorStream(true).start();
    String printed = new String(process.getInputStream().readAllBytes(), UTF_8);
    assertThat(process.waitFor()).isZero();
    return printed;
  }
}
