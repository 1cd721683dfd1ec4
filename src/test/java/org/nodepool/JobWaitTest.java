package org.nodepool;

import static java.util.concurrent.CompletableFuture.supplyAsync;
import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code GET /v1/jobs/{id}?wait=} and {@code &fail=}. */
@RunsBesideOthers
@Tag("both-databases")
class JobWaitTest {
  private final TestService service = TestService.shared();
  private final Http http = service.http().anonymous();
  private final ExecutorService clients = Executors.newFixedThreadPool(60);

  @BeforeEach
  void empty() {
    service.empty();
  }

  @AfterEach
  void stop() {
    clients.shutdown();
  }

  @Test
  void the_answer_comes_when_this_service_ends_the_job() throws Exception {
    String job = queued();
    CompletableFuture<Http.Answer> waiting = get(job + "?wait=25");
    assertThat(http.get(job + "?wait=1").json().getString("state")).isEqualTo("queued");
    assertThat(waiting).isNotDone();

    service.http().delete(job);

    Http.Answer answer = waiting.get(5, TimeUnit.SECONDS);
    assertThat(answer.status()).isEqualTo(200);
    assertThat(answer.header("ETag")).isNull();
    assertThat(answer.body()).isEqualTo(http.get(job).body()).contains("\"cancelled\"");
  }

  @Test
  void the_answer_comes_when_another_process_ends_the_job() throws Exception {
    String job = queued();
    String other = queued();
    CompletableFuture<Http.Answer> waiting = get(job + "?wait=25");
    CompletableFuture<Http.Answer> forAnother = get(other + "?wait=4");
    assertThat(http.get(job + "?wait=1").status()).isEqualTo(200);

    end(job, "succeeded");

    assertThat(waiting.get(5, TimeUnit.SECONDS).json().getString("state")).isEqualTo("succeeded");
    assertThat(forAnother).isNotDone();
    assertThat(forAnother.get(10, TimeUnit.SECONDS).json().getString("state")).isEqualTo("queued");
  }

  @Test
  void when_the_time_is_over_the_job_is_shown_as_it_is() {
    String job = queued();
    long began = System.nanoTime();

    Http.Answer answer = http.get(job + "?wait=1");

    assertThat(System.nanoTime() - began).isGreaterThan(TimeUnit.SECONDS.toNanos(1));
    assertThat(answer.status()).isEqualTo(200);
    assertThat(answer.json().getString("state")).isEqualTo("queued");
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "000", "3600", "3601", "99999999999999999999999999"})
  void of_a_job_that_has_ended_the_answer_comes_at_once(String wait) throws Exception {
    String job = queued();
    end(job, "succeeded");

    assertThat(get(job + "?wait=" + wait).get(5, TimeUnit.SECONDS).status()).isEqualTo(200);
    assertThat(http.send("HEAD", job + "?wait=" + wait, null, null).status()).isEqualTo(200);
  }

  @Test
  void to_wait_for_no_time_is_not_to_wait() throws Exception {
    assertThat(get(queued() + "?wait=0").get(5, TimeUnit.SECONDS).status()).isEqualTo(200);
  }

  @Test
  void a_job_that_is_removed_while_it_is_waited_for_is_not_found() throws Exception {
    String job = queued();
    CompletableFuture<Http.Answer> waiting = get(job + "?wait=25&fail=true");
    assertThat(http.get(job + "?wait=1").status()).isEqualTo(200);

    service.sql("DELETE FROM api_job");

    assertThat(waiting.get(5, TimeUnit.SECONDS).slug()).isEqualTo("not-found");
  }

  @Test
  void for_a_job_that_there_is_not_nobody_waits() throws Exception {
    assertThat(get("/v1/jobs/999999?wait=25").get(5, TimeUnit.SECONDS).slug())
        .isEqualTo("not-found");
  }

  @ParameterizedTest
  @CsvSource({
    "queued,200",
    "running,200",
    "succeeded,200",
    "failed,424",
    "cancelled,409",
  })
  void who_asks_to_fail_sees_the_end_in_the_status(String state, int status) {
    String job = queued();
    end(job, state);
    String shown = http.get(job).body();

    for (String query : List.of("?fail=true", "?wait=0&fail=true", "?fail=true&wait=1")) {
      Http.Answer answer = http.get(job + query);
      assertThat(answer.status()).isEqualTo(status);
      assertThat(answer.header("Content-Type")).isEqualTo("application/json");
      assertThat(answer.body()).isEqualTo(shown);
    }
    assertThat(http.get(job + "?fail=false").status()).isEqualTo(200);
    assertThat(http.get(job + "?fail=true&fail=false").status()).isEqualTo(200);
  }

  @Test
  void a_job_that_fails_while_it_is_waited_for_fails_the_answer() throws Exception {
    String job = queued();
    CompletableFuture<Http.Answer> waiting = get(job + "?wait=25&fail=true");
    assertThat(http.get(job + "?wait=1").status()).isEqualTo(200);

    end(job, "failed");

    assertThat(waiting.get(5, TimeUnit.SECONDS).status()).isEqualTo(424);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "wait",
        "wait=",
        "wait=-1",
        "wait=%2B1",
        "wait=1.5",
        "wait=PT1S",
        "wait=1s",
        "wait=1&wait=1",
        "wait=%D9%A1",
        "fail",
        "fail=yes",
        "fail=TRUE",
        "fail=1",
        "wait=1&follow=true"
      })
  void what_cannot_be_understood_is_refused(String query) {
    String job = queued();

    assertThat(http.get(job + "?" + query).slug()).isEqualTo("bad-value");
  }

  @Test
  void many_who_wait_cost_the_database_no_more_than_one() throws Exception {
    List<String> jobs = new ArrayList<>();
    List<CompletableFuture<Http.Answer>> waiting = new ArrayList<>();
    for (int i = 0; i < 50; i++) {
      jobs.add(queued());
      waiting.add(get(jobs.get(i) + "?wait=25"));
    }
    assertThat(http.get(jobs.get(0) + "?wait=1").status()).isEqualTo(200);

    long before = selects();
    assertThat(http.get(jobs.get(0) + "?wait=2").status()).isEqualTo(200);
    assertThat(selects() - before).isLessThan(50);

    service.sql("UPDATE api_job SET state = 'succeeded', finished = 2");
    for (CompletableFuture<Http.Answer> answer : waiting) {
      assertThat(answer.get(10, TimeUnit.SECONDS).json().getString("state")).isEqualTo("succeeded");
    }
  }

  @Test
  void a_client_that_goes_away_harms_nobody() throws Exception {
    String job = queued();
    CompletableFuture<Http.Answer> stays = get(job + "?wait=25");
    for (int i = 0; i < 20; i++) {
      try (Wire wire = new Wire(http.port())) {
        wire.send("GET " + job + "?wait=25 HTTP/1.1\r\nHost: localhost\r\n\r\n");
      }
    }
    assertThat(http.get(job + "?wait=1").status()).isEqualTo(200);

    end(job, "succeeded");

    assertThat(stays.get(5, TimeUnit.SECONDS).status()).isEqualTo(200);
  }

  @Test
  void when_the_service_stops_all_are_answered() throws Exception {
    TestService own = TestService.start(Scratch.dir("test-service-waits"), "");
    List<CompletableFuture<Http.Answer>> waiting = new ArrayList<>();
    try {
      own.empty();
      String job = queued(own);
      for (int i = 0; i < 20; i++) {
        waiting.add(supplyAsync(() -> own.http().get(job + "?wait=25"), clients));
      }
      assertThat(own.http().get(job + "?wait=1").status()).isEqualTo(200);
    } finally {
      own.stop();
    }
    for (CompletableFuture<Http.Answer> answer : waiting) {
      assertThat(answer.get(10, TimeUnit.SECONDS).json().getString("state")).isEqualTo("queued");
    }
  }

  private CompletableFuture<Http.Answer> get(String path) {
    return supplyAsync(() -> http.get(path), clients);
  }

  private long selects() {
    return Long.parseLong(
        service.sql("SHOW GLOBAL STATUS LIKE 'Com_select'").iterator().next().getString("Value"));
  }

  private String queued() {
    return queued(service);
  }

  /** One that never begins. */
  private static String queued(TestService service) {
    return "/v1/jobs/" + aJob().kind("upload").subject("/v1/images/1").image("tiny").in(service);
  }

  /** As another process writes it. */
  private void end(String job, String state) {
    boolean hasEnded = !List.of("queued", "running").contains(state);
    service.sql(
        "UPDATE api_job SET state = ?, finished = ? WHERE id = ?",
        state,
        hasEnded ? 2 : null,
        job.replace("/v1/jobs/", ""));
  }
}
