package org.nodepool;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.aNode;

import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.net.URLEncoder;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tag;
import net.jqwik.api.lifecycle.BeforeProperty;

/** Any query of a list is refused, or shows exactly what a second, naive reading of it selects. */
@Tag("both-databases")
class ListPropertyTest {
  private record Parameter(String name, String value) {
    String encoded() {
      return URLEncoder.encode(name, UTF_8) + "=" + URLEncoder.encode(value, UTF_8);
    }
  }

  private static final List<String> NODE_FILTERS =
      List.of(
          "id",
          "provider_name",
          "label_name",
          "target_name",
          "hostname",
          "nodename",
          "external_id",
          "az",
          "ip",
          "ip_private",
          "state");
  private static final List<String> JOB_FILTERS =
      List.of(
          "id",
          "kind",
          "state",
          "subject",
          "image_name",
          "provider_name",
          "progress",
          "phase",
          "error",
          "attempts",
          "worker");
  private static final Set<String> STATES =
      Set.of("building", "ready", "used", "delete", "hold", "test", "failed", "99", "0", "-1");
  private static final Set<String> JOB_STATES =
      Set.of("queued", "running", "succeeded", "failed", "cancelled");
  private static final Set<String> KINDS =
      Set.of("build", "upload", "update", "delete-image", "delete-dib-image", "delete-node");
  private static final List<String> TEXTS =
      List.of("", "a", "A", "a ", "ä", "'", "a,b", "a&b=c", "a+b", "a\nb", "\uD83D\uDE00", "null");

  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeProperty
  void rows() {
    service.empty();
    for (int i = 0; i < 24; i++) {
      String text = TEXTS.get(i % TEXTS.size());
      String other = TEXTS.get(i * 5 % TEXTS.size());
      Integer state = new Integer[] {1, 2, 5, 99, 0, -1, null}[i % 7];
      aNode()
          .with("id", i + 1)
          .provider(text)
          .label(other)
          .hostname(i % 3 == 0 ? null : other)
          .with("az", i % 2 == 0 ? null : text)
          .state(state)
          .in(service);
      aJob()
          .with("id", i + 1)
          .kind(i % 2 == 0 ? "build" : "delete-node")
          .ended(i % 3 == 0 ? "failed" : "succeeded")
          .subject("/v1/nodes/" + i % 4)
          .image(i % 5 == 0 ? null : text)
          .with("progress", i % 4 == 0 ? null : i % 4 * 0.25)
          .attempts(i % 3)
          .worker("w")
          .in(service);
    }
  }

  @Property(tries = 400)
  void of_nodes(@ForAll("nodeQueries") List<Parameter> query) {
    check("/v1/nodes", query, NODE_FILTERS, STATES);
  }

  @Property(tries = 400)
  void of_jobs(@ForAll("jobQueries") List<Parameter> query) {
    check("/v1/jobs", query, JOB_FILTERS, JOB_STATES);
  }

  private void check(String list, List<Parameter> query, List<String> filters, Set<String> states) {
    boolean isGood = query.stream().allMatch(p -> isGood(p, filters, states));
    isGood &= values(query, "limit").size() <= 1 && values(query, "marker").size() <= 1;
    String target =
        list + "?" + query.stream().map(Parameter::encoded).collect(Collectors.joining("&"));

    Http.Answer answer = http.get(target);

    if (!isGood) {
      assertThat(answer.status()).as(target).isEqualTo(400);
      assertThat(answer.slug()).isEqualTo("bad-value");
      return;
    }
    assertThat(answer.status()).as(target + answer).isEqualTo(200);
    List<JsonObject> expected = select(list, query);
    boolean goesOn = false;
    for (String limit : values(query, "limit")) {
      goesOn = expected.size() > Integer.parseInt(limit);
      expected = expected.subList(0, Math.min(expected.size(), Integer.parseInt(limit)));
    }
    Long last = goesOn ? expected.get(expected.size() - 1).getLong("id") : null;
    JsonArray shown = new JsonArray(expected.stream().map(row -> shown(row, query)).toList());
    assertThat(answer.array().encode()).as(target).isEqualTo(shown.encode());
    if (goesOn) {
      assertThat(answer.header("Link")).matches(".*[?&]marker=" + last + "(&.*)?>; rel=\"next\"");
    } else {
      assertThat(answer.header("Link")).isNull();
    }
  }

  private static boolean isGood(Parameter p, List<String> filters, Set<String> states) {
    return switch (p.name()) {
      case "limit" -> Set.of("1", "2", "7", "10000").contains(p.value());
      case "marker" -> Set.of("1", "12", "24", "999").contains(p.value());
      case "fields" -> Set.of("id", "state,id", "provider_name").contains(p.value());
      case "id", "attempts" -> filters.contains(p.name()) && p.value().matches("0|[1-9][0-9]*");
      case "progress" -> filters.contains(p.name()) && p.value().matches("[0-9](\\.[0-9]+)?");
      case "state" -> states.contains(p.value());
      case "kind" -> filters.contains(p.name()) && KINDS.contains(p.value());
      default -> filters.contains(p.name());
    };
  }

  private List<JsonObject> select(String list, List<Parameter> query) {
    Map<String, List<String>> asked =
        query.stream()
            .filter(p -> !Set.of("limit", "marker", "fields").contains(p.name()))
            .collect(
                Collectors.groupingBy(
                    Parameter::name, Collectors.mapping(Parameter::value, Collectors.toList())));
    List<JsonObject> rows = new ArrayList<>();
    http.get(list).array().forEach(row -> rows.add((JsonObject) row));
    rows.removeIf(row -> asked.keySet().stream().anyMatch(key -> !has(row, key, asked.get(key))));
    boolean newestFirst = list.endsWith("jobs");
    for (String marker : values(query, "marker")) {
      long id = Long.parseLong(marker);
      rows.removeIf(row -> newestFirst ? row.getLong("id") >= id : row.getLong("id") <= id);
    }
    if (!values(query, "limit").isEmpty() || !values(query, "marker").isEmpty()) {
      Comparator<JsonObject> byId = Comparator.comparing(row -> row.getLong("id"));
      rows.sort(newestFirst ? byId.reversed() : byId);
    }
    return rows;
  }

  private static boolean has(JsonObject row, String key, List<String> values) {
    Object value = row.getValue(key);
    if (value instanceof Number number) {
      return values.stream().anyMatch(v -> Double.parseDouble(v) == number.doubleValue());
    }
    return value != null && values.contains(value.toString());
  }

  private static JsonObject shown(JsonObject row, List<Parameter> query) {
    Set<String> fields =
        values(query, "fields").stream()
            .flatMap(f -> List.of(f.split(",")).stream())
            .collect(Collectors.toSet());
    JsonObject shown = new JsonObject();
    row.fieldNames().stream()
        .filter(key -> fields.isEmpty() || fields.contains(key))
        .forEach(key -> shown.put(key, row.getValue(key)));
    return shown;
  }

  private static List<String> values(List<Parameter> query, String name) {
    return query.stream().filter(p -> p.name().equals(name)).map(Parameter::value).toList();
  }

  @Provide
  Arbitrary<List<Parameter>> nodeQueries() {
    return queries("state", "99", "0", "-1", "ready", "hold", "test", "2", "Ready", "", "09");
  }

  @Provide
  Arbitrary<List<Parameter>> jobQueries() {
    return queries("kind", "build", "delete-node", "upload", "BUILD", "", "node");
  }

  /** Often right, sometimes not, rarely nonsense. */
  private static Arbitrary<List<Parameter>> queries(String key, String... itsValues) {
    List<Arbitrary<Parameter>> parameters =
        List.of(
            any(List.of("provider_name", "image_name"), TEXTS),
            any(List.of("label_name", "hostname", "az"), TEXTS),
            any(List.of(key), List.of(itsValues)),
            any(List.of("state"), List.of("failed", "succeeded", "queued", "x")),
            any(List.of("id", "attempts"), List.of("1", "2", "0", "7", "12", "x", "01")),
            any(List.of("progress"), List.of("0.25", "0.5", "0.750", "1", "x")),
            any(List.of("limit"), List.of("1", "2", "7", "10000", "0", "10001", "")),
            any(List.of("marker"), List.of("1", "12", "24", "999", "0", "x")),
            any(List.of("fields"), List.of("id", "state,id", "provider_name", "x", "id,")),
            nonsense());
    return Arbitraries.oneOf(parameters).list().ofMaxSize(4);
  }

  private static Arbitrary<Parameter> any(List<String> names, List<String> values) {
    return Combinators.combine(Arbitraries.of(names), Arbitraries.of(values)).as(Parameter::new);
  }

  private static Arbitrary<Parameter> nonsense() {
    Arbitrary<String> text = Arbitraries.strings().ofMaxLength(5).filter(s -> isText(s));
    return Combinators.combine(text, text).as(Parameter::new);
  }

  /** No half of a surrogate pair: URLEncoder has no encoding for it. */
  private static boolean isText(String text) {
    return UTF_8.newEncoder().canEncode(text);
  }
}
