package org.nodepool.store;

import static java.util.Objects.requireNonNullElse;
import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;

import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.nodepool.TestService;
import org.nodepool.model.Job;
import org.nodepool.model.JobKind;
import org.nodepool.model.JobKind.Lane;
import org.nodepool.model.Subject;
import org.nodepool.store.schema.Schema;

/** Which job a worker takes next. */
@Tag("sql")
@ExtendWith(VertxExtension.class)
class ClaimTest {
  /** Where no worker of the service is, which would be quicker. */
  private static final String HOST = "nowhere";

  private final TestService service = TestService.shared();
  private final List<Job> doing = new ArrayList<>();
  private JobTable jobs;
  private long rows;

  @BeforeEach
  void no_job(Vertx vertx) {
    service.empty();
    Database db = new Database(vertx, service.address(), Clock.systemUTC(), new ChangeLog());
    Schema.apply(db).await();
    jobs = new JobTable(db, new AttemptTable(db));
  }

  @Test
  void providers_take_turns_and_within_one_the_oldest_comes_first() {
    queue(JobKind.UPLOAD, "a", "a", "a", "b", "b", "c");

    assertThat(takeAll(9)).containsExactly("a", "b", "c", "a", "b", "a");
    assertThat(doing)
        .filteredOn(job -> job.providerName().equals("a"))
        .extracting(Job::id)
        .isSorted();
  }

  @Test
  void whoever_has_the_fewest_running_comes_first_also_when_its_jobs_are_younger() {
    queue(JobKind.UPLOAD, "a", "b", "b", "b", "a");
    assertThat(takeAll(3)).containsExactly("a", "b", "b");
    doing.removeIf(job -> "a".equals(job.providerName())); // it has ended

    assertThat(takeAll(3)).containsExactly("a");
  }

  @Test
  void a_full_lane_begins_one_more_for_each_provider_for_which_nothing_runs() {
    queue(JobKind.UPLOAD, "a", "a", "a", "a");
    assertThat(takeAll(2)).containsExactly("a", "a");
    queue(JobKind.UPLOAD, "b", "b", "c", "b");

    assertThat(takeAll(2)).containsExactly("b", "c");
  }

  @Test
  void what_is_for_no_provider_is_as_for_one_of_its_own() {
    queue(JobKind.DELETE_IMAGE, "a", "a", "a");
    assertThat(takeAll(Lane.DELETE, 2)).containsExactly("a", "a");
    queue(JobKind.DELETE_DIB_IMAGE, null, null);

    assertThat(takeAll(Lane.DELETE, 2)).containsExactly("");
    assertThat(takeAll(Lane.DELETE, 5)).containsExactly("", "a");
  }

  @Test
  void names_of_others_are_never_taken_for_ours() {
    queue(JobKind.UPLOAD, "a", "A", "it's", "a\\", "ä");

    assertThat(takeAll(1)).containsExactly("a", "A", "it's", "a\\", "ä");
  }

  private List<String> takeAll(int workers) {
    return takeAll(Lane.UPLOAD, workers);
  }

  /** For whom the jobs are that a lane of so many workers takes, beside those it does. */
  private List<String> takeAll(Lane lane, int workers) {
    List<String> providers = new ArrayList<>();
    Optional<Job> taken = take(lane, workers);
    while (taken.isPresent()) {
      providers.add(requireNonNullElse(taken.get().providerName(), ""));
      doing.add(taken.get());
      taken = take(lane, workers);
    }
    return providers;
  }

  private Optional<Job> take(Lane lane, int workers) {
    return jobs.claim(lane, doing, doing.size() >= workers, HOST, "a test").await();
  }

  private void queue(JobKind kind, String... providers) {
    for (String provider : providers) {
      aJob()
          .kind(kind.toString())
          .subject(new Subject(kind.subject(), ++rows).path())
          .provider(provider)
          .with("needs_host", HOST)
          .notBefore(null)
          .in(service);
    }
  }
}
