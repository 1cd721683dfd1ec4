package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aSubnode;

import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Lists and summaries as tables for people: {@code Accept: text/plain}. */
@Tag("both-databases")
class TextTableTest {
  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
  }

  @Test
  void columns_are_aligned_under_the_keys_and_null_is_a_dash() {
    long first = service.node("a", 2);
    long second = service.node("a-long-provider", null);
    service.sql("UPDATE node SET hostname = NULL WHERE id = ?", second);
    aSubnode(first).in(service);
    aSubnode(first).in(service);

    int width = Long.toString(second).length();
    assertThat(table("/v1/nodes?fields=id,provider_name,hostname,state,subnodes"))
        .isEqualTo(
            """
            %s  provider_name    hostname          state  subnodes
            %s  a                host.example.org  ready  2
            %s  a-long-provider  -                 -      0
            """
                .formatted(pad("id", width), pad("" + first, width), pad("" + second, width)));
  }

  @Test
  void the_header_has_every_key_in_the_objects_order() {
    assertThat(table("/v1/nodes"))
        .isEqualTo(
            "id  provider_name  label_name  target_name  hostname  nodename  external_id  az  ip"
                + "  ip_private  state  state_time  subnodes\n");
    assertThat(table("/v1/images"))
        .isEqualTo(
            "id  provider_name  image_name  hostname  version  external_id  server_external_id"
                + "  state  state_time\n");
    assertThat(table("/v1/dib_images"))
        .isEqualTo("id  image_name  filename  version  state  state_time\n");
    assertThat(table("/v1/jobs"))
        .isEqualTo(
            "id  kind  state  subject  image_name  provider_name  progress  phase  error  attempts"
                + "  worker  created  started  finished\n");
    assertThat(table("/v1/jobs?fields=kind&state=failed")).isEqualTo("kind\n");
    assertThat(table("/v1/jobs/summary?by=state")).isEqualTo("state  count\n");
  }

  @Test
  void state_time_is_shown_as_the_age_of_the_state() {
    long now = Instant.now().getEpochSecond();
    Map<Long, Long> ages =
        Map.of(
            now,
            0L,
            now - 59,
            59L,
            now - 3_600,
            3_600L,
            now - (86_400 + 2 * 3_600 + 3 * 60 + 4),
            86_400L + 2 * 3_600 + 3 * 60 + 4,
            now - 100 * 86_400,
            100L * 86_400,
            0L,
            now);
    ages.forEach(
        (time, age) -> {
          long image = service.dibImage("i", 2, null);
          service.sql("UPDATE dib_image SET state_time = ? WHERE id = ?", time, image);
          String shown = onlyCell("/v1/dib_images?fields=state_time&id=" + image);
          assertThat(shown).matches("[0-9]{2,}:[0-2][0-9]:[0-5][0-9]:[0-5][0-9]");
          assertThat(seconds(shown)).isBetween(age, age + 60);
        });
  }

  @Test
  void an_age_has_two_digits_or_more_for_days_and_is_never_below_zero() {
    long image = service.dibImage("i", 2, null);
    String path = "/v1/dib_images?fields=state_time";
    service.sql("UPDATE dib_image SET state_time = 2147483647 WHERE id = ?", image);
    assertThat(onlyCell(path)).isEqualTo("00:00:00:00");
    long monthsAgo = Instant.now().getEpochSecond() - 123 * 86_400;
    service.sql("UPDATE dib_image SET state_time = ? WHERE id = ?", monthsAgo, image);
    assertThat(onlyCell(path)).startsWith("123:00:00:");
    service.sql("UPDATE dib_image SET state_time = NULL WHERE id = ?", image);
    assertThat(onlyCell(path)).isEqualTo("-");
    assertThat(onlyCell("/v1/dib_images?fields=version")).isEqualTo("1416832000");
  }

  @Test
  void what_cannot_be_seen_is_escaped_so_a_row_is_always_one_line() {
    Map<String, String> shown =
        Map.of(
            "a\nb", "a\\nb",
            "a\r\nb", "a\\r\\nb",
            "a\tb", "a\\tb",
            "a\0b", "a\\u{0}b",
            "\u001b[31m", "\\u{1b}[31m",
            "a\u0085b", "a\\u{85}b",
            "a\u202eb", "a\\u{202e}b",
            "a\u200bb\ufeff", "a\\u{200b}b\\u{feff}",
            "a\u2028b\u2029", "a\\u{2028}b\\u{2029}");
    shown.forEach(
        (name, text) -> {
          service.sql("DELETE FROM dib_image");
          service.dibImage(name, 2, null);
          assertThat(onlyCell("/v1/dib_images?fields=image_name")).isEqualTo(text);
        });
    service.sql("DELETE FROM dib_image");
    service.dibImage("\uDB40\uDC41", 2, null); // a tag, invisible, beyond the first plane
    assertThat(onlyCell("/v1/dib_images?fields=image_name")).isEqualTo("\\u{e0041}");
  }

  @Test
  void other_text_is_shown_as_it_is_and_aligned_by_code_points() {
    service.dibImage("ä\uD83D\uDE00\"'\\", 2, "f");
    service.dibImage("zzzzz", 99, "f");

    assertThat(table("/v1/dib_images?fields=image_name,filename,state"))
        .isEqualTo(
            """
            image_name  filename  state
            zzzzz       f         99
            ä\uD83D\uDE00"'\\       f         ready
            """);
  }

  @Test
  void no_line_ends_in_blanks() {
    service.dibImage("a", 2, "/images/with-a-long-name");
    service.dibImage("b", 2, "x  ");
    service.dibImage("c", 2, "");

    assertThat(table("/v1/dib_images?fields=image_name,filename"))
        .isEqualTo(
            "image_name  filename\na           /images/with-a-long-name\nb           x\nc\n");
  }

  @Test
  void tables_have_filters_pages_and_summaries_too() {
    long first = service.dibImage("tiny", 2, null);
    service.dibImage("tiny", 5, null);
    service.dibImage("tiny", 2, null);
    service.dibImage("big", null, null);

    Http.Answer page = get("/v1/dib_images?fields=image_name&image_name=tiny&state=ready&limit=1");
    assertThat(page.body()).isEqualTo("image_name\ntiny\n");
    assertThat(page.header("Link")).endsWith("&limit=1&marker=" + first + ">; rel=\"next\"");
    assertThat(table("/v1/dib_images/summary?by=image_name,state"))
        .isEqualTo(
            """
            image_name  state  count
            big         -      1
            tiny        hold   1
            tiny        ready  2
            """);
  }

  @Test
  void ten_thousand_rows_make_a_table() throws IOException {
    String values = String.join(",", IntStream.range(0, 10_000).mapToObj(i -> "('i',2)").toList());
    service.sql("INSERT INTO dib_image (image_name, state) VALUES " + values);

    assertThat(table("/v1/dib_images").lines()).hasSize(10_001);
    try (Wire wire = new Wire(http.port())) {
      String[] headers = {"Accept", "text/plain", "X-Request-Id", "1"};
      Http.Answer head = wire.ask("HEAD", "/v1/dib_images", headers);
      Http.Answer all = wire.ask("GET", "/v1/dib_images", headers);
      assertThat(head.steadyHeaders()).isEqualTo(all.steadyHeaders());
      assertThat(all.body().lines()).hasSize(10_001);
    }
  }

  private Http.Answer get(String path) {
    Http.Answer answer = http.anonymous().send("GET", path, null, null, "Accept", "text/plain");
    assertThat(answer.status()).as(answer.toString()).isEqualTo(200);
    assertThat(answer.header("Content-Type")).isEqualTo("text/plain; charset=utf-8");
    assertThat(answer.header("Cache-Control")).isEqualTo("no-cache");
    assertThat(answer.header("Vary")).isEqualTo("Accept, Accept-Encoding");
    return answer;
  }

  private String table(String path) {
    return get(path).body();
  }

  /** Of a table of one column and one row. */
  private String onlyCell(String path) {
    List<String> lines = List.of(table(path).split("\n", -1));
    assertThat(lines).hasSize(3);
    return lines.get(1);
  }

  private static long seconds(String age) {
    String[] parts = age.split(":");
    return Long.parseLong(parts[0]) * 86_400
        + Long.parseLong(parts[1]) * 3_600
        + Long.parseLong(parts[2]) * 60
        + Long.parseLong(parts[3]);
  }

  private static String pad(String text, int width) {
    return text + " ".repeat(Math.max(0, Math.max(2, width) - text.length()));
  }
}
