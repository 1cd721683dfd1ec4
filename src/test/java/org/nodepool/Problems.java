package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.json.JsonObject;

/** What every error answer must be: a problem (RFC 9457) that says what is wrong and no more. */
final class Problems {
  private Problems() {}

  /** Fails unless it is a problem of its own status, about this path. */
  static void check(Http.Answer answer, String path) {
    check(answer);
    assertThat(answer.json().getString("instance")).isEqualTo(path);
  }

  static void check(Http.Answer answer) {
    assertThat(answer.header("Content-Type"))
        .as(answer.toString())
        .isEqualTo("application/problem+json");
    JsonObject problem = answer.json();
    assertThat(problem.fieldNames())
        .containsExactly("type", "title", "status", "detail", "instance");
    assertThat(problem.getInteger("status")).isEqualTo(answer.status());
    assertThat(problem.getString("type")).matches("urn:nodepool:problem:[a-z]+(-[a-z]+)*");
    assertThat(problem.getString("title")).isNotBlank();
    assertThat(problem.getString("detail"))
        .isNotBlank()
        .doesNotContain("Exception", "\tat ", "java.", "io.vertx", "org.nodepool", "jackson")
        .doesNotContainIgnoringCase("select ", "insert into", "for update", "snapshot_image")
        .doesNotContain(TestService.PASSWORD, "mysql:", "/var/");
  }
}
