package org.nodepool.jobs.upkeep;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aDibImage;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.aNode;
import static org.nodepool.Rows.anAttempt;
import static org.nodepool.Rows.anImage;
import static org.nodepool.Rows.now;

import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import io.vertx.sqlclient.SqlConnection;
import java.time.Clock;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
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
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;
import org.nodepool.store.JobHistory;

/** The jobs that are shown are those that pruning leaves, whatever there is. */
@Tag("sql")
@ExtendWith(VertxExtension.class)
class HistoryTest {
  private static final int MOST = 10;

  private final TestService service = TestService.shared();

  @BeforeEach
  void no_job() {
    service.empty();
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
  void what_is_shown_is_what_pruning_leaves(long seed, Vertx vertx) throws Exception {
    Random random = new Random(seed);
    for (int i = 1; i <= 4; i++) {
      aNode().with("id", 2 * i).in(service);
      anImage().with("id", 2 * i).in(service);
      aDibImage().with("id", 2 * i).in(service);
    }
    for (int i = 0; i < 60; i++) {
      insert(random);
    }
    Set<Long> all = ids();
    Set<Long> shown = shown(vertx);
    Set<Long> ended = ids("SELECT id FROM api_job WHERE finished IS NOT NULL");

    try (OneUpkeep upkeep = new OneUpkeep(service, "jobs: {keep_most: %d}".formatted(MOST))) {
      upkeep.prune();
    }

    assertThat(ids()).isEqualTo(shown);
    assertThat(shown(vertx)).isEqualTo(shown);
    assertThat(shown).isSubsetOf(all).hasSizeLessThan(all.size());
    shown.retainAll(ended);
    assertThat(shown).as("besides the newest, what somebody needs").hasSizeGreaterThan(MOST);
    service.sql("DELETE FROM api_job_attempt");
    service.sql("DELETE FROM api_job");
  }

  /** Few subjects, of which every second one is there, and ends that are often at one time. */
  private void insert(Random random) {
    JobKind kind = JobKind.values()[random.nextInt(JobKind.values().length)];
    JobState state = JobState.values()[random.nextInt(JobState.values().length)];
    boolean isEnded = state != JobState.QUEUED && state != JobState.RUNNING;
    Long dibImage = kind.subject() == What.NODE ? null : Long.valueOf(1 + random.nextInt(8));
    Rows.Draft job =
        aJob()
            .kind(kind.toString())
            .state(isEnded ? state.toString() : "queued")
            .subject(new Subject(kind.subject(), 1 + random.nextInt(8)).path())
            .image("image-" + random.nextInt(3))
            .dibImage(dibImage);
    // at most one unfinished build of a name
    long id =
        isEnded || kind == JobKind.BUILD
            ? job.state(isEnded ? state.toString() : "failed")
                .finished(now() - random.nextInt(20))
                .in(service)
            : job.in(service);
    if (random.nextInt(6) == 0) {
      anAttempt(id).with("is_swept", random.nextBoolean() ? 1 : 0).in(service);
    }
  }

  private Set<Long> shown(Vertx vertx) {
    Database db = new Database(vertx, service.address(), Clock.systemUTC(), new ChangeLog());
    SqlConnection connection = service.connection();
    Set<Long> shown = new TreeSet<>();
    JobHistory history = new JobHistory(db, new AttemptTable(db), MOST);
    history.shown(connection, 0).await().stream().map(Job::id).forEach(shown::add);
    connection.close().await();
    db.close().await();
    return shown;
  }

  private Set<Long> ids() {
    return ids("SELECT id FROM api_job");
  }

  private Set<Long> ids(String select) {
    Set<Long> ids = new TreeSet<>();
    service.sql(select).forEach(row -> ids.add(row.getLong("id")));
    return ids;
  }
}
