package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whoever has an answer already is told so, and what is large comes zipped. */
@Tag("both-databases")
class ConditionalTest {
  /** One that offers HTTP/2 would never be answered by the fast path. */
  private static final HttpClient CLIENT =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  private final TestService service = TestService.shared();
  private final Http http = service.http().anonymous();
  private long node;

  @BeforeEach
  void rows() {
    service.empty();
    node = service.node("directory", 2);
    service.image("directory", 2, "x");
    service.dibImage("tiny", 2, null);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/v1/nodes",
        "/v1/images",
        "/v1/dib_images",
        "/v1/jobs",
        "/v1/providers",
        "/v1/nodes?state=ready",
        "/v1/nodes?fields=id,state",
        "/v1/nodes?limit=1",
        "/v1/nodes/summary?by=state",
        "/v1/nodes/{node}"
      })
  void an_answer_that_the_client_has_is_not_sent_again(String template) {
    String path = template.replace("{node}", Long.toString(node));
    Http.Answer first = http.get(path);

    assertThat(first.status()).isEqualTo(200);
    assertThat(first.header("ETag")).matches("\"[0-9a-f]{32}\"");
    assertThat(first.header("Cache-Control")).isEqualTo("no-cache");
    for (String known :
        List.of(
            first.header("ETag"), "W/" + first.header("ETag"), "\"x\", " + first.header("ETag"))) {
      Http.Answer again = ask(path, "If-None-Match", known);
      assertThat(again.status()).as(known).isEqualTo(304);
      assertThat(again.body()).isEmpty();
      assertThat(again.header("ETag")).isEqualTo(first.header("ETag"));
      assertThat(again.header("Cache-Control")).isEqualTo("no-cache");
      assertThat(again.header("Vary")).isEqualTo("Accept, Accept-Encoding");
    }
    assertThat(ask(path, "If-None-Match", "*").status()).isEqualTo(304);
    Http.Answer other = ask(path, "If-None-Match", "\"0123\"");
    assertThat(other.status()).isEqualTo(200);
    assertThat(other.body()).isEqualTo(first.body());
  }

  @Test
  void a_change_changes_the_tag_and_a_change_back_brings_it_back() {
    String list = tag("/v1/nodes");
    String object = tag("/v1/nodes/" + node);
    String other = tag("/v1/images");

    service.sql("UPDATE node SET hostname = 'other' WHERE id = ?", node);

    assertThat(tag("/v1/nodes")).isNotEqualTo(list);
    assertThat(tag("/v1/nodes/" + node)).isNotEqualTo(object);
    assertThat(tag("/v1/images")).isEqualTo(other);
    service.sql("UPDATE node SET hostname = 'host.example.org' WHERE id = ?", node);
    assertThat(tag("/v1/nodes")).isEqualTo(list);
    assertThat(tag("/v1/nodes/" + node)).isEqualTo(object);
  }

  @Test
  void every_list_and_object_that_differs_has_a_tag_of_its_own() {
    for (int i = 0; i < 300; i++) {
      service.node("provider-" + i % 7, i % 6 + 1);
    }

    List<String> tags =
        List.of(
            tag("/v1/nodes"),
            tag("/v1/nodes?state=ready"),
            tag("/v1/nodes?limit=5"),
            tag("/v1/nodes?limit=6"),
            tag("/v1/nodes?fields=id"),
            tag("/v1/nodes/summary?by=state"),
            tag("/v1/nodes/" + node),
            tag("/v1/nodes/" + (node + 1)));

    assertThat(tags).doesNotHaveDuplicates();
  }

  @Test
  void another_process_and_a_process_after_a_restart_give_the_same_tags_and_bytes()
      throws Exception {
    for (int i = 0; i < 500; i++) {
      service.node("provider-" + i % 3, i % 6 + 1);
    }
    service.sql("DELETE FROM node WHERE id % 5 = 0");
    Http.Answer here = http.get("/v1/nodes");
    byte[] zipped = bytes(service, "gzip").body();
    TestService other = TestService.sameDatabase(Scratch.dir("test-service-same"), service);
    try {
      Http.Answer there = other.http().get("/v1/nodes");

      assertThat(there.header("ETag")).isEqualTo(here.header("ETag"));
      assertThat(there.body()).isEqualTo(here.body());
      assertThat(bytes(other, "gzip").body()).isEqualTo(zipped);
      service.sql("UPDATE node SET hostname = 'moved' WHERE id % 7 = 0");
      assertThat(other.http().get("/v1/nodes").header("ETag")).isEqualTo(tag("/v1/nodes"));
    } finally {
      other.stop();
    }
  }

  @Test
  void a_text_table_has_no_tag() {
    Http.Answer table = ask("/v1/nodes", "Accept", "text/plain");

    assertThat(table.header("ETag")).isNull();
    assertThat(ask("/v1/nodes", "Accept", "text/plain", "If-None-Match", "*").status())
        .isEqualTo(200);
  }

  @Test
  void what_is_gone_is_404_whatever_the_client_has() {
    String tag = tag("/v1/nodes/" + node);
    service.sql("DELETE FROM node");

    assertThat(ask("/v1/nodes/" + node, "If-None-Match", tag).status()).isEqualTo(404);
    assertThat(ask("/v1/nodes/" + node, "If-None-Match", "*").status()).isEqualTo(404);
  }

  @Test
  void a_large_list_comes_zipped_to_who_takes_it_with_a_tag_of_its_own() throws Exception {
    for (int i = 0; i < 400; i++) {
      service.node("provider-" + i % 3, i % 6 + 1);
    }
    Http.Answer plain = http.get("/v1/nodes");

    HttpResponse<byte[]> zipped = bytes(service, "gzip");

    assertThat(zipped.headers().firstValue("Content-Encoding")).contains("gzip");
    assertThat(zipped.headers().firstValue("Vary")).contains("Accept, Accept-Encoding");
    assertThat(zipped.body().length).isLessThan(plain.body().length() / 5);
    assertThat(unzipped(zipped.body())).isEqualTo(plain.body());
    String tag = zipped.headers().firstValue("ETag").orElseThrow();
    assertThat(tag).isNotEqualTo(plain.header("ETag"));
    assertThat(ask("/v1/nodes", "If-None-Match", tag, "Accept-Encoding", "gzip").status())
        .isEqualTo(304);
    assertThat(ask("/v1/nodes", "If-None-Match", tag).status()).isEqualTo(200);
  }

  @Test
  void zipped_lists_are_right_after_every_change() throws Exception {
    for (int i = 0; i < 300; i++) {
      service.node("provider-" + i % 3, i % 6 + 1);
    }
    for (int i = 0; i < 12; i++) {
      assertThat(unzipped(bytes(service, "gzip").body())).isEqualTo(http.get("/v1/nodes").body());
      service.sql("UPDATE node SET provider_name = ? WHERE id % 12 = ?", "moved-" + i, i);
      service.sql("DELETE FROM node WHERE id % 50 = ?", i);
    }
  }

  @Test
  void what_is_small_or_not_wanted_zipped_is_not() throws Exception {
    assertThat(bytes(service, "gzip").headers().firstValue("Content-Encoding")).isEmpty();
    for (int i = 0; i < 100; i++) {
      service.node("directory", 2);
    }
    for (String codings : List.of("gzip;q=0", "br", "identity", "*;q=0")) {
      assertThat(bytes(service, codings).headers().firstValue("Content-Encoding"))
          .as(codings)
          .isEmpty();
    }
    for (String codings : List.of("gzip;q=0.1", "br, GZIP", "*", "x-gzip")) {
      assertThat(bytes(service, codings).headers().firstValue("Content-Encoding"))
          .as(codings)
          .contains("gzip");
    }
  }

  @Test
  void head_says_what_get_does() throws Exception {
    for (int i = 0; i < 100; i++) {
      service.node("directory", 2);
    }
    try (Wire wire = new Wire(http.port())) {
      String[] asked = {"Accept-Encoding", "gzip", "X-Request-Id", "1"};
      Http.Answer head = wire.ask("HEAD", "/v1/nodes", asked);
      HttpResponse<byte[]> get = bytes(service, "gzip");

      assertThat(head.header("ETag")).isEqualTo(get.headers().firstValue("ETag").orElseThrow());
      assertThat(head.header("Content-Length")).isEqualTo(Integer.toString(get.body().length));
      assertThat(head.header("Content-Encoding")).isEqualTo("gzip");
      String[] known = {"If-None-Match", head.header("ETag"), "Accept-Encoding", "gzip"};
      assertThat(wire.ask("HEAD", "/v1/nodes", known).status()).isEqualTo(304);
    }
  }

  private String tag(String path) {
    Http.Answer answer = http.get(path);
    assertThat(answer.status()).isEqualTo(200);
    return answer.header("ETag");
  }

  private Http.Answer ask(String path, String... headers) {
    return http.send("GET", path, null, null, headers);
  }

  private static HttpResponse<byte[]> bytes(TestService of, String codings) throws Exception {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + of.http().port() + "/v1/nodes"))
            .setHeader("Accept-Encoding", codings)
            .build();
    return CLIENT.send(request, BodyHandlers.ofByteArray());
  }

  private static String unzipped(byte[] bytes) throws IOException {
    try (GZIPInputStream in = new GZIPInputStream(new ByteArrayInputStream(bytes))) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
