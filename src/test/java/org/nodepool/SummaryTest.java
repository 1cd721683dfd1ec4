package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code /v1/<kind>/summary}. */
@Tag("both-databases")
class SummaryTest {
  private static final List<String> LISTS =
      List.of("/v1/nodes", "/v1/images", "/v1/dib_images", "/v1/jobs");

  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
  }

  @Test
  void rows_are_counted_by_the_keys_in_the_order_asked() {
    service.node("a", 2);
    service.node("a", 2);
    service.node("b", 2);
    service.node("a", 5);

    assertThat(summary("/v1/nodes", "by=provider_name,state"))
        .isEqualTo(
            """
            [{"provider_name":"a","state":"hold","count":1},\
            {"provider_name":"a","state":"ready","count":2},\
            {"provider_name":"b","state":"ready","count":1}]""");
    String byState =
        """
        [{"state":"hold","provider_name":"a","count":1},\
        {"state":"ready","provider_name":"a","count":2},\
        {"state":"ready","provider_name":"b","count":1}]""";
    assertThat(summary("/v1/nodes", "by=state,provider_name")).isEqualTo(byState);
    assertThat(summary("/v1/nodes", "by=state&by=provider_name")).isEqualTo(byState);
    assertThat(summary("/v1/nodes", "by=state,provider_name,state")).isEqualTo(byState);
    assertThat(summary("/v1/nodes", "by=label_name"))
        .isEqualTo("[{\"label_name\":\"label\",\"count\":4}]");
  }

  @Test
  void filters_come_before_the_counting() {
    service.node("a", 2);
    service.node("b", 2);
    service.node("c", 5);

    assertThat(summary("/v1/nodes", "by=state&provider_name=a&provider_name=c"))
        .isEqualTo("[{\"state\":\"hold\",\"count\":1},{\"state\":\"ready\",\"count\":1}]");
    assertThat(summary("/v1/nodes", "state=test&by=state")).isEqualTo("[]");
  }

  @Test
  void nothing_is_counted_where_nothing_is() {
    LISTS.forEach(list -> assertThat(summary(list, "by=state")).isEqualTo("[]"));
  }

  @Test
  void groups_are_by_code_point_and_null_is_one_of_them() {
    service.image("B", null, null);
    service.image("b", 99, null);
    service.image("b ", 2, "");
    service.image("b", 2, null);
    service.image("\uD83D\uDE00", 2, null);
    service.image("\uFFFD", 2, null);
    service.image("ä", null, null);

    assertThat(summary("/v1/images", "by=provider_name"))
        .isEqualTo(
            """
            [{"provider_name":"B","count":1},{"provider_name":"b","count":2},\
            {"provider_name":"b ","count":1},{"provider_name":"ä","count":1},\
            {"provider_name":"\uFFFD","count":1},{"provider_name":"\\uD83D\\uDE00","count":1}]""");
    assertThat(summary("/v1/images", "by=state"))
        .isEqualTo(
            """
            [{"state":null,"count":2},{"state":"99","count":1},{"state":"ready","count":4}]""");
    assertThat(summary("/v1/images", "by=external_id,state"))
        .isEqualTo(
            """
            [{"external_id":null,"state":null,"count":2},\
            {"external_id":null,"state":"99","count":1},\
            {"external_id":null,"state":"ready","count":3},\
            {"external_id":"","state":"ready","count":1}]""");
  }

  @Test
  void numbers_are_in_order_of_their_size() {
    for (Double progress : Arrays.asList(0.5, null, 1.0, 0.25, 0.5, 0.00001, 10.0)) {
      aJob().ended("failed").with("progress", progress).attempts(9).in(service);
    }
    service.sql("UPDATE api_job SET attempts = 10 WHERE progress = 1");

    assertThat(summary("/v1/jobs", "by=progress"))
        .isEqualTo(
            """
            [{"progress":null,"count":1},{"progress":1.0E-5,"count":1},\
            {"progress":0.25,"count":1},{"progress":0.5,"count":2},{"progress":1.0,"count":1},\
            {"progress":10.0,"count":1}]""");
    assertThat(summary("/v1/jobs", "by=kind,attempts&progress=1&progress=10"))
        .isEqualTo(
            """
            [{"kind":"build","attempts":9,"count":1},{"kind":"build","attempts":10,"count":1}]""");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "by",
        "by=",
        "by=,",
        "by=state,",
        "by=State",
        "by=x",
        "by=state&by=",
        "by=count",
        "by=state_time",
        "by=state&by=version",
        "state=failed"
      })
  void by_is_required_and_names_what_can_be_filtered(String query) {
    assertThat(refused("/v1/dib_images/summary?" + query))
        .contains("'by'", "id, image_name, filename, state.");
    LISTS.forEach(list -> refused(list + "/summary?" + query));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"fields=id", "limit=1", "marker=1", "x=1", "count=1", "BY=state", "subnodes=1"})
  void no_other_parameter_is_known_there(String query) {
    assertThat(refused("/v1/dib_images/summary?by=state&" + query))
        .endsWith("allowed: id, image_name, filename, state, by.");
    LISTS.forEach(list -> refused(list + "/summary?" + query + "&by=state"));
  }

  @Test
  void a_bad_filter_is_refused_there_too() {
    assertThat(refused("/v1/nodes/summary?by=state&state=2")).contains("building, ready");
    assertThat(refused("/v1/jobs/summary?by=state&kind=x")).contains("delete-node");
  }

  @Test
  void summary_is_a_path_of_its_own_and_no_id() throws IOException {
    String login = Http.basic("admin:" + TestService.PASSWORD);
    try (Wire wire = new Wire(http.port())) {
      for (String list : LISTS) {
        for (String method : List.of("PUT", "DELETE", "POST", "PATCH")) {
          Http.Answer answer = wire.ask(method, list + "/summary", "Authorization", login);
          assertThat(answer.status()).as(method + list).isEqualTo(405);
          assertThat(answer.header("Allow")).isEqualTo("GET, HEAD, OPTIONS");
          Problems.check(answer, list + "/summary");
        }
        assertThat(wire.ask("OPTIONS", list + "/summary").header("Allow"))
            .isEqualTo("GET, HEAD, OPTIONS");
        assertThat(wire.ask("GET", list + "/summaries").status()).isEqualTo(404);
        assertThat(wire.ask("GET", list + "/summary/1").status()).isEqualTo(404);
      }
    }
  }

  private String summary(String list, String query) {
    Http.Answer answer = http.anonymous().get(list + "/summary?" + query);
    assertThat(answer.status()).as(answer.toString()).isEqualTo(200);
    assertThat(answer.header("Content-Type")).isEqualTo("application/json");
    assertThat(answer.header("Cache-Control")).isEqualTo("no-cache");
    return answer.body();
  }

  private String refused(String path) {
    Http.Answer answer = http.get(path);
    assertThat(answer.status()).as(path).isEqualTo(400);
    Problems.check(answer);
    assertThat(answer.slug()).isEqualTo("bad-value");
    return answer.json().getString("detail");
  }
}
