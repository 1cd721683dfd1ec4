package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.now;

import io.vertx.core.json.JsonObject;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** More jobs have ended than are kept, and pruning has not come yet. */
@RunsBesideOthers
class JobHistoryApiTest {
  private static TestService service;
  private static Http http;

  /**
   * Of the job that ended last, over all tests: what ended before others that were shown is past.
   */
  private static long last = now() - 100_000;

  @BeforeAll
  static void start() throws Exception {
    // nobody prunes
    service = TestService.start(Scratch.dir("history"), "roles: [api]\njobs: {keep_most: 5}");
    http = service.http();
    Long before = service.sql("SELECT MAX(finished) FROM api_job").iterator().next().getLong(0);
    last = Math.max(last, before == null ? 0 : before);
  }

  @BeforeEach
  void empty() {
    service.empty();
  }

  @AfterAll
  static void stop() {
    service.stop();
  }

  @Test
  void the_newest_ends_are_shown_and_nothing_older() {
    last += 100;
    long late = endedAt(last);
    for (int i = 0; i < 9; i++) {
      endedAt(last - 9 + i);
    }
    assertThat(service.sql("SELECT id FROM api_job").size()).isEqualTo(10);
    assertThat(shown()).hasSize(5).contains(late);
  }

  @ParameterizedTest
  @CsvSource({
    "GET, ''",
    "GET, /attempts",
    "GET, /log",
    "GET, ?wait=5",
    "DELETE, ''",
    "POST, /retry"
  })
  void what_is_not_shown_is_not_there_for_anyone(String method, String rest) {
    long old = ended();
    String path = "/v1/jobs/" + old + rest;
    for (int i = 0; i < 9; i++) {
      ended();
    }
    Http.Answer answer =
        switch (method) {
          case "GET" -> http.get(path);
          case "DELETE" -> http.delete(path);
          default -> http.post(path);
        };
    assertThat(answer.status()).as("%s", answer).isEqualTo(404);
    assertThat(answer.json().getString("detail")).isEqualTo("There is no job %d.".formatted(old));
    assertThat(service.sql("SELECT id FROM api_job WHERE id = ?", old).size()).isEqualTo(1);
  }

  @Test
  void the_last_job_of_a_row_that_is_there_is_shown_however_old_it_is() {
    long node = service.node("directory", 2);
    long job =
        aJob()
            .kind("delete-node")
            .state("failed")
            .subject("/v1/nodes/" + node)
            .finished(++last)
            .in(service);
    for (int i = 0; i < 9; i++) {
      ended();
    }
    assertThat(shown()).hasSize(6).contains(job);
    assertThat(http.get("/v1/jobs/" + job).status()).isEqualTo(200);
  }

  @Test
  void one_that_ends_comes_in_and_is_told_to_who_waits_for_it() {
    for (int i = 0; i < 9; i++) {
      ended();
    }
    long open = aJob().kind("delete-node").subject("/v1/nodes/1000000").in(service);
    assertThat(shown()).hasSize(6).contains(open);

    service.sql(
        "UPDATE api_job SET state = 'cancelled', finished = UNIX_TIMESTAMP() WHERE id = ?", open);

    assertThat(http.get("/v1/jobs/" + open + "?wait=60").json().getString("state"))
        .isEqualTo("cancelled");
    assertThat(shown()).contains(open);
  }

  private static long ended() {
    return endedAt(++last);
  }

  private static long endedAt(long finished) {
    return aJob()
        .kind("upload")
        .state("failed")
        .subject("/v1/images/1000000")
        .finished(finished)
        .in(service);
  }

  private static List<Long> shown() {
    return http.get("/v1/jobs").array().stream()
        .map(row -> ((JsonObject) row).getLong("id"))
        .toList();
  }
}
