package org.nodepool.jobs.upkeep;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.aNode;
import static org.nodepool.Rows.aWorker;
import static org.nodepool.Rows.anAttempt;

import io.vertx.core.Future;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.Http;
import org.nodepool.TestService;

/** Which jobs, logs and workers are forgotten, and which never are. */
@Tag("sql")
class PruningTest {
  private static final Duration OLD = Duration.ofDays(11);
  private static final Duration YOUNG = Duration.ofDays(9);

  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @TempDir private Path logs;
  private String settings;
  private OneUpkeep one;

  @BeforeEach
  void start() throws Exception {
    service.empty();
    settings = "jobs: {keep: P10D, log_dir: '%s'}".formatted(logs);
    one = new OneUpkeep(service, settings);
  }

  @AfterEach
  void close() {
    one.close();
  }

  @Test
  void a_job_that_ended_long_ago_goes_with_its_attempts_and_that_is_an_event() {
    long job = job("delete-node", "succeeded", "/v1/nodes/1", OLD);
    attempt(job, 1, true);
    attempt(job, 2, true);
    long other = job("delete-image", "succeeded", "/v1/images/2", YOUNG);
    attempt(other, 1, true);

    prune();

    assertThat(http.get("/v1/jobs/" + job).status()).isEqualTo(404);
    assertThat(http.get("/v1/jobs/" + other).status()).isEqualTo(200);
    assertThat(numbers("SELECT job_id FROM api_job_attempt")).containsExactly(other);
    assertThat(one.events)
        .extracting(event -> event.subject() + " " + event.oldState() + " " + event.state())
        .containsExactly("/v1/jobs/" + job + " succeeded null");
  }

  @Test
  void a_job_of_a_later_version_is_left_alone_and_keeps_no_other() {
    long later = job("dance", "succeeded", "/v1/dancers/1", OLD);
    long ofOurs = job("dance", "succeeded", "/v1/images/7", OLD);
    job("delete-node", "succeeded", "/v1/nodes/1", OLD);

    prune();

    assertThat(numbers("SELECT id FROM api_job")).containsExactly(later, ofOurs);
  }

  @ParameterizedTest
  @ValueSource(strings = {"queued", "running"})
  void a_job_that_has_not_ended_stays_however_old_it_is(String state) {
    long job = aJob().kind("delete-node").state(state).subject("/v1/nodes/1").in(service);

    prune();

    assertThat(jobs()).containsExactly(job);
    service.sql("DELETE FROM api_job");
  }

  @Test
  void the_last_job_on_a_row_that_is_there_stays() {
    String node = "/v1/nodes/" + service.node("directory", 2);
    job("delete-node", "failed", node, OLD);
    long last = job("delete-node", "failed", node, OLD);

    prune();

    assertThat(jobs()).containsExactly(last);
  }

  @Test
  void of_a_row_that_is_gone_no_job_stays() {
    job("upload", "succeeded", "/v1/images/1", OLD);
    job("delete-image", "succeeded", "/v1/images/1", OLD);
    job("delete-node", "succeeded", "/v1/nodes/1", OLD);
    job("delete-dib-image", "succeeded", "/v1/dib_images/1", OLD);
    // the rows of other tables with that id are not meant
    aNode().with("id", 2).in(service);
    job("update", "succeeded", "/v1/images/2", OLD);

    prune();

    assertThat(jobs()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"upload, delete-image", "update, delete-image"})
  void the_job_that_made_an_image_stays_as_long_as_the_image(String maker, String later) {
    long image = service.image("directory", 2, "id");
    String path = "/v1/images/" + image;
    long made = job(maker, "succeeded", path, OLD);
    job(later, "failed", path, OLD);
    long last = job(later, "failed", path, OLD);

    prune();
    assertThat(jobs()).containsExactly(made, last);

    service.sql("DELETE FROM snapshot_image WHERE id = ?", image);
    prune();
    assertThat(jobs()).isEmpty();
  }

  @Test
  void the_build_that_made_a_dib_image_stays_as_long_as_the_image() {
    long image = service.dibImage("tiny", 2, null);
    long made = build("tiny", "succeeded", image);
    build("tiny", "succeeded", 1_000_001);
    long last = build("tiny", "succeeded", 1_000_002);

    prune();

    assertThat(jobs()).containsExactly(made, last);
  }

  @Test
  void the_last_build_of_an_image_that_succeeded_stays_and_the_last_that_failed() {
    build("tiny", "failed", 1_000_001);
    build("tiny", "succeeded", 1_000_002);
    long good = build("tiny", "succeeded", 1_000_003);
    long bad = build("tiny", "failed", 1_000_004);
    build("tiny", "cancelled", 1_000_005);
    long other = build("Tiny", "failed", 1_000_006);

    prune();

    assertThat(jobs()).containsExactly(good, bad, other);
  }

  @Test
  void what_may_have_left_something_on_a_disk_stays_until_that_is_swept() {
    long job = job("delete-node", "failed", "/v1/nodes/1", OLD);
    attempt(job, 1, false);
    attempt(job, 2, true);

    prune();
    assertThat(jobs()).containsExactly(job);

    service.sql("UPDATE api_job_attempt SET is_swept = 1");
    prune();
    assertThat(jobs()).isEmpty();
  }

  @Test
  void the_build_of_which_an_unfinished_job_tells_stays() {
    long needed = build("tiny", "failed", 1_000_001);
    long last = build("tiny", "failed", 1_000_002);
    long update = aJob().kind("update").subject("/v1/images/1").dibImage(1_000_001L).in(service);

    prune();

    assertThat(jobs()).containsExactly(needed, last, update);
  }

  @Test
  void more_than_go_at_a_time_go_one_batch_after_the_other() {
    service.sql(
        "INSERT INTO api_job (uuid, kind, state, subject, created, finished)"
            + " SELECT UUID(), 'delete-node', 'succeeded', '/v1/nodes/1', 1, 1"
            + " FROM information_schema.collations a JOIN information_schema.engines b LIMIT 1201");
    assertThat(jobs()).hasSize(1201);

    prune();

    assertThat(jobs()).isEmpty();
    assertThat(one.events).hasSize(1201);
  }

  @Test
  void more_than_are_kept_go_the_oldest_end_first_with_attempts_and_logs() throws Exception {
    Path log = keepMost(3);
    long late = job("upload", "failed", "/v1/images/9", Duration.ofMinutes(1));
    long first = job("upload", "failed", "/v1/images/1", Duration.ofMinutes(5));
    attempt(first, 1, true);
    service.sql("UPDATE api_job SET uuid = ? WHERE id = ?", name(log), first);
    long second = job("upload", "cancelled", "/v1/images/2", Duration.ofMinutes(4));
    long third = job("delete-image", "succeeded", "/v1/images/3", Duration.ofMinutes(3));
    long fourth = job("delete-image", "succeeded", "/v1/images/4", Duration.ofMinutes(3));
    long open = aJob().kind("delete-node").subject("/v1/nodes/1").in(service);

    prune();

    assertThat(jobs()).containsExactly(late, third, fourth, open);
    assertThat(second).isLessThan(third);
    assertThat(numbers("SELECT job_id FROM api_job_attempt")).isEmpty();
    assertThat(log).doesNotExist();
    service.sql("DELETE FROM api_job");
  }

  @Test
  void of_more_than_are_kept_those_that_somebody_needs_stay() throws Exception {
    keepMost(1);
    String image = "/v1/images/" + service.image("directory", 2, "id");
    long made = job("upload", "succeeded", image, Duration.ofMinutes(9));
    job("delete-image", "failed", image, Duration.ofMinutes(8));
    long last = job("delete-image", "failed", image, Duration.ofMinutes(7));
    long good = build("tiny", "succeeded", 1_000_001);
    long bad = build("tiny", "failed", 1_000_002);
    long unswept = job("upload", "failed", "/v1/images/1000001", Duration.ofMinutes(6));
    attempt(unswept, 1, false);
    job("upload", "failed", "/v1/images/1000002", Duration.ofMinutes(5));
    long newest = job("upload", "failed", "/v1/images/1000003", Duration.ofMinutes(4));

    prune();

    assertThat(jobs()).containsExactly(made, last, good, bad, unswept, newest);
  }

  @Test
  void a_job_of_a_node_that_succeeded_goes_after_a_day_the_last_of_a_node_that_is_there_stays() {
    String there = "/v1/nodes/" + service.node("directory", 2);
    job("delete-node", "succeeded", there, Duration.ofHours(30));
    long last = job("delete-node", "succeeded", there, Duration.ofHours(25));
    job("delete-node", "succeeded", "/v1/nodes/1000001", Duration.ofHours(25));
    long young = job("delete-node", "succeeded", "/v1/nodes/1000002", Duration.ofHours(23));
    long failed = job("delete-node", "failed", "/v1/nodes/1000003", Duration.ofHours(25));
    long other = job("delete-image", "succeeded", "/v1/images/1000001", Duration.ofHours(25));

    prune();

    assertThat(jobs()).containsExactly(last, young, failed, other);
  }

  /** Upkeep with that setting; gives a young log. */
  private Path keepMost(int most) throws Exception {
    one.close();
    one = new OneUpkeep(service, settings.replace("{", "{keep_most: %d, ".formatted(most)));
    return log(UUID.randomUUID() + ".log", Duration.ofSeconds(1));
  }

  private static String name(Path log) {
    return log.getFileName().toString().replace(".log", "");
  }

  @Test
  void what_two_workers_forget_at_once_is_told_once() throws Exception {
    for (int i = 1; i <= 50; i++) {
      job("delete-node", "succeeded", "/v1/nodes/" + i, OLD);
    }
    List<String> told = new ArrayList<>();
    try (OneUpkeep another = new OneUpkeep(service, settings)) {
      Future.all(one.upkeep.prune(), another.upkeep.prune()).await();
      one.events.forEach(event -> told.add(event.subject()));
      another.events.forEach(event -> told.add(event.subject()));
    }

    assertThat(jobs()).isEmpty();
    assertThat(told).hasSize(50).doesNotHaveDuplicates();
  }

  @Test
  void a_log_goes_with_its_job() throws Exception {
    String uuid = UUID.randomUUID().toString();
    long job = job("delete-node", "succeeded", "/v1/nodes/1", OLD);
    service.sql("UPDATE api_job SET uuid = ? WHERE id = ?", uuid, job);
    Path log = log(uuid + ".log", OLD);

    prune();

    assertThat(log).doesNotExist();
  }

  @Test
  void a_log_whose_job_is_kept_stays() throws Exception {
    long image = service.dibImage("tiny", 2, null);
    String uuid = UUID.randomUUID().toString();
    service.sql("UPDATE api_job SET uuid = ? WHERE id = ?", uuid, build("tiny", "failed", image));
    Path log = log(uuid + ".log", OLD);

    prune();

    assertThat(log).exists();
  }

  @Test
  void a_log_of_nobody_stays_while_it_is_young() throws Exception {
    Path young = log(UUID.randomUUID() + ".log", YOUNG);
    Path old = log(UUID.randomUUID() + ".log", OLD);

    prune();

    assertThat(young).exists();
    assertThat(old).doesNotExist();
  }

  @Test
  void nothing_else_in_the_directory_is_touched() throws Exception {
    String uuid = UUID.randomUUID().toString();
    List<Path> others = new ArrayList<>();
    for (String name :
        List.of(
            "syslog.log",
            uuid,
            uuid + ".log.1",
            uuid + ".txt",
            "x" + uuid + ".log",
            uuid.toUpperCase(Locale.ROOT) + ".log")) {
      others.add(log(name, OLD));
    }
    Path dir = Files.createDirectory(logs.resolve(UUID.randomUUID() + ".log"));
    Files.setLastModifiedTime(dir, past(OLD));
    Path link = logs.resolve(UUID.randomUUID() + ".log");
    Files.createSymbolicLink(link, others.get(0));

    prune();

    assertThat(others).allMatch(Files::exists);
    assertThat(dir).exists();
    assertThat(link).exists();
  }

  @Test
  void a_directory_of_logs_that_is_not_there_yet_is_empty() throws Exception {
    Files.delete(logs);

    prune();

    assertThat(logs).doesNotExist();
    Files.createDirectory(logs);
  }

  @Test
  void more_logs_than_go_at_a_time_go() throws Exception {
    for (int i = 0; i < 1100; i++) {
      log(UUID.randomUUID() + ".log", OLD);
    }

    prune();

    assertThat(logs).isEmptyDirectory();
  }

  @Test
  void a_worker_that_nobody_names_is_forgotten_when_it_was_not_seen_for_long() {
    worker("gone", OLD);
    worker("late", YOUNG);
    worker("named by a job", OLD);
    worker("named by an attempt", OLD);
    long job = job("delete-image", "succeeded", "/v1/images/1", YOUNG);
    service.sql("UPDATE api_job SET worker = 'named by a job' WHERE id = ?", job);
    attempt(job, 1, true);

    prune();

    List<String> left = new ArrayList<>();
    service
        .sql("SELECT worker FROM api_worker WHERE log_dir = '/of/a/test' ORDER BY worker")
        .forEach(row -> left.add(row.getString(0)));
    assertThat(left).containsExactly("late", "named by a job", "named by an attempt");
  }

  @Test
  void the_log_of_the_last_failed_build_outlives_its_image_and_the_time_of_jobs() throws Exception {
    Http.Answer built = http.post("/v1/dib_images/fails/build");
    assertThat(service.ended(built.job()).getString("state")).isEqualTo("failed");
    String why = http.get(built.job() + "/log").body();
    service.sql("UPDATE dib_image SET state_time = 1");
    service.sql("UPDATE api_job SET finished = 1 WHERE finished IS NOT NULL");
    service.sql("UPDATE api_job_attempt SET is_swept = 1");
    Path real = service.dir().resolve("var/log/jobs");
    Path stray = real.resolve(UUID.randomUUID() + ".log");
    Files.writeString(stray, "of a job that is forgotten");
    Files.setLastModifiedTime(stray, past(OLD));
    for (Path log : Files.list(real).toList()) {
      Files.setLastModifiedTime(log, past(OLD));
    }

    try (OneUpkeep worker =
        new OneUpkeep(
            service,
            "jobs: {keep: P10D, log_dir: '%s'}\ncleanup: {enabled: true}".formatted(real))) {
      worker.upkeep.keep().await();
      service.awaitGone(built.location());
      worker.upkeep.prune().await();
    }

    assertThat(stray).doesNotExist();
    assertThat(http.get(built.job() + "/log").body()).startsWith(why).contains("exit status 42");
  }

  private void prune() {
    one.upkeep.prune().await();
  }

  private long job(String kind, String state, String subject, Duration age) {
    return aJob()
        .kind(kind)
        .subject(subject)
        .ended(state)
        .finished(past(age).toInstant().getEpochSecond())
        .in(service);
  }

  private long build(String name, String state, long dibImage) {
    long job = job("build", state, "/v1/dib_images/" + dibImage, OLD);
    service.sql(
        "UPDATE api_job SET image_name = ?, dib_image_id = ? WHERE id = ?", name, dibImage, job);
    return job;
  }

  private void attempt(long job, int number, boolean isSwept) {
    anAttempt(job)
        .with("attempt", number)
        .worker("named by an attempt")
        .with("is_swept", isSwept)
        .in(service);
  }

  private void worker(String name, Duration notSeenFor) {
    aWorker(name)
        .with("log_dir", "/of/a/test")
        .with("seen", past(notSeenFor).toInstant().getEpochSecond())
        .in(service);
  }

  private Path log(String name, Duration age) throws Exception {
    Path log = Files.writeString(logs.resolve(name), "a line\n");
    Files.setLastModifiedTime(log, past(age));
    return log;
  }

  private static FileTime past(Duration age) {
    return FileTime.from(Instant.now().minus(age));
  }

  private List<Long> jobs() {
    return numbers("SELECT id FROM api_job ORDER BY id");
  }

  private List<Long> numbers(String sql) {
    List<Long> numbers = new ArrayList<>();
    service.sql(sql).forEach(row -> numbers.add(row.getLong(0)));
    return numbers;
  }
}
