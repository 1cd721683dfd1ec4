package org.nodepool;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_16;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** How the bodies of requests are read, by the example of {@code PUT /v1/nodes/{id}}. */
@Tag("both-databases")
class RequestBodyTest {
  private static final String FORM = "application/x-www-form-urlencoded";
  private static final String JSON = "application/json";
  private static final String LOGIN = Http.basic("admin:" + TestService.PASSWORD);
  private static final int LIMIT = 64 * 1024;

  private final TestService service = TestService.shared();
  private final Http http = service.http();
  private String node;

  @BeforeEach
  void empty() {
    service.empty();
    node = "/v1/nodes/" + service.node("directory", 2);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "state=hold",
        "state=ready&state=hold",
        "state=nonsense&x=1&state=hold",
        "other=1&state=hold&more",
        "&&state=hold&",
        "=&state=hold",
        "st%61te=%68old",
        "state=hold&%F0%9F%98%80=%00",
        "a=b=c&state=hold"
      })
  void a_form_that_says_hold(String body) {
    assertThat(put(FORM, body).status()).isEqualTo(200);
    assertThat(state()).isEqualTo("hold");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"state\":\"hold\"}",
        " \n{\"state\" : \"hold\"}\r\n\t",
        "{\"state\":\"ready\",\"state\":\"hold\"}",
        "{\"state\":1,\"state\":\"hold\"}",
        "{\"other\":{\"state\":[1,null]},\"state\":\"hold\",\"more\":1e99}",
        "{\"st\\u0061te\":\"\\u0068old\"}",
        "{\"\":null,\"state\":\"hold\"}"
      })
  void a_json_object_that_says_hold(String body) {
    assertThat(put(JSON, body).status()).isEqualTo(200);
    assertThat(state()).isEqualTo("hold");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"state\":1}|bad-value",
        "{\"state\":null}|bad-value",
        "{\"state\":true}|bad-value",
        "{\"state\":[\"hold\"]}|bad-value",
        "{\"state\":{\"hold\":1}}|bad-value",
        "{\"state\":\"hold\",\"state\":1}|bad-value",
        "{\"state\":\"hold \"}|bad-value",
        "{\"state\":\"\"}|bad-value",
        "{}|field-missing",
        "{\"State\":\"hold\"}|field-missing",
        "[]|malformed-body",
        "[{\"state\":\"hold\"}]|malformed-body",
        "\"hold\"|malformed-body",
        "1|malformed-body",
        "null|malformed-body",
        "true|malformed-body",
        "{|malformed-body",
        "{\"state\":\"hold\"|malformed-body",
        "{\"state\":\"hold\",}|malformed-body",
        "{\"state\":\"hold\"}}|malformed-body",
        "{\"state\":\"hold\"}{\"state\":\"hold\"}|malformed-body",
        "{\"state\":\"hold\"} x|malformed-body",
        "{'state':'hold'}|malformed-body",
        "{state:\"hold\"}|malformed-body",
        "{\"state\":\"\\ud83d|malformed-body",
        "{\"a\":NaN,\"state\":\"hold\"}|malformed-body",
        "state=hold|malformed-body",
        "' '|malformed-body"
      })
  void json_that_does_not_say_hold(String body, String slug) {
    Http.Answer answer = put(JSON, body);

    assertThat(answer.status()).as(answer.body()).isEqualTo(400);
    Problems.check(answer, node);
    assertThat(answer.slug()).isEqualTo(slug);
    assertThat(state()).isEqualTo("ready");
  }

  @Test
  void json_that_is_nested_very_deeply_or_has_very_long_numbers_is_refused() {
    assertThat(put(JSON, "[".repeat(60_000)).slug()).isEqualTo("malformed-body");
    assertThat(put(JSON, "{\"a\":".repeat(12_000)).slug()).isEqualTo("malformed-body");
    assertThat(put(JSON, "{\"state\":" + "9".repeat(60_000) + "}").status()).isEqualTo(400);
  }

  @ParameterizedTest
  @ValueSource(strings = {"state=%", "state=%4", "state=%zz", "%=1", "state=hold&a=%u0041"})
  void a_form_with_a_broken_escape_is_refused(String body) {
    Http.Answer answer = put(FORM, body);

    assertThat(answer.status()).isEqualTo(400);
    Problems.check(answer, node);
    assertThat(answer.slug()).isEqualTo("malformed-body");
    assertThat(state()).isEqualTo("ready");
  }

  @Test
  void a_body_that_is_not_utf_8_is_refused() {
    byte[] form = "a=ö&state=hold".getBytes(ISO_8859_1);
    byte[] json = "{\"a\":\"ö\",\"state\":\"hold\"}".getBytes(ISO_8859_1);
    byte[] utf16 = "{\"state\":\"hold\"}".getBytes(UTF_16);

    assertThat(http.sendBytes("PUT", node, FORM, form).slug()).isEqualTo("malformed-body");
    assertThat(http.sendBytes("PUT", node, JSON, json).slug()).isEqualTo("malformed-body");
    assertThat(http.sendBytes("PUT", node, JSON, utf16).slug()).isEqualTo("malformed-body");
    assertThat(state()).isEqualTo("ready");
  }

  @Test
  void a_query_string_is_no_field() {
    assertThat(http.put(node + "?state=hold", "").slug()).isEqualTo("field-missing");
    assertThat(http.put(node + "?state=hold", "other=1").slug()).isEqualTo("field-missing");
    assertThat(state()).isEqualTo("ready");
  }

  @Test
  void an_empty_body_needs_no_content_type() throws IOException {
    assertThat(http.send("PUT", node, null, null).slug()).isEqualTo("field-missing");
    assertThat(http.send("PUT", node, "text/plain", null).slug()).isEqualTo("field-missing");
    assertThat(http.send("PUT", node, JSON, null).slug()).isEqualTo("field-missing");
    assertThat(chunked(new byte[0]).slug()).isEqualTo("field-missing");
    try (Wire wire = new Wire(http.port())) {
      assertThat(wire.ask("PUT", node, "Authorization", LOGIN, "Content-Length", "0").slug())
          .isEqualTo("field-missing");
    }
    assertThat(http.delete("/v1/nodes/999999").slug()).isEqualTo("not-found");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        FORM,
        FORM + "; charset=UTF-8",
        FORM + ";charset=utf-8",
        FORM + "; charset=\"utf-8\"",
        FORM + " ; x=y",
        FORM + ";",
        "APPLICATION/X-WWW-Form-URLENCODED"
      })
  void the_type_of_a_form_may_have_parameters(String type) {
    assertThat(put(type, "state=hold").status()).isEqualTo(200);
    assertThat(state()).isEqualTo("hold");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        JSON,
        JSON + "; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        JSON + ";",
        JSON + "; x=\"y;z\""
      })
  void the_type_of_json_may_have_parameters(String type) {
    assertThat(put(type, "{\"state\":\"hold\"}").status()).isEqualTo(200);
    assertThat(state()).isEqualTo("hold");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "text/plain",
        "text/json",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/problem+json",
        "application/json, text/plain",
        "application/octet-stream",
        "json",
        "/",
        ";",
        "application",
        "*/*",
        " "
      })
  void any_other_type_is_refused(String type) {
    Http.Answer answer = put(type, "{\"state\":\"hold\"}");

    assertThat(answer.status()).isEqualTo(415);
    Problems.check(answer, node);
    assertThat(answer.slug()).isEqualTo("unsupported-media-type");
    assertThat(answer.json().getString("detail")).contains(FORM, JSON);
    assertThat(state()).isEqualTo("ready");
  }

  @Test
  void a_body_without_a_type_is_refused() {
    assertThat(put(null, "state=hold").status()).isEqualTo(415);
    assertThat(http.send("DELETE", node, null, "x").status()).isEqualTo(415);
    assertThat(state()).isEqualTo("ready");
  }

  @Test
  void a_body_of_64_kib_is_read_and_one_byte_more_is_too_large() throws IOException {
    byte[] fits = padded("state=hold&x=", LIMIT);
    byte[] tooLarge = padded("state=ready&x=", LIMIT + 1);

    assertThat(http.sendBytes("PUT", node, FORM, fits).status()).isEqualTo(200);
    assertThat(state()).isEqualTo("hold");
    assertIsTooLarge(http.sendBytes("PUT", node, FORM, tooLarge));

    service.sql("UPDATE node SET state = 2");
    assertThat(chunked(fits).status()).isEqualTo(200);
    assertThat(state()).isEqualTo("hold");
    assertIsTooLarge(chunked(tooLarge));
    assertThat(state()).isEqualTo("hold");
  }

  @Test
  void a_much_larger_body_is_refused_too_whatever_its_type() throws IOException {
    byte[] large = padded("state=hold&x=", 1_000_000);
    for (String type : new String[] {FORM, JSON, "text/plain", null}) {
      assertIsTooLarge(http.sendBytes("PUT", node, type, large));
    }
    assertIsTooLarge(chunked(large));
    try (Wire wire = new Wire(http.port())) { // before any of it is sent
      wire.send(head("Content-Length: 99999999999\r\n"));
      assertIsTooLarge(wire.read("PUT", node));
    }
    assertThat(state()).isEqualTo("ready");
  }

  private void assertIsTooLarge(Http.Answer answer) {
    assertThat(answer.status()).isEqualTo(413);
    Problems.check(answer, node);
    assertThat(answer.slug()).isEqualTo("too-large");
    assertThat(answer.json().getString("detail")).contains("65536");
  }

  @Test
  void a_long_value_is_a_value() {
    for (String value : new String[] {"x".repeat(20_000), "%41".repeat(20_000)}) {
      Http.Answer answer = put(FORM, "state=" + value);
      assertThat(answer.status()).isEqualTo(400);
      assertThat(answer.slug()).isEqualTo("bad-value");
      assertThat(answer.body()).hasSizeLessThan(1000);
    }
    assertThat(put(JSON, "{\"state\":\"" + "x".repeat(60_000) + "\"}").slug())
        .isEqualTo("bad-value");
    assertThat(put(FORM, "x&".repeat(30_000) + "state=hold").status()).isEqualTo(200);
  }

  @Test
  void a_long_provider_name_is_not_found() {
    Http.Answer answer =
        http.post("/v1/dib_images/tiny/upload", "provider_name=" + "x".repeat(20_000));
    assertThat(answer.status()).isEqualTo(404);
    Problems.check(answer);
  }

  @Test
  void the_login_is_checked_before_the_body() throws IOException {
    Http anonymous = http.anonymous();
    byte[] large = padded("state=hold&x=", 1_000_000);
    assertThat(anonymous.sendBytes("PUT", node, FORM, large).status()).isEqualTo(401);
    assertThat(anonymous.send("PUT", node, "text/plain", "x").status()).isEqualTo(401);
    assertThat(anonymous.send("PUT", node, JSON, "{").status()).isEqualTo(401);
    try (Wire wire = new Wire(http.port())) { // the body has come whole
      assertThat(wire.ask("PUT", node, new byte[100]).status()).isEqualTo(401);
      assertThat(wire.ask("GET", node).status()).isEqualTo(200);
    }
    try (Wire wire = new Wire(http.port())) {
      Http.Answer answer = wire.ask("PUT", node, large);
      assertThat(answer.status()).isEqualTo(401);
      assertThat(answer.header("Connection")).isEqualTo("close");
      assertThat(wire.rest()).isEmpty();
    }
    try (Wire wire = new Wire(http.port())) {
      wire.send("PUT " + node + " HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n");
      wire.send("Content-Length: 9\r\n\r\n");
      assertThat(wire.read("PUT", node).header("Connection")).isEqualTo("close");
      wire.send("GET /v1/no"); // or a body: nobody knows
      assertThat(wire.rest()).isEmpty();
    }
    assertThat(state()).isEqualTo("ready");
  }

  @Test
  void the_body_is_checked_before_what_the_operation_checks_itself() {
    String missing = "/v1/nodes/999999";
    assertThat(http.sendBytes("PUT", missing, FORM, new byte[LIMIT + 1]).status()).isEqualTo(413);
    assertThat(http.send("PUT", missing, "text/plain", "x").status()).isEqualTo(415);
    assertThat(http.send("PUT", missing, JSON, "{").status()).isEqualTo(400);
    assertThat(http.send("DELETE", missing, JSON, "{").status()).isEqualTo(400);
    assertThat(http.send("POST", "/v1/dib_images/nope/build", JSON, "{").status()).isEqualTo(400);
    assertThat(http.send("PUT", missing, JSON, "{}").status()).isEqualTo(404);
    assertThat(http.send("POST", "/v1/nope", JSON, "{").status()).isEqualTo(404);
    assertThat(http.send("POST", "/v1/nodes", JSON, "{").status()).isEqualTo(405);
  }

  @Test
  void whoever_expects_to_be_told_to_go_on_is() throws IOException {
    try (Wire wire = new Wire(http.port())) {
      wire.send(head("Content-Length: 10\r\nExpect: 100-continue\r\n"));
      assertThat(wire.read("PUT", node).status()).isEqualTo(100);
      wire.send("state=hold");
      assertThat(wire.read("PUT", node).status()).isEqualTo(200);
    }
    assertThat(state()).isEqualTo("hold");
  }

  @Test
  void a_body_that_comes_byte_by_byte_is_read() throws IOException {
    try (Wire wire = new Wire(http.port())) {
      wire.send(head("Content-Length: 15\r\n"));
      for (byte b : "=%41&state=hold".getBytes(UTF_8)) {
        wire.send(new byte[] {b});
      }
      assertThat(wire.read("PUT", node).status()).isEqualTo(200);
    }
    assertThat(state()).isEqualTo("hold");
  }

  private Http.Answer put(String type, String body) {
    return http.send("PUT", node, type, body);
  }

  /** In chunks of 1,000 bytes, so without a Content-Length. */
  private Http.Answer chunked(byte[] body) throws IOException {
    try (Wire wire = new Wire(http.port())) {
      wire.send(head("Transfer-Encoding: chunked\r\n"));
      try {
        for (int i = 0; i < body.length; i += 1000) {
          byte[] chunk = Arrays.copyOfRange(body, i, Math.min(i + 1000, body.length));
          wire.send(Integer.toHexString(chunk.length) + "\r\n");
          wire.send(chunk);
          wire.send("\r\n");
        }
        wire.send("0\r\n\r\n");
      } catch (IOException e) {
        // it was refused before all was sent
      }
      return wire.read("PUT", node);
    }
  }

  /** The beginning of a PUT of a form, with the login. */
  private String head(String headers) {
    return "PUT %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\nContent-Type: %s\r\n%s\r\n"
        .formatted(node, LOGIN, FORM, headers);
  }

  private String state() {
    return http.get(node).json().getString("state");
  }

  private static byte[] padded(String start, int length) {
    return (start + "x".repeat(length - start.length())).getBytes(UTF_8);
  }
}
