package org.nodepool.jobs.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.anAttempt;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.sqlclient.Row;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.nodepool.RunsBesideOthers;
import org.nodepool.Scratch;
import org.nodepool.TestService;
import org.nodepool.jobs.JobLog;
import org.nodepool.jobs.run.SlowCommitProxy.Fault;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.Job;
import org.nodepool.model.JobKind;
import org.nodepool.model.State;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.Tx;
import org.nodepool.store.schema.Schema;

/** How a job ends when the commit that ends it is slow, lost, or its answer is. */
@RunsBesideOthers
@Tag("both-databases")
@ExtendWith(VertxExtension.class)
class JobEndsTest {
  private final TestService service = TestService.shared();
  private final List<String> done = new ArrayList<>();
  private SlowCommitProxy proxy;
  private DibImageTable dibImages;
  private JobTable jobs;
  private JobEnds ends;
  private JobRun run;
  private long dibImage;

  @BeforeEach
  void a_running_build(Vertx vertx) throws Exception {
    service.empty();
    MySQLConnectOptions direct = service.database();
    proxy = new SlowCommitProxy(vertx, direct.getHost(), direct.getPort());
    var address =
        new Database.Address(
            "127.0.0.1",
            proxy.port(),
            direct.getDatabase(),
            direct.getUser(),
            direct.getPassword());
    Database db = new Database(vertx, address, Clock.systemUTC(), new ChangeLog());
    Schema.apply(db).await();
    dibImages = new DibImageTable(db, false);
    jobs = new JobTable(db, new AttemptTable(db));
    Work work = new RecordingWork();
    AttemptTable attempts = new AttemptTable(db);
    Map<JobKind, Work> works =
        Map.of(JobKind.BUILD, work, JobKind.UPLOAD, work, JobKind.DELETE_IMAGE, work);
    ends =
        new JobEnds(
            db,
            jobs,
            attempts,
            works,
            new FencedWrites(vertx, db, jobs, () -> false),
            new Leftovers(vertx, db, attempts, works, () -> false),
            Path.of("/nowhere/builds"),
            2);
    dibImage = service.dibImage("tiny", 1, "/nowhere/tiny");
    run = running("build", 1, null);
  }

  /** Such an attempt of ours. */
  private JobRun running(String kind, int attempt, Duration limit) {
    service.sql("DELETE FROM api_job");
    long id =
        aJob()
            .kind(kind)
            .subject("/v1/dib_images/" + dibImage)
            .image("tiny")
            .dibImage(dibImage)
            .begunBy("here", "a test")
            .attempts(attempt)
            .in(service);
    Job job = jobs.get(id).await();
    return new JobRun(job, new JobLog(Scratch.dir("job-ends-test.log")), limit);
  }

  @ParameterizedTest
  @EnumSource(Fault.class)
  void a_success_is_written_once_and_nothing_of_it_is_removed(Fault fault) throws Exception {
    proxy.doToTheNextCommit(null);
    Work.Result ready =
        tx -> {
          // the transaction that ends the job; those before it only look
          proxy.doToTheNextCommit(done.contains("commits") ? null : fault);
          done.add("commits");
          return dibImages
              .lock(tx, dibImage)
              .compose(row -> setReady(tx, row.orElseThrow()))
              .mapEmpty();
        };

    await(ends.succeeded(run, ready));

    assertThat(done).contains("commits", "settled").doesNotContain("swept");
    assertThat(column("SELECT state FROM api_job")).isEqualTo("succeeded");
    assertThat(column("SELECT CAST(state AS CHAR) FROM dib_image")).isEqualTo("2");
  }

  @ParameterizedTest
  @EnumSource(Fault.class)
  void a_failure_is_written_once_after_its_leftovers_are_removed(Fault fault) throws Exception {
    commitFault = fault;

    await(ends.failed(run, new JobFailure("For a reason.")));

    assertThat(done).contains("swept").doesNotContain("settled");
    assertThat(column("SELECT state FROM api_job")).isEqualTo("failed");
    assertThat(column("SELECT error FROM api_job")).isEqualTo("For a reason.");
    assertThat(column("SELECT CAST(state AS CHAR) FROM dib_image")).isEqualTo("7");
  }

  @Test
  void a_worker_that_has_lost_the_job_changes_nothing_and_removes_what_is_its_own()
      throws Exception {
    service.sql("UPDATE api_job SET attempts = 2");

    await(ends.failed(run, new JobFailure("Too late.")));

    assertThat(done).containsExactly("swept");
    assertThat(column("SELECT state FROM api_job")).isEqualTo("running");
    assertThat(column("SELECT CAST(state AS CHAR) FROM dib_image")).isEqualTo("1");
  }

  @Test
  void an_error_as_long_as_a_book_is_cut() throws Exception {
    await(ends.failed(run, new JobFailure("ä".repeat(70_000))));

    assertThat(column("SELECT error FROM api_job")).hasSize(1000).endsWith("ä…");
  }

  @ParameterizedTest
  @CsvSource({
    "build, 1, 3, 7",
    "upload, 4, 30, 50",
    "upload, 30, 450, 600",
    "delete-image, 8, 480, 800",
    "delete-image, 30, 2700, 3600"
  })
  void what_may_pass_is_tried_again_after_growing_pauses(
      String kind, int attempt, long least, long most) throws Exception {
    run = running(kind, attempt, null);

    await(ends.failed(run, new ProviderAway("It is in use.", null)));

    assertThat(column("SELECT state FROM api_job")).isEqualTo("queued");
    assertThat(column("SELECT phase FROM api_job")).isEqualTo("It is in use.");
    assertThat(pause()).isBetween(least - 5, most);
  }

  @ParameterizedTest
  @CsvSource({"upload, PT20M, 1200", "delete-image, PT20M, 1200", "delete-image, P2D, 3600"})
  void a_provider_is_left_alone_as_long_as_it_asks_but_not_over_an_hour(
      String kind, Duration asked, long seconds) throws Exception {
    run = running(kind, 1, Duration.ofHours(6));

    await(ends.failed(run, new ProviderAway("Too many requests.", null, asked)));

    assertThat(column("SELECT state FROM api_job")).isEqualTo("queued");
    assertThat(pause()).isBetween(seconds - 5, seconds);
  }

  @Test
  void a_job_whose_time_is_over_before_that_fails_at_once() throws Exception {
    run = running("upload", 1, Duration.ofMinutes(30));

    await(ends.failed(run, new ProviderAway("Too many requests.", null, Duration.ofMinutes(40))));

    assertThat(column("SELECT state FROM api_job")).isEqualTo("failed");
    assertThat(column("SELECT error FROM api_job")).isEqualTo("Too many requests.");
  }

  @Test
  void a_lost_attempt_at_what_is_to_be_cancelled_says_why_and_no_more() throws Exception {
    service.sql("UPDATE api_job SET cancel_requested = 1, lost = 1");
    anAttempt(run.job().id()).finished(null).in(service);

    await(ends.lost(run.job(), "It was lost.", JobEnds.Left.NOTHING));

    assertThat(column("SELECT state FROM api_job")).isEqualTo("cancelled");
    assertThat(column("SELECT error FROM api_job_attempt")).isEqualTo("It was lost.");
    assertThat(column("SELECT CAST(is_swept AS CHAR) FROM api_job_attempt")).isEqualTo("1");
  }

  /** How long from now the job waits, in seconds. */
  private long pause() {
    String query = "SELECT CAST(not_before - CEILING(UNIX_TIMESTAMP(NOW(6))) AS CHAR) FROM api_job";
    return Long.parseLong(column(query));
  }

  private Fault commitFault;

  private Future<Boolean> setReady(Tx tx, org.nodepool.model.DibImage row) {
    if (!State.BUILDING.equals(row.state())) {
      throw new JobFailure("Its dib image is not in building any more.");
    }
    return dibImages.setState(tx, row, State.READY);
  }

  private String column(String query) {
    Row row = service.sql(query).iterator().next();
    return row.getString(0);
  }

  private static void await(Future<Void> end) throws Exception {
    end.await(30, TimeUnit.SECONDS);
  }

  /** Notes what is asked of it. */
  private final class RecordingWork implements Work {
    @Override
    public Future<Result> run(JobRun run) {
      throw new IllegalStateException("has run already");
    }

    @Override
    public Future<Void> sweep(Remains remains) {
      done.add("swept");
      return Future.succeededFuture();
    }

    @Override
    public Future<Void> abandon(Tx tx, Job job, Job.JobState end, boolean isSwept) {
      if (commitFault != null) {
        proxy.doToTheNextCommit(commitFault);
        commitFault = null;
      }
      return dibImages.abandon(tx, job.dibImageId());
    }

    @Override
    public Future<Void> settle(Remains remains) {
      done.add("settled");
      return Future.succeededFuture();
    }
  }
}
