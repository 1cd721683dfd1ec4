package org.nodepool.view;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.JobInHand;
import org.nodepool.model.JobKind;
import org.nodepool.model.Worker;

class QueuedJobsTest {
  private static final Instant NOW = Instant.parse("2026-11-23T22:10:00Z");
  private static final Worker WELL = worker("builder1", true, null);
  private static final Worker FULL = worker("builder2", true, "/images has 5 MiB left.");
  private static final Worker GONE = worker("builder3", false, null);

  @ParameterizedTest
  @EnumSource(JobKind.class)
  void a_job_that_nothing_keeps_back_waits_for_a_worker(JobKind kind) {
    assertThat(phase(job(7, kind), List.of(WELL))).isEqualTo("position 1; waits for a worker");
  }

  @ParameterizedTest
  @EnumSource(value = JobState.class, names = "QUEUED", mode = EnumSource.Mode.EXCLUDE)
  void only_a_queued_job_is_explained(JobState state) {
    Job job = job(7, JobKind.BUILD).state(state).phase("install").made();

    assertThat(new QueuedJobs(List.of(job), List.of(), NOW).explained(job)).isEqualTo(job);
  }

  @Test
  void nothing_but_the_phase_is_changed() {
    Job job = job(7, JobKind.BUILD).needsHost("builder1").dibImage(3).made();

    Job explained = new QueuedJobs(List.of(job), List.of(WELL), NOW).explained(job);

    assertThat(explained.phase()).isNotNull();
    assertThat(explained.withPhase(null)).isEqualTo(job);
  }

  @Test
  void the_position_counts_the_queued_jobs_of_the_same_lane_by_id() {
    List<Job> jobs =
        List.of(
            job(1, JobKind.BUILD).state(JobState.RUNNING).made(),
            job(2, JobKind.BUILD).made(),
            job(3, JobKind.UPLOAD).made(),
            job(4, JobKind.DELETE_NODE).made(),
            job(5, JobKind.BUILD).made(),
            job(6, JobKind.UPDATE).made(),
            job(7, JobKind.DELETE_IMAGE).made(),
            job(8, JobKind.DELETE_DIB_IMAGE).made(),
            job(9, JobKind.UPLOAD).made());
    QueuedJobs queuedJobs = new QueuedJobs(jobs, List.of(WELL), NOW);

    assertThat(jobs.subList(1, 9))
        .extracting(job -> queuedJobs.explained(job).phase().replaceFirst(";.*", ""))
        .containsExactly(
            "position 1",
            "position 1",
            "position 1",
            "position 2",
            "position 2",
            "position 2",
            "position 3",
            "position 3");
  }

  @Test
  void within_a_lane_the_position_counts_the_providers_turns() {
    List<Job> jobs =
        List.of(
            job(1, JobKind.UPLOAD).provider("a").state(JobState.RUNNING).made(),
            job(2, JobKind.DELETE_IMAGE).provider("b").state(JobState.RUNNING).made(),
            job(3, JobKind.UPLOAD).provider("a").made(),
            job(4, JobKind.UPLOAD).provider("b").made(),
            job(5, JobKind.UPDATE).provider("a").made(),
            job(6, JobKind.UPDATE).provider("b").made(),
            job(7, JobKind.UPLOAD).provider("c").made());
    QueuedJobs queuedJobs = new QueuedJobs(jobs, List.of(WELL), NOW);

    assertThat(jobs.subList(2, 7))
        .extracting(job -> queuedJobs.explained(job).phase().replaceFirst(";.*", ""))
        .containsExactly("position 3", "position 1", "position 5", "position 4", "position 2");
  }

  @Test
  void a_job_that_is_put_off_says_until_when_and_why() {
    long later = NOW.getEpochSecond() + 5;

    assertThat(phase(job(7, JobKind.DELETE_NODE).notBefore(later).phase("The cloud is away.")))
        .isEqualTo("position 1; waits until 2026-11-23T22:10:05Z: The cloud is away.");
    assertThat(phase(job(7, JobKind.UPLOAD).notBefore(later).needsHost("builder3")))
        .isEqualTo("position 1; waits until 2026-11-23T22:10:05Z");
  }

  @Test
  void when_that_moment_has_come_it_waits_for_a_worker() {
    assertThat(
            phase(
                job(7, JobKind.DELETE_NODE).notBefore(NOW.getEpochSecond()).phase("It was away."),
                List.of(WELL)))
        .isEqualTo("position 1; waits for a worker");
  }

  @ParameterizedTest
  @CsvSource({"QUEUED", "RUNNING"})
  void an_update_waits_for_its_build(JobState state) {
    Job build = job(5, JobKind.BUILD).dibImage(3).state(state).made();

    assertThat(phase(job(7, JobKind.UPDATE).dibImage(3), List.of(WELL), build))
        .isEqualTo("position 1; waits for /v1/jobs/5");
  }

  @ParameterizedTest
  @CsvSource({"BUILD, 4", "BUILD, ", "UPLOAD, 3", "DELETE_DIB_IMAGE, 3"})
  void an_update_waits_for_nothing_else(JobKind kind, Long dibImage) {
    Job other = job(5, kind).dibImage(dibImage).state(JobState.RUNNING).made();

    assertThat(phase(job(7, JobKind.UPDATE).dibImage(3), List.of(WELL), other))
        .endsWith("; waits for a worker");
  }

  @Test
  void an_upload_does_not_wait_for_a_build() {
    Job build = job(5, JobKind.BUILD).dibImage(3).state(JobState.RUNNING).made();

    assertThat(phase(job(7, JobKind.UPLOAD).dibImage(3), List.of(WELL), build))
        .endsWith("; waits for a worker");
  }

  @Test
  void a_deletion_waits_for_what_runs_on_its_row() {
    Job upload = job(5, JobKind.UPLOAD).subject("/v1/images/1").state(JobState.RUNNING).made();

    assertThat(phase(job(7, JobKind.DELETE_IMAGE).subject("/v1/images/1"), List.of(WELL), upload))
        .isEqualTo("position 1; waits for /v1/jobs/5");
    assertThat(phase(job(7, JobKind.DELETE_IMAGE).subject("/v1/images/2"), List.of(WELL), upload))
        .endsWith("; waits for a worker");
  }

  @Test
  void a_deletion_does_not_wait_for_what_is_queued() {
    Job upload = job(5, JobKind.UPLOAD).subject("/v1/images/1").made();

    assertThat(phase(job(7, JobKind.DELETE_IMAGE).subject("/v1/images/1"), List.of(WELL), upload))
        .endsWith("; waits for a worker");
  }

  @Test
  void the_deletion_of_a_dib_image_waits_for_whatever_runs_on_it() {
    Job upload =
        job(5, JobKind.UPLOAD).subject("/v1/images/1").dibImage(3).state(JobState.RUNNING).made();

    assertThat(phase(job(7, JobKind.DELETE_DIB_IMAGE).dibImage(3), List.of(WELL), upload))
        .isEqualTo("position 1; waits for /v1/jobs/5");
    assertThat(phase(job(7, JobKind.DELETE_IMAGE).dibImage(3), List.of(WELL), upload))
        .endsWith("; waits for a worker");
  }

  @Test
  void a_job_for_one_host_names_it_and_says_when_nobody_works_there() {
    assertThat(phase(job(7, JobKind.UPLOAD).needsHost("builder1"), List.of(WELL, GONE)))
        .isEqualTo("position 1; waits for a worker on host builder1");
    assertThat(phase(job(7, JobKind.UPLOAD).needsHost("builder3"), List.of(WELL, GONE)))
        .isEqualTo("position 1; waits for a worker on host builder3: none is running there");
  }

  @Test
  void it_says_that_no_worker_is_running() {
    assertThat(phase(job(7, JobKind.BUILD)))
        .isEqualTo("position 1; waits for a worker: none is running");
    assertThat(phase(job(7, JobKind.BUILD), List.of(GONE)))
        .isEqualTo("position 1; waits for a worker: none is running");
  }

  @Test
  void a_build_says_why_no_worker_begins_one() {
    Worker fullToo = worker("builder4", true, "/tmp has 0 B left.");

    assertThat(phase(job(7, JobKind.BUILD), List.of(FULL, GONE)))
        .isEqualTo("position 1; waits for disk space: builder2: /images has 5 MiB left.");
    assertThat(phase(job(7, JobKind.BUILD), List.of(FULL, fullToo)))
        .endsWith("space: builder2: /images has 5 MiB left.; builder4: /tmp has 0 B left.");
  }

  @Test
  void one_worker_with_room_is_enough_and_other_jobs_need_none() {
    assertThat(phase(job(7, JobKind.BUILD), List.of(FULL, WELL))).endsWith("; waits for a worker");
    assertThat(phase(job(7, JobKind.UPLOAD), List.of(FULL))).endsWith("; waits for a worker");
  }

  private static String phase(JobInHand job) {
    return phase(job, List.of());
  }

  private static String phase(JobInHand waits, List<Worker> workers, Job... others) {
    Job job = waits.made();
    List<Job> all = new ArrayList<>(List.of(others));
    all.add(job);
    return new QueuedJobs(all, workers, NOW).explained(job).phase();
  }

  private static Worker worker(String host, boolean isAlive, String trouble) {
    return new Worker("worker on " + host, host, "/builds", "/log", isAlive, trouble);
  }

  private static JobInHand job(long id, JobKind kind) {
    return new JobInHand(id, kind);
  }
}
