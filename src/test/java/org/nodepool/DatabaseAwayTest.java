package org.nodepool;

import static java.util.concurrent.CompletableFuture.supplyAsync;
import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the service answers while its database hangs, and afterwards. */
@RunsBesideOthers
class DatabaseAwayTest {
  private static final Path DIR = Scratch.dir("test-service-2");

  /** The contract says 2 s; the rest is for a busy machine. */
  private static final Duration LIMIT = Duration.ofSeconds(4);

  private final ExecutorService clients = Executors.newFixedThreadPool(60);
  private TestService service;
  private Http http;
  private Http anonymous;
  private String node;

  @BeforeEach
  void start() throws Exception {
    service = TestService.start(DIR, "");
    http = service.http();
    anonymous = http.anonymous();
    service.empty();
    node = "/v1/nodes/" + service.node("directory", 2);
  }

  @AfterEach
  void stop() {
    clients.shutdown();
    service.stop();
  }

  @Test
  void a_database_that_hangs_is_a_503_at_once_and_one_that_is_back_is_used() throws Exception {
    assertThat(http.get(node).status()).isEqualTo(200);

    signal("STOP");
    try {
      assertThatAllIsUnavailable();
      assertThatAllIsUnavailable();
    } finally {
      signal("CONT");
    }
    Poll.until("it is back", () -> http.get(node).status() == 200);
    assertThat(http.get(node).json().getString("state")).isEqualTo("ready");
    assertThat(http.get("/v1/nodes").array()).hasSize(1);
    assertThat(http.get("/v1/jobs").body()).isEqualTo("[]");
    assertThat(http.get("/v1/dib_images").body()).isEqualTo("[]");
    assertThat(http.put(node, "state=hold").status()).isEqualTo(200);
    assertThat(http.get(node).json().getString("state")).isEqualTo("hold");
  }

  @Test
  void who_waits_for_a_job_goes_on_waiting_until_the_database_is_back_or_the_time_is_over()
      throws Exception {
    long job = aJob().in(service);
    CompletableFuture<Http.Answer> patient =
        supplyAsync(() -> anonymous.get("/v1/jobs/" + job + "?wait=25"), clients);
    assertThat(anonymous.get("/v1/jobs/" + job + "?wait=1").status()).isEqualTo(200);

    signal("STOP");
    try {
      assertThat(anonymous.get("/v1/jobs/" + job + "?wait=3").slug()).isEqualTo("unavailable");
    } finally {
      signal("CONT");
    }
    assertThat(patient).isNotDone();
    Poll.until("it is back", () -> http.get(node).status() == 200);
    service.sql("UPDATE api_job SET state = 'succeeded', finished = 2");

    assertThat(patient.get(10, TimeUnit.SECONDS).json().getString("state")).isEqualTo("succeeded");
  }

  private void assertThatAllIsUnavailable() {
    List<CompletableFuture<Http.Answer>> answers = new ArrayList<>();
    long began = System.nanoTime();
    for (String path :
        List.of(
            "/v1/nodes",
            "/v1/images",
            "/v1/dib_images",
            "/v1/jobs",
            node,
            "/v1/images/1",
            "/v1/dib_images/1",
            "/v1/jobs/1",
            "/v1/jobs/1/log")) {
      for (int i = 0; i < 5; i++) { // more than there are connections
        answers.add(supplyAsync(() -> anonymous.get(path), clients));
      }
    }
    String form = "provider_name=directory";
    answers.add(supplyAsync(() -> http.put(node, "state=hold"), clients));
    answers.add(supplyAsync(() -> http.delete(node), clients));
    answers.add(supplyAsync(() -> http.delete(node + "?record_only=true"), clients));
    answers.add(supplyAsync(() -> http.delete("/v1/images/1"), clients));
    answers.add(supplyAsync(() -> http.delete("/v1/dib_images/1"), clients));
    answers.add(supplyAsync(() -> http.post("/v1/dib_images/tiny/build"), clients));
    answers.add(supplyAsync(() -> http.post("/v1/dib_images/tiny/upload", form), clients));
    answers.add(supplyAsync(() -> http.post("/v1/images/tiny-image/update", form), clients));
    for (CompletableFuture<Http.Answer> future : answers) {
      Http.Answer answer = future.join();
      assertThat(answer.status()).as(answer.toString()).isEqualTo(503);
      Problems.check(answer);
      assertThat(answer.slug()).isEqualTo("unavailable");
      assertThat(answer.header("Retry-After")).isEqualTo("1");
    }
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(LIMIT);

    long asked = System.nanoTime();
    Http.Answer ready = anonymous.get("/readyz");
    assertThat(Duration.ofNanos(System.nanoTime() - asked)).isLessThan(LIMIT);
    assertThat(ready.status()).isEqualTo(503);
    assertThat(ready.json().getJsonArray("reasons").getString(0))
        .matches(
            "The database nodepool at 127\\.0\\.0\\.1:\\d+ does not serve .*: no answer in time\\.");

    // what needs no database is as ever
    assertThat(anonymous.get("/healthz").status()).isEqualTo(200);
    assertThat(anonymous.put(node, "state=hold").status()).isEqualTo(401);
    assertThat(http.get("/v1/nope").status()).isEqualTo(404);
    assertThat(http.get("/v1/nodes?x=1").status()).isEqualTo(400);
    assertThat(http.post("/v1/dib_images/nope/build").status()).isEqualTo(404);
  }

  /** To this service's own database server and to no other. */
  private static void signal(String signal) throws IOException, InterruptedException {
    List<String> servers = new ArrayList<>();
    try (Stream<Path> processes = Files.list(Path.of("/proc"))) {
      for (Path process : processes.toList()) {
        if (isServer(process)) {
          servers.add(process.getFileName().toString());
        }
      }
    }
    assertThat(servers).hasSize(1);
    int status =
        new ProcessBuilder("bash", "-c", "kill -%s %s".formatted(signal, servers.get(0)))
            .start()
            .waitFor();
    assertThat(status).isZero();
  }

  private static boolean isServer(Path process) {
    try {
      Path data = DIR.toRealPath().resolve("var/db/data");
      return process.getFileName().toString().matches("[0-9]+")
          && Files.readSymbolicLink(process.resolve("cwd")).equals(data)
          && Files.readSymbolicLink(process.resolve("exe")).endsWith("mariadbd");
    } catch (IOException e) { // it has ended
      return false;
    }
  }
}
