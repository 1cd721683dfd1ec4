package org.nodepool.api.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.CharRange;
import net.jqwik.api.constraints.Chars;
import net.jqwik.api.constraints.Size;

class EntityTagsTest {
  /** RFC 9110, 8.8.3, as it is written there. */
  private static final Pattern TAG =
      Pattern.compile("(?:W/)?(\"[\\x21\\x23-\\x7e\\x80-\\uffff]*\")");

  @Property
  void every_tag_of_a_list_is_found_and_no_other(
      @ForAll("tags") @Size(max = 6) List<String> tags,
      @ForAll("tags") @Size(1) List<String> other,
      @ForAll Random random) {
    List<String> lines = lines(tags, random);

    EntityTags read = EntityTags.of(lines);

    assertThat(read.isGiven()).isEqualTo(!lines.isEmpty());
    for (String tag : tags) {
      assertThat(read.matches(tag)).as(lines.toString()).isTrue();
    }
    assertThat(read.matches(other.get(0))).isEqualTo(tags.contains(other.get(0)));
  }

  @Property
  void any_text_is_read_as_a_second_reader_does(
      @ForAll
          @CharRange(from = 'a', to = 'b')
          @Chars({'"', ',', ' ', '\t', 'W', '/', '*', '\\', '\u007f', 'é'})
          String line,
      @ForAll("tags") @Size(1) List<String> asked) {
    EntityTags read = EntityTags.of(List.of(line));
    boolean isAny = line.strip().equals("*");
    for (String tag : List.of("\"a\"", "\"\"", "\"b\"", "\",\"", asked.get(0))) {
      assertThat(read.matches(tag)).as(line).isEqualTo(isAny || naive(line).contains(tag));
    }
  }

  @Property
  void several_lines_say_the_same_as_one_with_commas(
      @ForAll("tags") @Size(min = 1, max = 5) List<String> tags) {
    EntityTags one = EntityTags.of(List.of(String.join(", ", tags)));
    EntityTags several = EntityTags.of(tags);
    for (String tag : tags) {
      assertThat(one.matches(tag)).isTrue();
      assertThat(several.matches(tag)).isTrue();
    }
  }

  @Example
  void an_asterisk_stands_for_whatever_there_is_but_only_alone() {
    assertThat(EntityTags.of(List.of("*")).matches("\"x\"")).isTrue();
    assertThat(EntityTags.of(List.of(" * ")).matches("\"x\"")).isTrue();
    assertThat(EntityTags.of(List.of("\"*\"")).matches("\"x\"")).isFalse();
    assertThat(EntityTags.of(List.of("*, \"y\"")).matches("\"x\"")).isFalse();
    assertThat(EntityTags.of(List.of("*", "\"y\"")).matches("\"x\"")).isFalse();
  }

  @Example
  void what_cannot_be_read_hides_nothing_that_can() {
    EntityTags read = EntityTags.of(List.of("x, \"a\" b, \"c\",, W/\"d\" ,\"e"));

    assertThat(read.matches("\"c\"")).isTrue();
    assertThat(read.matches("\"d\"")).isTrue();
    assertThat(read.matches("\"a\"")).isFalse();
    assertThat(read.matches("\"e\"")).isFalse();
    assertThat(EntityTags.of(List.of()).isGiven()).isFalse();
  }

  @Example
  void a_long_header_takes_no_long_time() {
    String line = "\"".repeat(300_000) + ", \"x\"";

    assertTimeout(
        Duration.ofSeconds(5), () -> assertThat(EntityTags.of(List.of(line)).isGiven()).isTrue());
  }

  /** By cutting at each place where a tag or a comma may be. */
  private static List<String> naive(String line) {
    List<String> tags = new ArrayList<>();
    String rest = line;
    while (!rest.isEmpty()) {
      rest = rest.replaceFirst("^[ \\t]+", "");
      Matcher tag = TAG.matcher(rest);
      if (tag.lookingAt()) {
        String behind = rest.substring(tag.end()).replaceFirst("^[ \\t]+", "");
        if (behind.isEmpty() || behind.startsWith(",")) {
          tags.add(tag.group(1));
        }
        rest = behind;
      }
      int comma = rest.indexOf(',');
      rest = comma < 0 ? "" : rest.substring(comma + 1);
    }
    return tags;
  }

  private static List<String> lines(List<String> tags, Random random) {
    List<String> lines = new ArrayList<>();
    StringBuilder line = new StringBuilder();
    for (String tag : tags) {
      line.append(random.nextBoolean() ? "W/" : "").append(tag);
      line.append(List.of(",", " , ", ",,\t", ", ,").get(random.nextInt(4)));
      if (random.nextInt(3) == 0) {
        lines.add(line.toString());
        line.setLength(0);
      }
    }
    if (!line.isEmpty()) {
      lines.add(line.toString());
    }
    return lines;
  }

  @Provide
  Arbitrary<List<String>> tags() {
    return Arbitraries.strings()
        .withChars("ab,*W/\\-")
        .withCharRange('\u00a1', '\u00ff')
        .ofMaxLength(6)
        .map(text -> '"' + text + '"')
        .list();
  }
}
