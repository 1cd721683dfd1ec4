package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.aNode;
import static org.nodepool.Rows.aSubnode;
import static org.nodepool.Rows.anImage;

import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Filters and {@code fields} of the four lists. */
@Tag("both-databases")
class ListFilterTest {
  private static final List<String> LISTS =
      List.of("/v1/nodes", "/v1/images", "/v1/dib_images", "/v1/jobs");

  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
  }

  // ---- which rows

  @Test
  void a_node_is_found_by_each_of_its_scalars_and_not_by_another_value() {
    long node = fullNode();
    service.node("other", 5);

    for (String filter :
        List.of(
            "id=" + node,
            "provider_name=provider",
            "label_name=label-1",
            "target_name=target-1",
            "hostname=host-1",
            "nodename=node-1",
            "external_id=uuid-1",
            "az=az-1",
            "ip=192.0.2.1",
            "ip_private=10.0.0.1",
            "state=used")) {
      assertThat(http.get("/v1/nodes?" + filter).ids()).as(filter).containsExactly(node);
    }
    for (String key :
        List.of("provider_name", "label_name", "target_name", "hostname", "nodename", "az", "ip")) {
      assertThat(http.get("/v1/nodes?" + key + "=nothing").body()).as(key).isEqualTo("[]");
    }
    assertThat(http.get("/v1/nodes?id=" + (node + 1000)).body()).isEqualTo("[]");
    assertThat(http.get("/v1/nodes?state=test").body()).isEqualTo("[]");
  }

  @Test
  void an_image_is_found_by_each_of_its_scalars() {
    long image =
        anImage()
            .provider("p")
            .image("i")
            .hostname("h")
            .externalId("e")
            .with("server_external_id", "s")
            .state(7)
            .in(service);
    service.image("other", 1, null);

    for (String filter :
        List.of(
            "id=" + image,
            "provider_name=p",
            "image_name=i",
            "hostname=h",
            "external_id=e",
            "server_external_id=s",
            "state=failed")) {
      assertThat(http.get("/v1/images?" + filter).ids()).as(filter).containsExactly(image);
    }
  }

  @Test
  void a_dib_image_is_found_by_each_of_its_scalars() {
    long image = service.dibImage("tiny", 1, "/images/tiny-1");
    service.dibImage("other", 2, null);

    for (String filter :
        List.of("id=" + image, "image_name=tiny", "filename=/images/tiny-1", "state=building")) {
      assertThat(http.get("/v1/dib_images?" + filter).ids()).as(filter).containsExactly(image);
    }
  }

  @Test
  void a_job_is_found_by_each_of_its_scalars() {
    long job =
        aJob()
            .kind("delete-dib-image")
            .ended("failed")
            .subject("/v1/dib_images/7")
            .image("i")
            .provider("p")
            .with("progress", 0.25)
            .with("phase", "ph")
            .with("error", "er")
            .attempts(3)
            .worker("w")
            .in(service);
    aJob().ended("succeeded").subject("/v1/dib_images/8").with("progress", 1.0).in(service);

    for (String filter :
        List.of(
            "id=" + job,
            "kind=delete-dib-image",
            "state=failed",
            "subject=/v1/dib_images/7",
            "image_name=i",
            "provider_name=p",
            "progress=0.25",
            "progress=0.250",
            "progress=2.5e-1",
            "phase=ph",
            "error=er",
            "attempts=3",
            "worker=w")) {
      assertThat(http.get("/v1/jobs?" + filter).ids()).as(filter).containsExactly(job);
    }
    assertThat(http.get("/v1/jobs?progress=1").ids()).hasSize(1).doesNotContain(job);
  }

  @Test
  void the_same_name_repeated_asks_for_any_of_them_and_different_names_for_all_of_them() {
    long aReady = service.node("a", 2);
    long aHeld = service.node("a", 5);
    long bReady = service.node("b", 2);
    service.node("c", 2);

    assertThat(http.get("/v1/nodes?provider_name=a&provider_name=b").ids())
        .containsExactly(aReady, aHeld, bReady);
    assertThat(http.get("/v1/nodes?provider_name=b&state=ready&provider_name=a").ids())
        .containsExactly(aReady, bReady);
    assertThat(http.get("/v1/nodes?state=ready&state=hold&provider_name=a&id=" + aHeld).ids())
        .containsExactly(aHeld);
    assertThat(http.get("/v1/nodes?provider_name=a&provider_name=a").ids())
        .containsExactly(aReady, aHeld);
    assertThat(http.get("/v1/nodes?id=" + aReady + "&id=" + bReady + "&state=hold").body())
        .isEqualTo("[]");
  }

  @Test
  void a_null_matches_nothing_not_even_empty_text() {
    long isNull = aNode().provider("").without("hostname").in(service);
    long isEmpty = named("");

    for (String key : List.of("hostname", "nodename", "external_id", "az", "ip", "ip_private")) {
      for (String text : List.of("", "null", "-", "NULL")) {
        assertThat(http.get("/v1/nodes?" + key + "=" + text).ids())
            .as(key + "=" + text)
            .doesNotContain(isNull);
      }
    }
    assertThat(http.get("/v1/nodes?hostname=").ids()).containsExactly(isEmpty);
    assertThat(http.get("/v1/nodes?hostname").ids()).containsExactly(isEmpty);
    assertThat(http.get("/v1/nodes?provider_name=").ids()).containsExactly(isNull);
  }

  @Test
  void text_is_equal_by_code_point_so_case_blanks_and_accents_count() {
    List<String> names =
        List.of(
            "a",
            "A",
            "a ",
            " a",
            "a  ",
            "ä",
            "a\u0308",
            "Ä",
            "\u00a0",
            "ß",
            "ss",
            "'",
            "\"",
            "''",
            "\\",
            "%",
            "_",
            "a,b",
            "a;b",
            "a&b",
            "a=b",
            "a+b",
            "a b",
            "a#b",
            "a?b",
            "a/b",
            "%41",
            "\n",
            "\t",
            "\u0001",
            "\u200b",
            "\uFFFD",
            "\uD83D\uDE00",
            "' OR '1'='1",
            "null",
            "*");
    List<Long> ids = names.stream().map(this::named).toList();

    for (int i = 0; i < names.size(); i++) {
      String encoded = URLEncoder.encode(names.get(i), StandardCharsets.UTF_8);
      for (String query : List.of(encoded, encoded.replace("+", "%20"))) {
        assertThat(http.get("/v1/nodes?hostname=" + query).ids())
            .as(names.get(i))
            .containsExactly(ids.get(i));
      }
    }
  }

  @Test
  void a_value_may_be_sent_as_raw_utf_8_and_with_semicolons() throws IOException {
    long raw = named("ö");
    long semicolon = named("a;b");
    String bytes = new String("ö".getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
    try (Wire wire = new Wire(http.port())) {
      assertThat(wire.ask("GET", "/v1/nodes?hostname=" + bytes).ids()).containsExactly(raw);
      assertThat(wire.ask("GET", "/v1/nodes?hostname=a;b").ids()).containsExactly(semicolon);
      assertThat(wire.ask("GET", "/v1/nodes?h%6fstname=%61%3bb").ids()).containsExactly(semicolon);
    }
  }

  @Test
  void a_filter_behind_a_thousand_others_counts() throws IOException {
    service.node("a", 2);
    long held = service.node("a", 5);
    try (Wire wire = new Wire(http.port())) {
      String query = "provider_name=a&" + "az&".repeat(1100) + "state=hold";
      assertThat(wire.ask("GET", "/v1/nodes?" + query).body()).isEqualTo("[]");
      String unknown = "az&".repeat(1100) + "x";
      assertThat(wire.ask("GET", "/v1/nodes?" + unknown).status()).isEqualTo(400);
    }
    assertThat(http.get("/v1/nodes?state=hold").ids()).containsExactly(held);
  }

  @Test
  void a_code_without_a_name_is_found_by_its_decimal_text() {
    List<Integer> codes = List.of(0, -1, 8, 99, Integer.MAX_VALUE, Integer.MIN_VALUE);
    List<Long> ids = codes.stream().map(code -> service.node("a", code)).toList();
    service.node("a", null);
    long ready = service.node("a", 2);

    for (int i = 0; i < codes.size(); i++) {
      assertThat(http.get("/v1/nodes?state=" + codes.get(i)).ids()).containsExactly(ids.get(i));
    }
    assertThat(http.get("/v1/nodes?state=99&state=ready").ids()).containsExactly(ids.get(3), ready);
    assertThat(http.get("/v1/nodes?state=100").body()).isEqualTo("[]");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "2",
        "09",
        "00",
        "-0",
        "+9",
        "9.0",
        "%209",
        "9%20",
        "READY",
        "Ready",
        "ready%20",
        "",
        "rea",
        "2147483648",
        "-2147483649",
        "99999999999999999999",
        "%D9%A9",
        "null",
        "ready,hold",
        "queued",
        "0x9",
        "1e1"
      })
  void a_state_that_there_cannot_be_is_refused_with_the_states(String state) {
    for (String list : List.of("/v1/nodes", "/v1/images", "/v1/dib_images")) {
      String detail = refused(list + "?state=" + state);
      assertThat(detail)
          .contains("'state'", "building, ready, used, delete, hold, test, failed", "decimal code");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "state=ready,'queued, running, succeeded, failed, cancelled'",
    "state=Queued,'queued, running, succeeded, failed, cancelled'",
    "state=,'queued, running, succeeded, failed, cancelled'",
    "state=1,'queued, running, succeeded, failed, cancelled'",
    "kind=node,'build, upload, update, delete-image, delete-dib-image, delete-node'",
    "kind=delete_node,'build, upload, update, delete-image, delete-dib-image, delete-node'",
    "kind=BUILD,'build, upload, update, delete-image, delete-dib-image, delete-node'",
    "kind,'build, upload, update, delete-image, delete-dib-image, delete-node'"
  })
  void a_kind_or_state_of_jobs_that_there_is_not_is_refused_with_those_there_are(
      String query, String allowed) {
    assertThat(refused("/v1/jobs?" + query)).contains(allowed);
    assertThat(refused("/v1/jobs?state=queued&kind=build&" + query)).contains(allowed);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "", "x", "1x", "01", "+1", "1.0", "1e3", "%201", "1%20", "0x1", "-", "--1", "-0", "-01",
        "%D9%A1", "1,2", "NaN", "1%00"
      })
  void a_whole_number_that_is_none_is_refused(String number) {
    LISTS.forEach(list -> refused(list + "?id=" + number));
    assertThat(refused("/v1/jobs?attempts=" + number)).contains("'attempts'", "whole number");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "x", "half", "0,5", ".5", "5.", "00.5", "+0.5", "1e", "NaN", "Infinity", "1d"})
  void a_progress_that_is_no_number_is_refused(String number) {
    assertThat(refused("/v1/jobs?progress=" + number)).contains("'progress'", "a number");
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "-1", "99999999999999999999999999", "9223372036854775808"})
  void a_number_that_no_row_has_finds_nothing(String number) {
    service.node("a", 2);
    assertThat(http.get("/v1/nodes?id=" + number).body()).isEqualTo("[]");
    assertThat(http.get("/v1/jobs?attempts=" + number).body()).isEqualTo("[]");
    assertThat(http.get("/v1/jobs?progress=1e999").body()).isEqualTo("[]");
  }

  // ---- what is no parameter

  @ParameterizedTest
  @ValueSource(
      strings = {
        "x",
        "x=1",
        "wait=1",
        "follow=true",
        "%20=",
        "=",
        "=1",
        "State=ready",
        "STATE=ready",
        "state%20=ready",
        "by=state",
        "record_only=true",
        "subnodes=0",
        "state_time=1416832000",
        "version=1",
        "created=1",
        "uuid=1",
        "host=x",
        "id=1&x=1",
        "state=&x",
        "a[]=1"
      })
  void a_parameter_that_is_not_known_is_refused_with_those_that_are(String query)
      throws IOException {
    service.node("a", 2);
    try (Wire wire = new Wire(http.port())) {
      for (String list : LISTS) {
        Http.Answer answer = wire.ask("GET", list + "?" + query);
        assertThat(answer.status()).as(answer.toString()).isEqualTo(400);
        Problems.check(answer, list);
        assertThat(answer.slug()).isEqualTo("bad-value");
        assertThat(wire.ask("HEAD", list + "?" + query).status()).isEqualTo(400);
      }
    }
  }

  @Test
  void the_refusal_names_every_parameter_that_there_is() {
    assertThat(refused("/v1/nodes?x=1"))
        .isEqualTo(
            "There is no parameter 'x' here; allowed: id, provider_name, label_name, target_name,"
                + " hostname, nodename, external_id, az, ip, ip_private, state, fields, limit,"
                + " marker.");
    assertThat(refused("/v1/images?x=1"))
        .endsWith(
            "allowed: id, provider_name, image_name, hostname, external_id, server_external_id,"
                + " state, fields, limit, marker.");
    assertThat(refused("/v1/dib_images?x=1"))
        .endsWith("allowed: id, image_name, filename, state, fields, limit, marker.");
    assertThat(refused("/v1/jobs?x=1"))
        .endsWith(
            "allowed: id, kind, state, subject, image_name, provider_name, progress, phase, error,"
                + " attempts, worker, fields, limit, marker.");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "%",
        "a=%",
        "%zz=1",
        "hostname=%4",
        "hostname=%FF",
        "hostname=%ED%A0%80",
        "\u00ff"
      })
  void a_query_that_cannot_be_decoded_is_refused(String query) throws IOException {
    service.node("a", 2);
    try (Wire wire = new Wire(http.port())) {
      Http.Answer answer = wire.ask("GET", "/v1/nodes?" + query);
      assertThat(answer.status()).as(answer.toString()).isEqualTo(400);
      Problems.check(answer, "/v1/nodes");
    }
  }

  // ---- fields

  @Test
  void fields_keeps_those_keys_in_the_objects_order() {
    long node = fullNode();
    aSubnode(node).hostname("sub").in(service);

    String expected = "[{\"id\":%d,\"state\":\"used\"}]".formatted(node);
    for (String fields :
        List.of(
            "fields=id,state",
            "fields=state,id",
            "fields=state&fields=id",
            "fields=id,id,state,id",
            "fields=id%2Cstate")) {
      assertThat(http.get("/v1/nodes?" + fields).body()).as(fields).isEqualTo(expected);
    }
    assertThat(http.get("/v1/nodes?fields=state_time").body())
        .isEqualTo("[{\"state_time\":1416832002}]");
    assertThat(http.get("/v1/nodes?fields=subnodes").body())
        .startsWith("[{\"subnodes\":[{\"id\":")
        .contains("\"hostname\":\"sub\"");
    assertThat(http.get("/v1/nodes?fields=hostname&state=used").body())
        .isEqualTo("[{\"hostname\":\"host-1\"}]");
    assertThat(http.get("/v1/nodes?fields=hostname&state=ready").body()).isEqualTo("[]");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "fields",
        "fields=",
        "fields=,",
        "fields=id,",
        "fields=,id",
        "fields=id,,state",
        "fields=id,%20state",
        "fields=ID",
        "fields=x",
        "fields=id&fields=",
        "fields=*",
        "fields=uuid",
        "fields=count",
        "fields=id;state"
      })
  void an_unknown_or_empty_field_is_refused_with_those_there_are(String query) {
    assertThat(refused("/v1/dib_images?" + query))
        .contains("'fields'", "id, image_name, filename, version, state, state_time");
    LISTS.forEach(list -> refused(list + "?" + query));
  }

  // ---- ten thousand

  @Test
  void ten_thousand_rows_are_filtered_and_shown() {
    String values =
        String.join(
            ",",
            IntStream.range(0, 10_000)
                .mapToObj(i -> "('p%d','l','t','h%d',%d)".formatted(i % 7, i, i % 9))
                .toList());
    service.sql(
        "INSERT INTO node (provider_name, label_name, target_name, hostname, state) VALUES "
            + values);

    assertThat(http.get("/v1/nodes").ids()).hasSize(10_000).doesNotHaveDuplicates();
    assertThat(http.get("/v1/nodes?state=ready&provider_name=p3&provider_name=p4").ids())
        .hasSize(318);
    assertThat(http.get("/v1/nodes?hostname=h9999").ids()).hasSize(1);
  }

  private String refused(String path) {
    Http.Answer answer = http.get(path);
    assertThat(answer.status()).as(path + " " + answer).isEqualTo(400);
    Problems.check(answer);
    assertThat(answer.slug()).isEqualTo("bad-value");
    return answer.json().getString("detail");
  }

  private long named(String hostname) {
    return aNode().hostname(hostname).in(service);
  }

  private long fullNode() {
    return aNode()
        .provider("provider")
        .label("label-1")
        .with("target_name", "target-1")
        .hostname("host-1")
        .with("nodename", "node-1")
        .externalId("uuid-1")
        .with("az", "az-1")
        .with("ip", "192.0.2.1")
        .with("ip_private", "10.0.0.1")
        .state(3)
        .stateTime(1416832002L)
        .in(service);
  }
}
