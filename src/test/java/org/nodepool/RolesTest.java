package org.nodepool;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.aWorker;
import static org.nodepool.Rows.now;

import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.net.URLEncoder;
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
    Path dir = Scratch.dir("api-alone");
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
    int loops = Math.max(2, Runtime.getRuntime().availableProcessors());
    assertThat(service.vertx().deploymentIDs())
        .hasSize(loops + 3); // two pictures, a keeper: no worker
  }

  @Test
  void a_queued_job_says_why_it_waits_wherever_jobs_are_read() {
    worker("here", 0, "/images has 5 MiB left.");
    long running = job("build", "running", 1, null);
    long build = job("build", "queued", 2, null);
    long update = job("update", "queued", 1, null);
    long upload = job("upload", "queued", 3, 4_000_000_000L);

    String forDisk = "position 1; waits for disk space: builder1: /images has 5 MiB left.";
    String forBuild = "position 1; waits for /v1/jobs/" + running;
    String forTime = "position 2; waits until 2096-10-02T07:06:40Z: install";
    assertThat(phase(running)).isEqualTo("install");
    assertThat(phase(build)).isEqualTo(forDisk);
    assertThat(phase(update)).isEqualTo(forBuild);
    assertThat(phase(upload)).isEqualTo(forTime);
    assertThat(http.get("/v1/jobs?fields=phase").body())
        .isEqualTo(
            """
            [{"phase":"%s"},{"phase":"%s"},{"phase":"%s"},{"phase":"install"}]"""
                .formatted(forTime, forBuild, forDisk));
    String encoded = URLEncoder.encode(forBuild, UTF_8);
    assertThat(http.get("/v1/jobs?phase=" + encoded).ids()).containsExactly(update);
    assertThat(http.get("/v1/jobs?phase=install").ids()).containsExactly(running);
    assertThat(http.get("/v1/jobs/summary?by=phase&state=queued").array())
        .extracting(group -> ((JsonObject) group).getString("phase"))
        .containsExactlyInAnyOrder(forDisk, forBuild, forTime);
  }

  private static String phase(long job) {
    return http.get("/v1/jobs/" + job).json().getString("phase");
  }

  /** A job of another process, if it runs, whose stored phase is install. */
  private static long job(String kind, String state, long dibImage, Long notBefore) {
    return aJob()
        .kind(kind)
        .state(state)
        .subject("/v1/images/1")
        .dibImage(dibImage)
        .worker("other")
        .with("phase", "install")
        .notBefore(notBefore)
        .in(service);
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
    aWorker(name).host("builder1").with("seen", now() - age).with("trouble", trouble).in(service);
  }
}
