package org.nodepool.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/** Whatever a nodepool.yaml says, it is read or refused in words. */
class PoolReaderTest {
  private static final Path FILE = Path.of("nodepool.yaml");

  @Property(tries = 300)
  void any_text_is_read_or_refused(@ForAll String text) {
    assertThat(isReadOrRefused(text)).isTrue();
  }

  @Property(tries = 500)
  void any_text_that_looks_like_yaml_is_read_or_refused(@ForAll("yamlish") String text) {
    assertThat(isReadOrRefused(text)).isTrue();
  }

  @Property(tries = 500)
  void any_value_in_place_of_another_is_read_or_refused(@ForAll("mutants") String text) {
    assertThat(isReadOrRefused(text)).isTrue();
  }

  @Example
  void long_numbers_and_deep_nesting_are_read_or_refused() {
    assertThat(isReadOrRefused("release: " + "1:".repeat(100_000) + "1")).isTrue();
    assertThat(isReadOrRefused("release: " + "1:".repeat(100_000) + "1.0")).isTrue();
    assertThat(isReadOrRefused("providers: [{rate: " + "9".repeat(100_000) + "}]")).isTrue();
    assertThat(isReadOrRefused("a: ".repeat(100_000))).isTrue();
    assertThat(isReadOrRefused("- ".repeat(100_000))).isTrue();
    assertThat(isReadOrRefused("{".repeat(100_000))).isTrue();
    assertThat(isReadOrRefused("&a {providers: *a, labels: [*a], cron: *a}")).isTrue();
    assertThat(isReadOrRefused("&a {*a : x}")).isTrue();
    assertThat(isReadOrRefused("&a {<<: *a}")).isTrue();
    assertThat(isReadOrRefused("providers: &a [*a]\nlabels: &b [{name: x, providers: *b}]"))
        .isTrue();
  }

  private static boolean isReadOrRefused(String text) {
    Findings findings = new Findings();
    try {
      PoolConfig pool =
          PoolReader.read(FILE, text, new Clouds(new CloudsFile(List.of())), findings);
      findings.finish();
      return pool.toString() != null;
    } catch (ConfigException e) {
      return !e.mistakes().isEmpty();
    }
  }

  @Provide
  static Arbitrary<String> yamlish() {
    return Arbitraries.of(
            "providers",
            "labels",
            "name",
            "images",
            "meta",
            "cron",
            "env-vars",
            "elements",
            "rate",
            ": ",
            ":",
            "- ",
            "\n",
            "\n  ",
            "\n    ",
            "[",
            "]",
            "{",
            "}",
            ",",
            "&a ",
            "*a",
            "<<",
            "!!int ",
            "!!set ",
            "!!binary ",
            "!!timestamp ",
            "!x ",
            "? ",
            "| ",
            "> ",
            "'",
            "\"",
            "#",
            "%",
            "---\n",
            "...\n",
            "~",
            "1:30",
            "010",
            "-1",
            ".inf",
            "0x",
            "0b_",
            "1_",
            "on",
            "\t",
            "\u0000",
            "\ufeff",
            "\\x",
            "@",
            "`")
        .list()
        .ofMaxSize(60)
        .map(parts -> String.join("", parts));
  }

  @Provide
  static Arbitrary<String> mutants() throws IOException {
    List<String> words =
        List.of(Files.readString(Path.of("conf/nodepool.yaml")).split("(?<=\\s)|(?=[:\\[\\]])"));
    Arbitrary<Integer> place = Arbitraries.integers().between(0, words.size() - 1);
    return Combinators.combine(place, place, yamlish())
        .as(
            (from, to, other) ->
                String.join("", words.subList(0, Math.min(from, to)))
                    + other
                    + String.join("", words.subList(Math.max(from, to), words.size())));
  }
}
