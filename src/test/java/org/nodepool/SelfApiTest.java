package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.junit5.VertxExtension;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.nodepool.api.BareApi;
import org.nodepool.api.Readiness;
import org.nodepool.api.Readiness.Report;

/** {@code /healthz}, {@code /readyz} and {@code /v1}. */
@ExtendWith(VertxExtension.class)
class SelfApiTest {
  private static final Report READY = new Report(List.of(), List.of());

  @Test
  void the_service_is_alive_and_ready() {
    Http http = TestService.shared().http().anonymous();
    assertThat(http.get("/healthz").body()).isEqualTo("{\"status\":\"ok\"}");
    Http.Answer ready = http.get("/readyz");
    assertThat(ready.status()).as(ready.body()).isEqualTo(200);
    assertThat(ready.body()).isEqualTo("{\"ready\":true,\"reasons\":[],\"warnings\":[]}");
    assertThat(ready.header("Content-Type")).isEqualTo("application/json");
    assertThat(ready.header("Cache-Control")).isEqualTo("no-cache");
  }

  @Test
  void warnings_leave_it_ready(Vertx vertx) {
    Report warned = new Report(List.of(), List.of("nodepool.yaml is broken."));
    try (BareApi api = new BareApi(vertx, null, List.of(), () -> Future.succeededFuture(warned))) {
      Http.Answer answer = new Http(api.port(), null, null).get("/readyz");
      assertThat(answer.status()).isEqualTo(200);
      assertThat(answer.json().getBoolean("ready")).isTrue();
      assertThat(answer.json().getJsonArray("warnings"))
          .isEqualTo(new JsonArray().add("nodepool.yaml is broken."));
    }
  }

  @Test
  void a_check_that_fails_or_throws_or_never_ends_is_answered_in_time(Vertx vertx) {
    List<Readiness> broken =
        List.of(
            () -> Future.failedFuture(new IllegalStateException("secret")),
            () -> {
              throw new IllegalStateException("secret");
            });
    for (Readiness readiness : broken) {
      try (BareApi api = new BareApi(vertx, null, List.of(), readiness)) {
        Http http = new Http(api.port(), null, null);
        assertIsNotReady(http, "The checks failed; the service's log has the details.");
        assertThat(http.get("/readyz").body()).doesNotContain("secret");
      }
    }
    try (BareApi api =
        new BareApi(vertx, null, List.of(), () -> Promise.<Report>promise().future())) {
      assertIsNotReady(new Http(api.port(), null, null), "The checks did not end in time.");
    }
  }

  @Test
  void those_who_ask_while_it_looks_share_what_it_finds_and_later_ones_do_not(Vertx vertx) {
    List<Promise<Report>> checks = new ArrayList<>();
    AtomicInteger begun = new AtomicInteger();
    Readiness readiness =
        () -> {
          begun.incrementAndGet();
          Promise<Report> check = Promise.promise();
          checks.add(check);
          return check.future();
        };
    ExecutorService clients = Executors.newCachedThreadPool();
    try (BareApi api = new BareApi(vertx, null, List.of(), readiness)) {
      Http http = new Http(api.port(), null, null);
      List<CompletableFuture<Http.Answer>> answers = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        answers.add(CompletableFuture.supplyAsync(() -> http.get("/readyz"), clients));
      }
      // no check ends before its limit, so all have come when this one is answered
      answers.forEach(answer -> assertThat(answer.join().status()).isEqualTo(503));
      assertThat(begun.get()).isBetween(1, 2);

      int before = begun.get();
      var next = CompletableFuture.supplyAsync(() -> http.get("/readyz"), clients);
      Poll.until("it looks again", () -> begun.get() == before + 1);
      checks.get(before).complete(READY);
      assertThat(next.join().status()).isEqualTo(200);
    } finally {
      clients.shutdownNow();
    }
  }

  @Test
  void the_version_document_leads_to_everything_that_needs_no_name() {
    Http http = TestService.shared().http().anonymous();
    JsonObject document = http.get("/v1").json();
    assertThat(document.fieldNames()).containsExactly("name", "version", "api", "links");
    assertThat(document.getString("name")).isEqualTo("nodepool");
    assertThat(document.getString("api")).isEqualTo("v1");
    assertThat(document.getString("version")).matches("\\d+\\.\\d+\\.\\d+(-\\w+)?");
    JsonObject links = document.getJsonObject("links");
    assertThat(links.fieldNames())
        .contains("nodes", "images", "dib_images", "jobs", "events", "healthz", "readyz");
    assertThat(links.getString("dib_images")).isEqualTo("/v1/dib_images");
    for (String name : links.fieldNames()) {
      assertThat(http.send("HEAD", links.getString(name), null, null).status())
          .as(name)
          .isEqualTo(200);
    }
  }

  private static void assertIsNotReady(Http http, String reason) {
    Http.Answer answer = http.get("/readyz");
    assertThat(answer.status()).isEqualTo(503);
    assertThat(answer.header("Content-Type")).isEqualTo("application/json");
    assertThat(answer.header("Retry-After")).isEqualTo("1");
    assertThat(answer.json())
        .isEqualTo(
            new JsonObject()
                .put("ready", false)
                .put("reasons", new JsonArray().add(reason))
                .put("warnings", new JsonArray()));
  }
}
