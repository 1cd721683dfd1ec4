package org.nodepool.jobs.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;
import static org.nodepool.jobs.run.Outcome.Next.FAILED;
import static org.nodepool.jobs.run.Outcome.Next.NOT_OURS;
import static org.nodepool.jobs.run.Outcome.Next.QUEUED;
import static org.nodepool.jobs.run.Outcome.Next.QUEUED_AFTER_LOSS;

import java.io.IOException;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.nodepool.jobs.run.JobRun.Stop;
import org.nodepool.jobs.run.JobRun.Stop.Cause;
import org.nodepool.model.AttemptEnd.JobFailure;
import org.nodepool.model.AttemptEnd.NotOurs;
import org.nodepool.model.AttemptEnd.NotSupportedYet;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.JobKind;
import org.nodepool.model.Problem;

/** What becomes of a job, by the cause of its attempt's end. */
class OutcomeTest {
  /** A pause is then as long as it is before the jitter. */
  private static final double NO_JITTER = 0.5;

  private static final Duration ENOUGH = Duration.ofHours(6);
  private static final Duration HOUR = Duration.ofHours(1);

  private static Duration seconds(long seconds) {
    return Duration.ofSeconds(seconds);
  }

  static Stream<Arguments> causes() {
    Throwable failure = new JobFailure("It cannot be built.");
    Throwable refusal = new ProviderFailure("Provider p refuses.");
    Throwable away = new ProviderAway("Provider p is away.", null);
    Throwable busy = new ProviderAway("Provider p is busy.", null, Duration.ofMinutes(20));
    Throwable shut = new ProviderAway("Provider p is shut.", null, Duration.ofDays(1));
    Throwable later = new NotSupportedYet("Not by this version.");
    Throwable lost = new NotOurs();
    Throwable noAnswer = new Problem.Unavailable("The database is away.");
    Throwable unknown = new Problem.OutcomeUnknown("The connection was lost.");
    Throwable disk = new IOException("No space left");
    Throwable fault = new IllegalStateException("a secret");
    return Stream.of(
        // what can never be done again
        arguments(failure, JobKind.BUILD, 1, FAILED, "It cannot be built.", null),
        arguments(failure, JobKind.DELETE_DIB_IMAGE, 9, FAILED, "It cannot be built.", null),
        arguments(refusal, JobKind.UPLOAD, 1, FAILED, "Provider p refuses.", null),
        arguments(refusal, JobKind.DELETE_IMAGE, 1, FAILED, "Provider p refuses.", null),
        arguments(disk, JobKind.BUILD, 1, FAILED, "IOException: No space left", null),
        arguments(
            fault,
            JobKind.DELETE_NODE,
            1,
            FAILED,
            "An internal error (IllegalStateException); the service's log has the details.",
            null),
        // what may pass
        arguments(away, JobKind.UPLOAD, 1, QUEUED, "Provider p is away.", seconds(5)),
        arguments(away, JobKind.UPDATE, 2, QUEUED, "Provider p is away.", seconds(10)),
        arguments(away, JobKind.UPLOAD, 30, QUEUED, "Provider p is away.", seconds(600)),
        arguments(away, JobKind.DELETE_NODE, 8, QUEUED, "Provider p is away.", seconds(640)),
        arguments(away, JobKind.DELETE_IMAGE, 30, QUEUED, "Provider p is away.", HOUR),
        arguments(busy, JobKind.UPLOAD, 1, QUEUED, "Provider p is busy.", seconds(1200)),
        arguments(busy, JobKind.DELETE_IMAGE, 11, QUEUED, "Provider p is busy.", HOUR),
        arguments(shut, JobKind.UPLOAD, 1, QUEUED, "Provider p is shut.", HOUR),
        arguments(
            disk, JobKind.DELETE_DIB_IMAGE, 1, QUEUED, "IOException: No space left", seconds(5)),
        arguments(later, JobKind.DELETE_NODE, 1, QUEUED, "Not by this version.", HOUR),
        arguments(noAnswer, JobKind.BUILD, 9, QUEUED, "the database did not answer", seconds(5)),
        arguments(unknown, JobKind.UPLOAD, 1, QUEUED, "the database did not answer", seconds(5)),
        // what is another's
        arguments(lost, JobKind.BUILD, 1, NOT_OURS, lost.getMessage(), null));
  }

  @ParameterizedTest
  @MethodSource("causes")
  void each_cause_has_its_outcome(
      Throwable cause,
      JobKind kind,
      int attempts,
      Outcome.Next next,
      String reason,
      Duration pause) {
    Outcome.Over over = new Outcome.Over(kind, attempts, null, ENOUGH);

    assertThat(Outcome.of(cause, over, NO_JITTER))
        .isEqualTo(new Outcome(next, reason, pause, pause != null));
  }

  @ParameterizedTest
  @CsvSource({"CANCELLED, FAILED", "TIMED_OUT, FAILED", "SERVICE_STOPS, QUEUED", "LOST, NOT_OURS"})
  void a_stop_decides_whatever_the_work_said_then(Cause cause, Outcome.Next next) {
    Stop stop = new Stop(cause, "It had to stop.");
    Outcome.Over over = new Outcome.Over(JobKind.BUILD, 1, stop, ENOUGH);

    for (Throwable said :
        new Throwable[] {new JobFailure("killed"), new ProviderAway("away", null)}) {
      assertThat(Outcome.of(said, over, NO_JITTER))
          .isEqualTo(new Outcome(next, "It had to stop.", null, false));
    }
    assertThat(Outcome.of(new NotOurs(), over, NO_JITTER).next()).isEqualTo(NOT_OURS);
  }

  @Test
  void a_job_whose_time_is_over_before_the_next_attempt_fails() {
    Throwable away = new ProviderAway("Away.", null);

    assertThat(Outcome.of(away, left(seconds(6)), NO_JITTER).next()).isEqualTo(QUEUED);
    assertThat(Outcome.of(away, left(seconds(5)), NO_JITTER)).isEqualTo(Outcome.failed("Away."));
    assertThat(Outcome.of(away, left(seconds(-5)), NO_JITTER)).isEqualTo(Outcome.failed("Away."));
    assertThat(Outcome.of(away, left(null), NO_JITTER).next()).isEqualTo(QUEUED);
  }

  private static Outcome.Over left(Duration left) {
    return new Outcome.Over(JobKind.UPLOAD, 1, null, left);
  }

  @ParameterizedTest
  @CsvSource({"0, 3750, 4", "0.5, 5000, 5", "1, 6250, 7"})
  void pauses_differ_by_a_quarter_and_are_whole_seconds_for_the_database(
      double random, long millis, long seconds) {
    Outcome outcome = Outcome.of(new ProviderAway("Away.", null), left(ENOUGH), random);

    assertThat(outcome.pause()).isEqualTo(Duration.ofMillis(millis));
    assertThat(outcome.pauseSeconds()).isEqualTo(seconds);
  }

  @ParameterizedTest
  @EnumSource
  void a_lost_attempt_is_made_again_until_there_were_too_many_but_for_deletions(JobKind kind) {
    assertThat(Outcome.ofLost(kind, 0, 2, true, "It was lost."))
        .isEqualTo(new Outcome(QUEUED_AFTER_LOSS, "It was lost.", null, false));
    assertThat(Outcome.ofLost(kind, 0, 2, false, "It was lost.").pause()).isEqualTo(seconds(30));
    assertThat(Outcome.ofLost(kind, 1, 2, true, "It was lost."))
        .isEqualTo(
            kind.deletes()
                ? new Outcome(QUEUED_AFTER_LOSS, "It was lost.", null, false)
                : Outcome.failed("It was lost. It is not tried again (jobs.max_attempts: 2)."));
  }
}
