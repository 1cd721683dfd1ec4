package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code limit} and {@code marker} of the four lists. */
@Tag("both-databases")
class ListPageTest {
  private static final List<String> LISTS =
      List.of("/v1/nodes", "/v1/images", "/v1/dib_images", "/v1/jobs");

  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
  }

  @Test
  void pages_are_in_order_of_ids_and_show_every_row_once() {
    List<Long> ids = new ArrayList<>();
    for (String provider : List.of("z", "b", "z", "a", "c", "B", "a")) { // not as the list orders
      ids.add(service.node(provider, 2));
    }

    assertThat(follow("/v1/nodes?limit=1")).isEqualTo(ids);
    assertThat(follow("/v1/nodes?limit=3")).isEqualTo(ids);
    assertThat(follow("/v1/nodes?limit=7")).isEqualTo(ids);
    assertThat(follow("/v1/nodes?limit=10000")).isEqualTo(ids);
    assertThat(http.get("/v1/nodes").ids()).isNotEqualTo(ids).hasSameElementsAs(ids);
  }

  @Test
  void images_and_dib_images_have_pages_too() {
    List<Long> images = List.of(service.image("z", 2, null), service.image("a", 2, null));
    List<Long> dibImages = List.of(service.dibImage("z", 2, null), service.dibImage("a", 2, null));

    assertThat(follow("/v1/images?limit=1")).isEqualTo(images);
    assertThat(follow("/v1/dib_images?limit=1")).isEqualTo(dibImages);
  }

  @Test
  void pages_of_jobs_go_from_the_newest_down() {
    List<Long> jobs = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      jobs.add(job());
    }
    Collections.reverse(jobs);

    assertThat(http.get("/v1/jobs?limit=2").ids()).isEqualTo(jobs.subList(0, 2));
    assertThat(follow("/v1/jobs?limit=2")).isEqualTo(jobs);
    assertThat(http.get("/v1/jobs?marker=" + jobs.get(2)).ids()).isEqualTo(jobs.subList(3, 5));
    assertThat(http.get("/v1/jobs?marker=1").ids()).isEmpty();
  }

  @Test
  void the_next_page_is_named_only_while_there_is_more() {
    long first = service.node("a", 2);
    long second = service.node("a", 2);

    assertThat(http.get("/v1/nodes?limit=1").header("Link"))
        .isEqualTo("</v1/nodes?limit=1&marker=%d>; rel=\"next\"".formatted(first));
    assertThat(http.get("/v1/nodes?limit=1&marker=" + first).header("Link")).isNull();
    assertThat(http.get("/v1/nodes?limit=2").header("Link")).isNull();
    assertThat(http.get("/v1/nodes?limit=3").header("Link")).isNull();
    assertThat(http.get("/v1/nodes").header("Link")).isNull();
    assertThat(http.get("/v1/nodes?marker=" + first).header("Link")).isNull();
    assertThat(http.get("/v1/nodes?limit=1&marker=" + second).body()).isEqualTo("[]");
    assertThat(http.get("/v1/nodes?limit=1&state=hold").header("Link")).isNull();
  }

  @Test
  void the_next_page_keeps_every_other_parameter() throws IOException {
    String odd = "ä b&c=d+e%f\"<>;#/?'\n";
    String encoded = "%C3%A4%20b%26c%3Dd%2Be%25f%22%3C%3E%3B%23%2F%3F%27%0A";
    List<Long> ids = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      ids.add(service.node(odd, 2));
      service.node("other", 2);
    }
    String query =
        "provider_name=" + encoded + "&provider_name=x&limit=2&state=ready&fields=state,id";
    Http.Answer first = http.get("/v1/nodes?" + query);

    assertThat(first.header("Link"))
        .isEqualTo(
            "</v1/nodes?provider_name=%s&provider_name=x&limit=2&state=ready&fields=state%%2Cid&marker=%d>; rel=\"next\""
                .formatted(encoded, ids.get(1)));
    assertThat(follow("/v1/nodes?" + query)).isEqualTo(ids);
    try (Wire wire = new Wire(http.port())) {
      assertThat(wire.ask("GET", "/v1//n%6fdes/?limit=2").header("Link"))
          .startsWith("</v1/nodes?limit=2&marker=");
    }
  }

  @Test
  void a_filter_counts_before_the_limit() {
    List<Long> held = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      service.node("a", 2);
      held.add(service.node("a", 5));
    }

    assertThat(follow("/v1/nodes?state=hold&limit=7")).isEqualTo(held);
  }

  @Test
  void rows_that_come_and_go_between_pages_disturb_no_other_row() {
    List<Long> ids = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      ids.add(service.node("a", 2));
    }
    Http.Answer first = http.get("/v1/nodes?limit=2");
    assertThat(first.ids()).isEqualTo(ids.subList(0, 2));

    delete(ids.get(0)); // shown already
    delete(ids.get(1)); // the marker
    delete(ids.get(2)); // the next one
    long added = service.node("0", 2); // in the list's order the first

    Http.Answer second = http.get(next(first));
    assertThat(second.ids()).isEqualTo(ids.subList(3, 5));
    assertThat(http.get(next(second)).ids()).containsExactly(ids.get(5), added);
  }

  @Test
  void jobs_that_come_between_pages_are_not_on_the_next() {
    List<Long> jobs = List.of(job(), job(), job(), job());
    Http.Answer first = http.get("/v1/jobs?limit=2");

    job();
    service.sql("DELETE FROM api_job WHERE id = ?", jobs.get(2)); // the marker

    assertThat(http.get(next(first)).ids()).containsExactly(jobs.get(1), jobs.get(0));
  }

  @Test
  void a_marker_alone_shows_all_that_is_behind_it_and_need_not_exist() {
    List<Long> ids = List.of(service.node("b", 2), service.node("a", 2), service.node("c", 2));

    assertThat(http.get("/v1/nodes?marker=" + ids.get(0)).ids()).isEqualTo(ids.subList(1, 3));
    delete(ids.get(1));
    assertThat(http.get("/v1/nodes?marker=" + ids.get(1)).ids()).isEqualTo(ids.subList(2, 3));
    assertThat(http.get("/v1/nodes?marker=999999999999999999").body()).isEqualTo("[]");
    assertThat(http.get("/v1/nodes?limit=10000&marker=1000000000").body()).isEqualTo("[]");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "0",
        "-1",
        "10001",
        "99999999999999999999",
        "x",
        "1.5",
        "+1",
        "01",
        "%201",
        "1e2",
        "all",
        "2147483648",
        "4294967297",
        "%D9%A1"
      })
  void a_bad_limit_is_refused(String limit) {
    for (String list : LISTS) {
      assertThat(refused(list + "?limit=" + limit)).contains("'limit'", "from 1 to 10000");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "0", "-1", "99999999999999999999", "x", "1.5", "+1", "01", "%201"})
  void a_bad_marker_is_refused(String marker) {
    for (String list : LISTS) {
      assertThat(refused(list + "?limit=1&marker=" + marker)).contains("'marker'", "id");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"limit=1&limit=1", "limit=1&limit=x", "marker=1&marker=2", "limit&limit=1"})
  void limit_and_marker_are_given_once(String query) {
    assertThat(refused("/v1/nodes?" + query)).contains("once");
  }

  @Test
  void ten_thousand_rows_come_in_pages() {
    String values =
        String.join(
            ",", IntStream.range(0, 10_001).mapToObj(i -> "('i%d', 2)".formatted(i)).toList());
    service.sql("INSERT INTO dib_image (image_name, state) VALUES " + values);

    assertThat(http.get("/v1/dib_images?limit=10000").ids()).hasSize(10_000).isSorted();
    assertThat(follow("/v1/dib_images?limit=10000&fields=id")).hasSize(10_001).isSorted();
    assertThat(follow("/v1/dib_images?limit=2500")).hasSize(10_001).doesNotHaveDuplicates();
  }

  /** The ids of all pages, as one. */
  private List<Long> follow(String path) {
    List<Long> ids = new ArrayList<>();
    for (String at = path; at != null; ) {
      Http.Answer page = http.get(at);
      assertThat(page.ids()).as(at).isNotEmpty();
      ids.addAll(page.ids());
      at = page.header("Link") == null ? null : next(page);
    }
    return ids;
  }

  private static String next(Http.Answer page) {
    String link = page.header("Link");
    assertThat(link).endsWith(">; rel=\"next\"");
    return link.substring(1, link.indexOf('>'));
  }

  private String refused(String path) {
    Http.Answer answer = http.get(path);
    assertThat(answer.status()).as(path).isEqualTo(400);
    Problems.check(answer);
    assertThat(answer.slug()).isEqualTo("bad-value");
    return answer.json().getString("detail");
  }

  private void delete(long node) {
    service.sql("DELETE FROM node WHERE id = ?", node);
  }

  private long job() {
    return aJob().ended("succeeded").in(service);
  }
}
