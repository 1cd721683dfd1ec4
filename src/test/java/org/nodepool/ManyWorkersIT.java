package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.sqlclient.Row;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** Several processes of the packaged service work on one database, and some of them die. */
@RunsBesideOthers
@Execution(ExecutionMode.CONCURRENT)
@TestInstance(TestInstance.Lifecycle.PER_METHOD)
class ManyWorkersIT {
  /** A lease, and the time until somebody looks. */
  private static final Duration TAKEOVER = Duration.ofSeconds(40);

  /** How long a build is slow that is to succeed; others do not end by themselves. */
  private static final Duration SHORT = Duration.ofSeconds(10);

  // names that resolve, wherever this runs: else sudo complains in the midst of what builds read
  private static final String HOST_A = "127.0.0.11";
  private static final String HOST_B = "127.0.0.12";

  private static final int ONE_MIB = 1 << 20;

  private Site site;
  private ServiceProcess api;

  @BeforeEach
  void a_site(TestInfo test) throws Exception {
    String name = test.getTestMethod().orElseThrow().getName();
    site = Site.named("many-" + name.replace('_', '-').substring(0, Math.min(40, name.length())));
  }

  @AfterEach
  void end() {
    site.close();
  }

  @Test
  void twenty_jobs_queued_at_once_are_run_once_each() throws Exception {
    startApi();
    ServiceProcess first = site.startWorker(site.worker("first"));
    ServiceProcess second = site.startWorker(site.worker("second"));
    site.readyDibImage("tiny", "raw", Installation.hostName(), ONE_MIB);
    List<String> jobs = new ArrayList<>();
    first.signal("STOP"); // so that both find all of them
    second.signal("STOP");
    for (int i = 0; i < 20; i++) {
      jobs.add(
          created(
                  api.http()
                      .post(
                          "/v1/dib_images/tiny/upload",
                          "provider_name=raw-directory&image_name=first"))
              .job());
    }
    first.signal("CONT");
    second.signal("CONT");

    for (String job : jobs) {
      assertThat(site.end(job)).isEqualTo("succeeded");
    }
    assertThat(site.number("SELECT COUNT(*) FROM api_job WHERE attempts <> 1")).isZero();
    assertThat(site.number("SELECT COUNT(*) FROM api_job_attempt")).isEqualTo(20);
    assertThat(workers()).isSubsetOf(first.installation(), second.installation());
    assertThat(list("raw-provider")).hasSize(40); // a file and what is known of it
    Settled.await(site);
  }

  @Test
  void a_process_does_what_its_roles_say() throws Exception {
    startApi();
    Http.Answer build = created(api.http().post("/v1/dib_images/tells/build"));
    Poll.until(
        "it says what it waits for",
        () -> {
          String phase = get(build.job()).getString("phase");
          return phase != null && phase.contains("worker");
        });
    assertThat(site.state(build.job())).isEqualTo("queued");
    assertThat(api.listeningPorts()).containsExactly(api.port());

    ServiceProcess worker = site.startWorker(site.worker("worker"));

    assertThat(site.end(build.job())).isEqualTo("failed"); // as that element does
    assertThat(workers()).containsExactly(worker.installation());
    assertThat(worker.listeningPorts()).isEmpty();
    assertThat(worker.out()).doesNotContain("nodepool answers at");
    Settled.await(site);
  }

  @Test
  void a_build_whose_worker_is_killed_is_made_by_the_other() throws Exception {
    startApi();
    Http.Answer build = slowBuildBegins(site.worker("first"), "slow-install");
    ServiceProcess dead = site.workerOf(build.job());
    site.slow(SHORT);
    ServiceProcess other = site.startWorker(site.worker("second"));
    dead.kill9();
    assertThat(dead.remains("var/builds")).isNotEmpty();

    awaitTakeover(build, other);

    assertThat(dead.remains("var/builds")).isEmpty();
    assertThat(site.end(build.job())).isEqualTo("succeeded");
    assertThat(get(build.location()).getString("state")).isEqualTo("ready");
    assertAttempts(build, dead, other);
    site.startWorker(dead); // only it can say that nothing of its own is left
    Settled.await(site);
  }

  @Test
  void a_worker_that_was_stopped_past_its_lease_and_goes_on_changes_nothing() throws Exception {
    startApi();
    Http.Answer build = slowBuildBegins(site.worker("first"), "slow-install");
    ServiceProcess stopped = site.workerOf(build.job());
    site.slow(SHORT);
    ServiceProcess other = site.startWorker(site.worker("second"));
    stopped.signal("STOP");
    awaitTakeover(build, other);
    site.awaitLog(build.job(), "slow-install sleeping");

    stopped.signal("CONT"); // while the other builds

    assertThat(site.end(build.job())).isEqualTo("succeeded");
    assertThat(site.workerOf(build.job())).isSameAs(other);
    assertAttempts(build, stopped, other);
    Settled.await(site);
    assertThat(site.number("SELECT COUNT(*) FROM api_dib_file")).isEqualTo(1);
    assertThat(stopped.isAlive()).isTrue();
    Http.Answer next = created(api.http().post("/v1/dib_images/tells/build"));
    assertThat(site.end(next.job())).isEqualTo("failed"); // it is run, by either
  }

  @Test
  @Tag("long")
  void an_upload_whose_worker_was_stopped_past_its_lease_is_there_once() throws Exception {
    startApi();
    // some seconds to copy, and hardly a block on the disk
    site.readyDibImage("tiny", "raw", Installation.hostName(), 1 << 29);
    ServiceProcess stopped = site.startWorker(site.worker("first"));
    Http.Answer upload =
        created(
            api.http()
                .post(
                    "/v1/dib_images/tiny/upload", "provider_name=raw-directory&image_name=first"));
    Poll.until(
        "a part of it is there",
        () -> list("raw-provider").stream().anyMatch(file -> file.toString().endsWith(".part")));
    stopped.signal("STOP");
    ServiceProcess other = site.startWorker(site.worker("second"));
    awaitTakeover(upload, other);

    stopped.signal("CONT");

    assertThat(site.end(upload.job())).isEqualTo("succeeded");
    assertThat(site.workerOf(upload.job())).isSameAs(other);
    Settled.await(site);
    assertThat(list("raw-provider")).hasSize(2);
  }

  @Test
  @Tag("long")
  void a_job_that_its_workers_do_not_survive_fails_and_says_so() throws Exception {
    startApi();
    Http.Answer build = slowBuildBegins(site.worker("mortal"), "slow-root");
    ServiceProcess worker = site.workerOf(build.job());
    worker.kill9();
    site.startWorker(worker);
    awaitAttempt(build, 2);
    Poll.until("it builds again", () -> sleeps(worker, "slow-root"));
    worker.kill9();

    site.startWorker(worker);

    assertThat(site.end(build.job())).isEqualTo("failed");
    assertThat(get(build.job()).getString("error")).endsWith(".").contains("worker");
    assertThat(get(build.location()).getString("state")).isEqualTo("failed");
    assertThat(attempts(build)).hasSize(2);
    Settled.await(site);
  }

  @Test
  void a_job_whose_worker_is_dead_is_cancelled_by_another() throws Exception {
    startApi();
    Http.Answer build = slowBuildBegins(site.worker("first"), "slow-finalise");
    ServiceProcess dead = site.workerOf(build.job());
    site.startWorker(site.worker("second"));
    dead.kill9();

    assertThat(api.http().delete(build.job()).status()).isEqualTo(204);

    assertThat(site.end(build.job())).isEqualTo("cancelled");
    assertThat(api.http().get(build.location()).status()).isEqualTo(404);
    Poll.until("nothing is left", () -> dead.remains("var/builds").isEmpty());
    site.startWorker(dead);
    Settled.await(site);
  }

  @Test
  void a_running_job_is_cancelled_within_seconds() throws Exception {
    startApi();
    Http.Answer build = slowBuildBegins(site.worker("only"), "slow-root");

    assertThat(api.http().delete(build.job()).status()).isEqualTo(204);

    assertThat(site.end(build.job())).isEqualTo("cancelled");
    assertThat(api.http().get(build.location()).status()).isEqualTo(404);
    Settled.await(site);
  }

  @Test
  void files_are_handled_on_the_host_that_has_them() throws Exception {
    startApi();
    ServiceProcess here = site.startWorker(site.worker("here").onHost(HOST_A));
    ServiceProcess there = site.startWorker(site.worker("there").onHost(HOST_B));
    long ofA = site.readyDibImage("unlisted", "qcow2", HOST_A, ONE_MIB);
    long ofB = site.readyDibImage("unlisted", "qcow2", HOST_B, ONE_MIB);
    site.readyDibImage("tiny", "raw", HOST_B, ONE_MIB);
    String form = "provider_name=raw-directory&image_name=first";
    List<Http.Answer> uploads = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      uploads.add(created(api.http().post("/v1/dib_images/tiny/upload", form)));
    }

    Http.Answer deletionOfA = api.http().delete("/v1/dib_images/" + ofA);
    Http.Answer deletionOfB = api.http().delete("/v1/dib_images/" + ofB);

    for (Http.Answer upload : uploads) {
      assertThat(site.end(upload.job())).isEqualTo("succeeded");
      assertThat(site.workerOf(upload.job())).isSameAs(there);
    }
    assertThat(site.end(deletionOfA.job())).isEqualTo("succeeded");
    assertThat(site.workerOf(deletionOfA.job())).isSameAs(here);
    assertThat(site.end(deletionOfB.job())).isEqualTo("succeeded");
    assertThat(site.workerOf(deletionOfB.job())).isSameAs(there);
    Http.Answer log = api.http().get(uploads.get(0).job() + "/log");
    assertThat(log.status()).isEqualTo(409);
    assertThat(log.body()).contains(HOST_B);
    Settled.await(site);
  }

  @Test
  @Tag("long")
  void what_a_dead_host_built_waits_for_it_and_is_cancelled_without_it() throws Exception {
    startApi();
    ServiceProcess dead = site.worker("dead").onHost(HOST_A);
    Http.Answer build = slowBuildBegins(dead, "slow-install");
    Http.Answer cancelled = created(api.http().post("/v1/dib_images/slow-root/build"));
    Poll.until("it builds both", () -> sleeps(dead, "slow-root"));
    site.slow(SHORT);
    ServiceProcess other = site.startWorker(site.worker("other").onHost(HOST_B));
    dead.kill9();
    long died = System.nanoTime();

    assertThat(api.http().delete(cancelled.job()).status()).isEqualTo(204);

    assertThat(site.end(cancelled.job())).isEqualTo("cancelled");
    assertThat(api.http().get(cancelled.location()).status()).isEqualTo(404);
    assertThat(dead.remains("var/builds")).as("nobody there sweeps").isNotEmpty();
    assertThat(dead.names("var/builds")).hasSize(2);
    Poll.until(
        "the lease and a sweep are over", () -> System.nanoTime() - died > TAKEOVER.toNanos());
    assertThat(attempts(build)).as("no other host can tell what is left there").hasSize(1);

    site.startWorker(dead.replace("nodepool.yaml", "SLOW_SECS: '120'", "SLOW_SECS: '5'"));

    assertThat(site.end(build.job())).isEqualTo("succeeded");
    ServiceProcess last = site.workerOf(build.job());
    assertThat(last).isIn(dead, other); // either may be quicker now
    assertAttempts(build, dead, last);
    Settled.await(site);
  }

  private void startApi() throws Exception {
    api = site.api("api").start();
    site.awaitReady(api);
  }

  /** Has this worker, the only one, build it; returns when it is at its sleep. */
  private Http.Answer slowBuildBegins(ServiceProcess worker, String diskImage) throws Exception {
    site.startWorker(worker);
    Http.Answer build = created(api.http().post("/v1/dib_images/" + diskImage + "/build"));
    Poll.until("it builds", () -> sleeps(worker, diskImage));
    return build;
  }

  /** Whether a process of a build below that worker's directory is in its slow element now. */
  private static boolean sleeps(ServiceProcess worker, String diskImage) {
    return ServiceProcess.processes(worker.dir().resolve("var/builds")).stream()
        .anyMatch(
            p ->
                ServiceProcess.read(p, "cmdline").startsWith("sleep ")
                    && ServiceProcess.read(p, "environ").contains("DIB_IMAGE_NAME=" + diskImage));
  }

  private void awaitTakeover(Http.Answer made, ServiceProcess by) throws Exception {
    String installation = by.installation();
    Poll.until(
        "the other has begun it",
        () ->
            site.number(
                    "SELECT COUNT(*) FROM api_job_attempt WHERE job_id = ? AND worker = ?",
                    Site.id(made.job()),
                    installation)
                > 0);
  }

  private void awaitAttempt(Http.Answer made, int number) {
    Poll.until("attempt " + number, () -> attempts(made).size() == number);
  }

  private void assertAttempts(Http.Answer made, ServiceProcess first, ServiceProcess second)
      throws Exception {
    JsonArray attempts = attempts(made);
    assertThat(attempts).hasSize(2);
    JsonObject lost = attempts.getJsonObject(0);
    JsonObject last = attempts.getJsonObject(1);
    assertThat(lost.getString("worker")).isEqualTo(first.installation());
    assertThat(lost.getString("error")).endsWith(".");
    assertThat(lost.getLong("finished")).isGreaterThanOrEqualTo(lost.getLong("started"));
    assertThat(last.getInteger("attempt")).isGreaterThan(lost.getInteger("attempt"));
    assertThat(last.getString("worker")).isEqualTo(second.installation());
    assertThat(last.getLong("started")).isGreaterThanOrEqualTo(lost.getLong("finished"));
    assertThat(last.getString("error")).isNull();
  }

  /** Without claims that a busy database answered too late: nothing was begun by them. */
  private JsonArray attempts(Http.Answer made) throws Exception {
    JsonArray all = api.http().get(made.job() + "/attempts").array();
    return new JsonArray(
        all.stream()
            .filter(
                each ->
                    !"The answer to its claim was lost."
                        .equals(((JsonObject) each).getString("error")))
            .toList());
  }

  private Set<String> workers() {
    Set<String> workers = new HashSet<>();
    for (Row row : site.sql("SELECT DISTINCT worker FROM api_job_attempt")) {
      workers.add(row.getString("worker"));
    }
    return workers;
  }

  private List<Path> list(String directory) throws Exception {
    Path dir = site.dir().resolve(directory);
    if (Files.notExists(dir)) {
      return List.of();
    }
    try (var files = Files.list(dir)) {
      return files.toList();
    }
  }

  private JsonObject get(String path) throws Exception {
    return api.http().get(path).json();
  }

  private static Http.Answer created(Http.Answer answer) {
    assertThat(answer.status()).as("%s", answer).isEqualTo(201);
    return answer;
  }
}
