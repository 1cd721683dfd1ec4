package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.json.JsonArray;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A process that answers requests and runs no jobs. */
@Tag("both-databases")
class RolesTest {
  private static TestService service;
  private static Http http;

  @BeforeAll
  static void start() throws Exception {
    Path dir = Path.of("target/api-alone").toAbsolutePath();
    service = TestService.start(dir, "roles: [api]");
    http = service.http();
  }

  @AfterAll
  static void stop() {
    service.stop();
  }

  @BeforeEach
  void empty() {
    service.empty();
    service.sql("DELETE FROM api_worker");
  }

  @Test
  void a_job_is_accepted_and_not_run() {
    Http.Answer build = http.post("/v1/dib_images/tiny/build");

    assertThat(build.status()).isEqualTo(201);
    assertThat(http.get(build.job()).json().getString("state")).isEqualTo("queued");
    assertThat(service.vertx().deploymentIDs()).hasSize(1);
  }

  @Test
  void it_is_ready_while_some_process_runs_jobs() {
    assertIsNotReady();

    worker("gone", 31, null);
    assertIsNotReady();

    worker("here", 0, "its disk is full");
    Http.Answer ready = http.get("/readyz");
    assertThat(ready.status()).isEqualTo(200);
    assertThat(ready.json().getJsonArray("reasons")).isEmpty();

    service.sql("UPDATE api_worker SET seen = 0");
    assertIsNotReady();
  }

  private static void assertIsNotReady() {
    Http.Answer answer = http.get("/readyz");
    assertThat(answer.status()).isEqualTo(503);
    assertThat(answer.json().getJsonArray("reasons"))
        .isEqualTo(new JsonArray().add("No worker runs jobs."));
  }

  /** A worker of another process, seen so many seconds ago. */
  private static void worker(String name, long age, String trouble) {
    service.sql(
        "INSERT INTO api_worker (worker, host, builds_dir, log_dir, seen, trouble)"
            + " VALUES (?, 'builder1', '/builds', '/log', UNIX_TIMESTAMP() - ?, ?)",
        name,
        age,
        trouble);
  }
}
