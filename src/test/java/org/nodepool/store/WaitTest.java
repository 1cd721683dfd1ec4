package org.nodepool.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.now;

import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import java.time.Clock;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.function.Predicate;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.Rows;
import org.nodepool.TestService;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.JobKind;
import org.nodepool.model.JobKind.Lane;
import org.nodepool.model.Subject;
import org.nodepool.store.schema.Schema;

/**
 * What a queued job is said to wait for, by {@link Job#waitsFor}, is what keeps the database from
 * giving it to a worker.
 */
@Tag("sql")
@ExtendWith(VertxExtension.class)
class WaitTest {
  /** Where no worker of the service is, which would be quicker. */
  private static final String HOST = "nowhere";

  private final TestService service = TestService.shared();
  private JobTable jobs;

  @BeforeEach
  void no_job(Vertx vertx) {
    service.empty();
    Database db = new Database(vertx, service.address(), Clock.systemUTC(), new ChangeLog());
    Schema.apply(db).await();
    jobs = new JobTable(db, new AttemptTable(db));
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
  void what_may_be_claimed_is_what_waits_for_nothing(long seed) {
    Random random = new Random(seed);
    for (int i = 0; i < 40; i++) {
      insert(random);
    }
    List<Job> before = all();

    Set<Long> claimed = new HashSet<>();
    for (Lane lane : Lane.values()) {
      claimed.addAll(claimAll(lane, before));
    }

    assertThat(claimed).as("of %s", before).isEqualTo(ids(before, job -> mayBegin(job, before)));
    assertThat(claimed).isNotEmpty();
    assertThat(ids(before, job -> isQueued(job) && waits(before, job))).isNotEmpty();
  }

  /** One after the other, each time from the same rows: what was claimed holds up others. */
  private Set<Long> claimAll(Lane lane, List<Job> before) {
    Set<Long> claimed = new HashSet<>();
    Optional<Job> job = jobs.claim(lane, List.of(), false, HOST, "a test").await();
    while (job.isPresent()) {
      claimed.add(job.get().id());
      // out of the way of the others of its lane, and as it was for all that may wait for it
      service.sql(
          "UPDATE api_job SET state = 'queued', not_before = ? WHERE id = ?",
          now() + 1_000,
          job.get().id());
      job = jobs.claim(lane, List.of(), false, HOST, "a test").await();
    }
    return claimed;
  }

  private static boolean isQueued(Job job) {
    return job.state() == JobState.QUEUED;
  }

  private static boolean mayBegin(Job job, List<Job> all) {
    boolean isPutOff = job.notBefore() != null && job.notBefore() > now();
    boolean isHere = job.needsHost() == null || job.needsHost().equals(HOST);
    return isQueued(job) && !isPutOff && isHere && !waits(all, job);
  }

  private static boolean waits(List<Job> all, Job job) {
    return all.stream().anyMatch(job::waitsFor);
  }

  private static Set<Long> ids(List<Job> rows, Predicate<Job> which) {
    Set<Long> ids = new HashSet<>();
    rows.stream().filter(which).map(Job::id).forEach(ids::add);
    return ids;
  }

  /** Few subjects and dib images, so that many jobs share one. */
  private void insert(Random random) {
    JobKind kind = JobKind.values()[random.nextInt(JobKind.values().length)];
    JobState state = JobState.values()[random.nextInt(3)];
    Rows.Draft job =
        aJob()
            .kind(kind.toString())
            .subject(new Subject(kind.subject(), 1 + random.nextInt(8)).path())
            .dibImage(random.nextInt(4) == 0 ? null : Long.valueOf(1 + random.nextInt(8)))
            .with("needs_host", random.nextInt(4) == 0 ? "elsewhere" : HOST)
            .notBefore(random.nextInt(3) == 0 ? now() + 1_000 : null);
    switch (state) {
      case QUEUED -> job.in(service);
      case RUNNING -> job.begunBy("elsewhere", "another").in(service);
      default -> job.ended(state.toString()).in(service);
    }
  }

  private List<Job> all() {
    Set<Long> ids = new HashSet<>();
    service.sql("SELECT id FROM api_job").forEach(row -> ids.add(row.getLong("id")));
    return jobs.list(ids).await();
  }
}
