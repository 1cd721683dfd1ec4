package org.nodepool;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.net.http.HttpHeaders;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** That an answer against the contract is noticed. */
class ContractTest {
  private static final String JSON = "application/json";
  private static final String PROBLEM = "application/problem+json";
  private static final String MONITOR = "</v1/jobs/1>; rel=\"monitor\"";

  private static final String NEXT = "</v1/nodes?limit=1&marker=1>; rel=\"next\"";

  private static final String HEALTHY = "{\"status\": \"ok\"}";
  private static final JsonArray REASONS = new JsonArray().add("The database is away.");

  private final Contract contract = Contract.SERVED;

  static Stream<Arguments> rightAnswers() {
    return Stream.of(
        Arguments.of("GET", "/v1/nodes", json("[]")),
        Arguments.of("GET", "/v1/nodes", json(new JsonArray().add(node()).encode())),
        Arguments.of("GET", "/v1/nodes/", json("[]")),
        Arguments.of("GET", "//v1/./x/%2e%2E/n%6fdes", json("[]")),
        Arguments.of("GET", "http://test/v1/nodes/1", json(node().encode())),
        Arguments.of("GET", "/v1/nodes?fields=id", json("[{\"id\": 1}]")),
        Arguments.of("GET", "/v1/nodes?az=a&fields=id,az", json("[{\"id\": 1, \"az\": null}]")),
        Arguments.of(
            "GET", "/v1/nodes?limit=1", answer(200, "[]", "Content-Type", JSON, "Link", NEXT)),
        Arguments.of(
            "GET", "/v1/nodes", answer(200, "id\n", "Content-Type", "text/plain; charset=utf-8")),
        Arguments.of("GET", "/v1/nodes", problem(406, "not-acceptable")),
        Arguments.of("GET", "/v1/nodes/summary?by=az", json("[{\"az\": null, \"count\": 2}]")),
        Arguments.of("GET", "/v1/nodes/summary", problem(400, "bad-value")),
        Arguments.of("POST", "/v1/nodes/summary", notAllowed("GET, HEAD, OPTIONS")),
        Arguments.of("GET", "/v1/nodes/1?x", problem(400, "bad-value")),
        Arguments.of("GET", "/v1/nodes/1", problem(404, "not-found")),
        Arguments.of("HEAD", "/v1/nodes/1", answer(200, "", "Content-Type", JSON)),
        Arguments.of("GET", "/healthz", json(HEALTHY)),
        Arguments.of("PUT", "/v1/nodes/1", problem(403, "forbidden")),
        Arguments.of("PUT", "/v1/nodes/1", problem(429, "too-many-requests", "Retry-After", "60")),
        Arguments.of("GET", "/readyz", json(readiness(true).encode())),
        Arguments.of("GET", "/readyz", away(readiness(false).put("reasons", REASONS))),
        Arguments.of("GET", "/nope", problem(404, "not-found")),
        Arguments.of("GET", "/%", problem(400, "bad-value")),
        Arguments.of("PUT", "/v1/nodes/1", answer(200, "", "Content-Length", "0")),
        Arguments.of("PUT", "/v1/nodes/1", answer(100, "")),
        Arguments.of("DELETE", "/v1/nodes/1", answer(204, "", "Link", MONITOR)),
        Arguments.of("DELETE", "/v1/nodes/1?record_only=true", answer(204, "")),
        Arguments.of("OPTIONS", "/v1/nodes", answer(204, "", "Allow", "GET, HEAD, OPTIONS")),
        Arguments.of("POST", "/v1/nodes", notAllowed("GET, HEAD, OPTIONS")),
        Arguments.of("get", "/v1/nodes", notAllowed("GET, HEAD, OPTIONS")),
        Arguments.of(
            "GET", "/v1/jobs/1/log", answer(200, "x", "Content-Type", "text/plain; charset=utf-8")),
        Arguments.of("GET", "/v1/events", answer(200, "", "Content-Type", "text/event-stream")));
  }

  @ParameterizedTest
  @MethodSource("rightAnswers")
  void what_is_listed_passes(String method, String target, Http.Answer answer) {
    Http.Answer about = about(target, answer);
    assertThatCode(() -> contract.check(method, target, about)).doesNotThrowAnyException();
  }

  static Stream<Arguments> wrongAnswers() {
    return Stream.of(
        Arguments.of("a status that is not listed", "GET", "/v1/nodes", answer(204, "")),
        Arguments.of("an empty body", "GET", "/v1/nodes", json("")),
        Arguments.of("half a body", "GET", "/v1/nodes", json("[")),
        Arguments.of("an object for a list", "GET", "/v1/nodes", json("{}")),
        Arguments.of("a list for an object", "GET", "/v1/nodes/1", json("[]")),
        Arguments.of("some keys that nobody chose", "GET", "/v1/nodes", json("[{\"id\": 1}]")),
        Arguments.of("a field that is none", "GET", "/v1/nodes?fields=id", json("[{\"x\": 1}]")),
        Arguments.of("a group without count", "GET", "/v1/nodes/summary", json("[{\"az\": null}]")),
        Arguments.of("a group of nothing", "GET", "/v1/nodes/summary", json("[{\"count\": 1}]")),
        Arguments.of(
            "text of an object",
            "GET",
            "/v1/nodes/1",
            answer(200, "x", "Content-Type", "text/plain")),
        Arguments.of(
            "another page's Link",
            "GET",
            "/v1/nodes",
            answer(200, "[]", "Content-Type", JSON, "Link", MONITOR)),
        Arguments.of(
            "an odd id",
            "GET",
            "/healthz",
            answer(200, HEALTHY, "Content-Type", JSON, "X-Request-Id", "a b")),
        Arguments.of(
            "a throttled login that may wait for ever",
            "PUT",
            "/v1/nodes/1",
            problem(429, "too-many-requests")),
        Arguments.of("a read that is forbidden", "GET", "/v1/nodes", problem(403, "forbidden")),
        Arguments.of("a poor health", "GET", "/healthz", json("{\"status\": \"ill\"}")),
        Arguments.of("200 of what is not ready", "GET", "/readyz", json(readiness(false).encode())),
        Arguments.of("503 without a reason", "GET", "/readyz", away(readiness(false))),
        Arguments.of("a version of nothing", "GET", "/v1", json("{\"version\": \"1\"}")),
        Arguments.of("no type", "GET", "/v1/nodes", answer(200, "[]")),
        Arguments.of("another type", "GET", "/v1/nodes", answer(200, "", "Content-Type", "a/b")),
        Arguments.of("a body", "PUT", "/v1/nodes/1", answer(200, "{}")),
        Arguments.of("a type", "PUT", "/v1/nodes/1", answer(200, "", "Content-Type", JSON)),
        Arguments.of(
            "a body to HEAD", "HEAD", "/v1/nodes", answer(200, "[]", "Content-Type", JSON)),
        Arguments.of("no type to HEAD", "HEAD", "/v1/nodes", answer(200, "")),
        Arguments.of("a path that is not listed", "GET", "/v1/nope", json("[]")),
        Arguments.of("such a path's 405", "POST", "/v1/nope", problem(405, "method-not-allowed")),
        Arguments.of("404 for a list", "GET", "/v1/nodes", problem(404, "not-found")),
        Arguments.of("404 as 400", "GET", "/v1/nodes/1", problem(404, "bad-value")),
        Arguments.of("a slug of others", "GET", "/v1/nodes/1", problem(400, "field-missing")),
        Arguments.of("a slug that is none", "GET", "/v1/nodes/1", problem(400, "bad")),
        Arguments.of("no problem", "GET", "/v1/nodes/1", answer(404, "", "Content-Type", PROBLEM)),
        Arguments.of(
            "a problem without detail",
            "GET",
            "/v1/nodes/1",
            changed(problem(404, "not-found"), p -> p.remove("detail"))),
        Arguments.of(
            "a problem that says more",
            "GET",
            "/v1/nodes/1",
            changed(problem(404, "not-found"), p -> p.put("trace", "x"))),
        Arguments.of(
            "another status in it",
            "GET",
            "/v1/nodes/1",
            changed(problem(404, "not-found"), p -> p.put("status", 400))),
        Arguments.of("no challenge", "PUT", "/v1/nodes/1", problem(401, "unauthorized")),
        Arguments.of("no time to wait", "GET", "/v1/nodes/1", problem(503, "unavailable")),
        Arguments.of(
            "the time to wait in words",
            "GET",
            "/v1/nodes/1",
            problem(503, "unavailable", "Retry-After", "soon")),
        Arguments.of(
            "an unasked challenge",
            "GET",
            "/v1/nodes/1",
            problem(404, "not-found", "WWW-Authenticate", "Basic realm=\"nodepool\"")),
        Arguments.of("no Allow", "POST", "/v1/nodes", problem(405, "method-not-allowed")),
        Arguments.of("an Allow too short", "POST", "/v1/nodes", notAllowed("GET, OPTIONS")),
        Arguments.of("an Allow too long", "POST", "/v1/nodes", notAllowed("GET, HEAD, OPTIONS, X")),
        Arguments.of("OPTIONS without Allow", "OPTIONS", "/v1/nodes", answer(204, "")),
        Arguments.of(
            "no Location", "POST", "/v1/dib_images/x/build", answer(201, "", "Link", MONITOR)),
        Arguments.of(
            "another kind's Location",
            "POST",
            "/v1/dib_images/x/build",
            answer(201, "", "Link", MONITOR, "Location", "/v1/images/1")),
        Arguments.of("no job", "DELETE", "/v1/dib_images/1", answer(204, "")));
  }

  @ParameterizedTest
  @MethodSource("wrongAnswers")
  void what_is_not_listed_fails(String what, String method, String target, Http.Answer answer) {
    Http.Answer about = about(target, answer);
    assertThatThrownBy(() -> contract.check(method, target, about))
        .as(what)
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining(method + " " + target);
  }

  @Test
  void an_answer_without_the_requests_id_fails() {
    Http.Answer right = json(HEALTHY);
    Http.Answer anonymous =
        new Http.Answer(
            200, HEALTHY, HttpHeaders.of(Map.of("Content-Type", List.of(JSON)), (n, v) -> true));

    contract.check("GET", "/healthz", right);
    assertThatThrownBy(() -> contract.check("GET", "/healthz", anonymous))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("X-Request-Id is missing");
  }

  static Stream<Arguments> wrongNodes() {
    return Stream.of(
        wrong("a key less", n -> n.remove("az")),
        wrong("a key more", n -> n.put("comment", "x")),
        wrong("no subnodes", n -> n.remove("subnodes")),
        wrong("null subnodes", n -> n.putNull("subnodes")),
        wrong("a subnode without keys", n -> n.put("subnodes", new JsonArray("[{}]"))),
        wrong("an id in text", n -> n.put("id", "1")),
        wrong("id 0", n -> n.put("id", 0)),
        wrong("id 1.5", n -> n.put("id", 1.5)),
        wrong("a null name", n -> n.putNull("label_name")),
        wrong("a number for a name", n -> n.put("hostname", 1)),
        wrong("a state's code", n -> n.put("state", 2)),
        wrong("the code in text of a state that has a name", n -> n.put("state", "2")),
        wrong("a state that is none", n -> n.put("state", "READY")),
        wrong("a time in text", n -> n.put("state_time", "now")));
  }

  @ParameterizedTest
  @MethodSource("wrongNodes")
  void a_node_that_is_not_as_the_schema_says_fails(String what, JsonObject node) {
    assertThatThrownBy(() -> contract.check("GET", "/v1/nodes/1", json(node.encode())))
        .as(what)
        .isInstanceOf(AssertionError.class);
    String list = new JsonArray().add(node()).add(node).encode();
    assertThatThrownBy(() -> contract.check("GET", "/v1/nodes", json(list)))
        .as(what)
        .isInstanceOf(AssertionError.class);
  }

  @Test
  void odd_rows_pass() {
    JsonObject node = node().putNull("state").putNull("hostname").putNull("state_time");
    contract.check("GET", "/v1/nodes/1", json(node.encode()));
    contract.check("GET", "/v1/nodes/1", json(node.put("state", "42").encode()));
    contract.check("GET", "/v1/nodes/1", json(node.put("state", "-1").encode()));
  }

  @Test
  void an_event_has_the_data_of_its_kind() {
    JsonObject row = node();
    row.remove("subnodes");
    JsonObject event =
        new JsonObject()
            .putNull("id")
            .put("time", 1416832000)
            .put("kind", "node")
            .put("subject", "/v1/nodes/1")
            .putNull("old_state")
            .put("state", "ready")
            .put("data", row);
    contract.checkEvent(event);

    List<JsonObject> wrong = new ArrayList<>();
    wrong.add(event.copy().put("kind", "image"));
    wrong.add(event.copy().put("kind", "server"));
    wrong.add(event.copy().put("subject", "/v1/images/1"));
    wrong.add(event.copy().put("data", node()));
    wrong.add(event.copy().put("state", "succeeded"));
    wrong.add(event.copy().put("time", "now"));
    wrong.add(event.copy().put("more", 1));
    JsonObject less = event.copy();
    less.remove("id");
    wrong.add(less);
    for (JsonObject other : wrong) {
      assertThatThrownBy(() -> contract.checkEvent(other))
          .as(other.encode())
          .isInstanceOf(AssertionError.class);
    }
  }

  @Test
  void another_document_judges_otherwise() {
    JsonObject changed = Contract.DOCUMENT.copy();
    changed
        .getJsonObject("components")
        .getJsonObject("schemas")
        .getJsonObject("NodeKeys")
        .getJsonObject("properties")
        .remove("az");

    assertThatThrownBy(
            () -> new Contract(changed).check("GET", "/v1/nodes/1", json(node().encode())))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("az");
  }

  private static JsonObject node() {
    return new JsonObject(
        """
        {"id": 1, "provider_name": "p", "label_name": "l", "target_name": "t", "hostname": "h",
         "nodename": null, "external_id": null, "az": null, "ip": null, "ip_private": null,
         "state": "ready", "state_time": 1416832000, "subnodes": []}
        """);
  }

  private static Arguments wrong(String what, Consumer<JsonObject> change) {
    JsonObject node = node();
    change.accept(node);
    return Arguments.of(what, node);
  }

  private static Http.Answer json(String body) {
    return answer(200, body, "Content-Type", JSON);
  }

  private static JsonObject readiness(boolean ready) {
    return new JsonObject()
        .put("ready", ready)
        .put("reasons", new JsonArray())
        .put("warnings", new JsonArray());
  }

  private static Http.Answer away(JsonObject readiness) {
    return answer(503, readiness.encode(), "Content-Type", JSON, "Retry-After", "1");
  }

  /** A problem is about the path that was asked for. */
  private static Http.Answer about(String target, Http.Answer answer) {
    String path = target.replaceFirst("\\?.*", "");
    return answer.body().contains("\"/x\"")
        ? changed(answer, problem -> problem.put("instance", path))
        : answer;
  }

  @Test
  void a_problem_about_another_path_fails() {
    Http.Answer answer = problem(404, "not-found");
    assertThatThrownBy(() -> contract.check("GET", "/v1/nodes/1", answer))
        .hasMessageContaining("instance is not /v1/nodes/1");
  }

  private static Http.Answer problem(int status, String slug, String... headers) {
    JsonObject problem =
        new JsonObject()
            .put("type", "urn:nodepool:problem:" + slug)
            .put("title", "Title")
            .put("status", status)
            .put("detail", "A sentence.")
            .put("instance", "/x");
    List<String> all = new ArrayList<>(List.of("Content-Type", PROBLEM));
    all.addAll(List.of(headers));
    return answer(status, problem.encode(), all.toArray(String[]::new));
  }

  private static Http.Answer notAllowed(String allow) {
    return problem(405, "method-not-allowed", "Allow", allow);
  }

  private static Http.Answer changed(Http.Answer answer, Consumer<JsonObject> change) {
    JsonObject body = answer.json();
    change.accept(body);
    return new Http.Answer(answer.status(), body.encode(), answer.headers());
  }

  private static Http.Answer answer(int status, String body, String... headers) {
    Map<String, List<String>> map = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    map.put("X-Request-Id", List.of("1"));
    for (int i = 0; i < headers.length; i += 2) {
      map.put(headers[i], List.of(headers[i + 1]));
    }
    return new Http.Answer(status, body, HttpHeaders.of(map, (name, value) -> true));
  }
}
