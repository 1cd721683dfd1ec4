package org.nodepool;

import static java.util.concurrent.CompletableFuture.supplyAsync;
import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code GET /v1/jobs/{id}/log}: parts of it, and following it. */
class JobLogTest {
  private static final String TEXT = "0123456789";

  private final TestService service = TestService.shared();
  private final Http http = service.http().anonymous();
  private final String uuid = UUID.randomUUID().toString();

  @BeforeEach
  void empty() {
    service.empty();
  }

  @ParameterizedTest
  @CsvSource({
    "bytes=0-0,0,0-0",
    "bytes=0-9,0123456789,0-9",
    "bytes=0-,0123456789,0-9",
    "bytes=2-4,234,2-4",
    "BYTES=9-,9,9-9",
    "bytes=7-10,789,7-9",
    "bytes=8-99999999999999999999999,89,8-9",
    "bytes=-1,9,9-9",
    "bytes=-10,0123456789,0-9",
    "bytes=-11,0123456789,0-9",
    "bytes=-99999999999999999999999,0123456789,0-9",
    "bytes= 1-2 ,12,1-2"
  })
  void a_part_of_it_can_be_asked_for(String range, String part, String shown) throws IOException {
    Http.Answer answer = ranged(ended(TEXT), range);

    assertThat(answer.status()).isEqualTo(206);
    assertThat(answer.body()).isEqualTo(part);
    assertThat(answer.header("Content-Range")).isEqualTo("bytes " + shown + "/10");
    assertThat(answer.header("Content-Length")).isEqualTo(Integer.toString(part.length()));
    assertThat(answer.header("Content-Type")).isEqualTo("text/plain; charset=utf-8");
  }

  @ParameterizedTest
  @ValueSource(strings = {"bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999-"})
  void a_part_that_there_is_not_is_refused(String range) throws IOException {
    String path = ended(TEXT);
    Http.Answer answer = ranged(path, range);

    assertThat(answer.status()).isEqualTo(416);
    Problems.check(answer, path);
    assertThat(answer.slug()).isEqualTo("range-not-satisfiable");
    assertThat(answer.header("Content-Range")).isEqualTo("bytes */10");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "bytes=4-2",
        "bytes=-",
        "bytes=",
        "bytes",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "bytes=--1",
        "bytes=0x1-2",
        "lines=0-1",
        "0-1"
      })
  void what_is_not_understood_is_the_whole(String range) throws IOException {
    Http.Answer answer = ranged(ended(TEXT), range);

    assertThat(answer.status()).isEqualTo(200);
    assertThat(answer.body()).isEqualTo(TEXT);
    assertThat(answer.header("Accept-Ranges")).isEqualTo("bytes");
    assertThat(answer.header("Content-Range")).isNull();
  }

  @Test
  void with_if_range_and_of_head_it_is_the_whole() throws IOException {
    String path = ended(TEXT);
    String[] conditional = {"Range", "bytes=0-1", "If-Range", "\"x\""};

    assertThat(http.send("GET", path, null, null, conditional).body()).isEqualTo(TEXT);
    Http.Answer head = http.send("HEAD", path, null, null, "Range", "bytes=0-1");
    assertThat(head.status()).isEqualTo(200);
    assertThat(head.header("Content-Length")).isEqualTo("10");
  }

  @Test
  void of_an_empty_log_there_is_no_part() throws IOException {
    String path = ended("");

    assertThat(ranged(path, "bytes=0-").header("Content-Range")).isEqualTo("bytes */0");
    assertThat(ranged(path, "bytes=-1").status()).isEqualTo(200);
  }

  @Test
  void a_log_lies_where_its_worker_has_its_logs() throws IOException {
    Path elsewhere = Files.createDirectories(service.dir().resolve("elsewhere"));
    Files.writeString(elsewhere.resolve(uuid + ".log"), "there");
    service.sql(
        "REPLACE INTO api_worker (worker, host, builds_dir, log_dir, seen)"
            + " VALUES ('somebody', 'here', '/nowhere', ?, 0)",
        elsewhere.toString());
    try {
      assertThat(http.get(job("succeeded", Installation.hostName())).body()).isEqualTo("there");
    } finally {
      service.sql("DELETE FROM api_worker WHERE worker = 'somebody'");
    }
  }

  @Test
  void it_is_followed_to_its_end_though_the_file_comes_late() throws Exception {
    String path = job("running", Installation.hostName());
    CompletableFuture<Http.Answer> following = supplyAsync(() -> http.get(path + "?follow=true"));
    try (Wire wire = new Wire(http.port())) {
      wire.send("GET " + path + "?follow=true HTTP/1.1\r\nHost: localhost\r\n\r\n");
      awaitHead(wire);

      write("one\n");
      assertThat(new String(wire.chunk())).isEqualTo("one\n");
      write("two\n");
      assertThat(new String(wire.chunk())).isEqualTo("two\n");
      assertThat(following).isNotDone();

      service.sql("UPDATE api_job SET state = 'succeeded', finished = 2");
      write("three\n");
      assertThat(new String(wire.chunk())).isEqualTo("three\n");
      assertThat(wire.chunk()).isEmpty();
    }

    Http.Answer answer = following.get(5, TimeUnit.SECONDS);
    assertThat(answer.body()).isEqualTo("one\ntwo\nthree\n");
    assertThat(answer.header("Content-Length")).isNull();
    assertThat(answer.header("Content-Type")).isEqualTo("text/plain; charset=utf-8");
  }

  @Test
  void what_the_worker_says_last_is_followed_too() {
    long node = service.node("directory", 2);
    String job = service.http().delete("/v1/nodes/" + node).job();
    Poll.until("it has begun", () -> http.get(job).json().getInteger("attempts") == 1);

    assertThat(http.get(job + "/log?follow=true").body()).endsWith(" | nodepool: succeeded\n");
  }

  @Test
  void a_large_log_of_what_has_ended_is_followed_whole_whatever_part_is_asked_for()
      throws Exception {
    String text = "0123456789abcdef".repeat(200_000);
    String path = ended(text);

    assertThat(http.get(path + "?follow=true").body()).isEqualTo(text);
    Http.Answer answer = http.send("GET", path + "?follow=true", null, null, "Range", "bytes=0-1");
    assertThat(answer.status()).isEqualTo(200);
    assertThat(answer.body()).isEqualTo(text);
    Http.Answer head = http.send("HEAD", path + "?follow=true", null, null);
    assertThat(head.status()).isEqualTo(200);
    assertThat(head.body()).isEmpty();
    assertThat(http.get(path + "?follow=false").header("Content-Length"))
        .isEqualTo(Integer.toString(text.length()));
  }

  @Test
  void a_reader_that_goes_away_is_forgotten_and_its_file_closed() throws Exception {
    String path = job("running", Installation.hostName());
    write("x".repeat(20_000_000));
    try (Wire wire = new Wire(http.port(), 4096)) {
      wire.send("GET " + path + "?follow=true HTTP/1.1\r\nHost: localhost\r\n\r\n");
      awaitHead(wire);
      assertThat(wire.chunk()).isNotEmpty();
      assertThat(openFiles()).isEqualTo(1);
    }
    Poll.until("the file is closed", () -> openFiles() == 0);
  }

  @Test
  void a_follower_ends_when_the_job_is_removed() throws Exception {
    String path = job("running", Installation.hostName());
    write("one\n");
    CompletableFuture<Http.Answer> following = supplyAsync(() -> http.get(path + "?follow=true"));
    Poll.until("it is followed", () -> openFiles() == 1);

    service.sql("DELETE FROM api_job");

    assertThat(following.get(5, TimeUnit.SECONDS).body()).isEqualTo("one\n");
  }

  @Test
  void what_cannot_be_followed_is_refused_as_without() throws IOException {
    assertThat(http.get(job("running", "builder-7") + "?follow=true").json().getString("detail"))
        .contains("builder-7");
    assertThat(http.get(job("running", null) + "?follow=true").slug()).isEqualTo("wrong-state");
    assertThat(http.get(job("failed", Installation.hostName()) + "?follow=true").slug())
        .isEqualTo("gone");
    assertThat(http.get(job("running", Installation.hostName())).slug()).isEqualTo("wrong-state");
    assertThat(http.get("/v1/jobs/999999/log?follow=true").slug()).isEqualTo("not-found");
    assertThat(http.get(ended(TEXT) + "?follow=yes").slug()).isEqualTo("bad-value");
  }

  private Http.Answer ranged(String path, String range) {
    return http.send("GET", path, null, null, "Range", range);
  }

  /** Reads as far as the body. */
  private static void awaitHead(Wire wire) throws IOException {
    assertThat(wire.readStreamHead().status()).isEqualTo(200);
  }

  /** How often this process has the log open. */
  private long openFiles() throws IOException {
    try (var descriptors = Files.list(Path.of("/proc/self/fd"))) {
      return descriptors.filter(this::isLog).count();
    }
  }

  private boolean isLog(Path descriptor) {
    try {
      return Files.readSymbolicLink(descriptor).toString().contains(uuid);
    } catch (IOException e) { // closed meanwhile
      return false;
    }
  }

  private String ended(String text) throws IOException {
    write(text);
    return job("succeeded", Installation.hostName());
  }

  private void write(String text) throws IOException {
    Path dir = Files.createDirectories(service.dir().resolve("var/log/jobs"));
    Files.writeString(
        dir.resolve(uuid + ".log"), text, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
  }

  /** The path of the log of a job of a worker that is not this service's, and lives. */
  private String job(String state, String host) {
    return "/v1/jobs/%d/log"
        .formatted(
            aJob()
                .with("uuid", uuid)
                .begunBy(host, "somebody")
                .with("lease_until", 4_000_000_000L)
                .state(state)
                .finished(state.equals("running") ? null : 2L)
                .in(service));
  }
}
