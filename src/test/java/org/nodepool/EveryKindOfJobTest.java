package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aDibImage;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.aNode;
import static org.nodepool.Rows.anImage;

import io.vertx.core.json.JsonObject;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.nodepool.jobs.upkeep.OneUpkeep;
import org.nodepool.model.JobKind;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;

/** Each kind of job is accepted, claimed, cancelled, retried and pruned as JobKind says. */
@RunsBesideOthers
class EveryKindOfJobTest {
  private static final byte[] BYTES = {1, 2, 3};
  private static final long LONG_AGO = 2;

  /** A row of each table has it. */
  private static final long ID = 77;

  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
  }

  @ParameterizedTest
  @EnumSource
  void it_is_accepted_and_claimed_and_does_to_its_subject_what_it_says(JobKind kind)
      throws Exception {
    Http.Answer accepted = accept(kind);

    assertThat(accepted.status()).isEqualTo(kind.deletes() ? 204 : 201);
    JsonObject job = service.ended(accepted.job());
    assertThat(job.getString("error")).isNull();
    assertThat(job.getString("state")).isEqualTo("succeeded");
    assertThat(job.getString("kind")).isEqualTo(kind.toString());
    assertThat(job.getString("worker")).isEqualTo(service.installation());
    String subject = job.getString("subject");
    assertThat(Subject.at(subject).what()).isEqualTo(kind.subject());
    if (kind.deletes()) {
      assertThat(http.get(subject).status()).isEqualTo(404);
    } else {
      assertThat(http.get(subject).json().getString("state")).isEqualTo("ready");
    }
  }

  @ParameterizedTest
  @EnumSource
  void cancelled_it_takes_what_it_was_making_and_no_other_row(JobKind kind) {
    rowsOfOneId(1);
    long job = queued(kind);

    Http.Answer answer = http.delete("/v1/jobs/" + job);

    assertThat(answer.status()).isEqualTo(kind.makes() ? 204 : 409);
    for (What what : What.values()) {
      boolean isTaken = kind.makes() && what == kind.subject();
      assertThat(http.get(new Subject(what, ID).path()).status()).isEqualTo(isTaken ? 404 : 200);
    }
    service.sql("DELETE FROM api_job");
  }

  @ParameterizedTest
  @EnumSource
  void failed_it_is_done_again_by_a_job_of_its_kind(JobKind kind) throws Exception {
    long dibImage = service.readyBuild("tiny", BYTES);
    rowsOfOneId(2);
    long failed =
        aJob()
            .kind(kind.toString())
            .subject(new Subject(kind.subject(), ID).path())
            .image(kind.subject() == What.IMAGE ? "tiny-image" : "tiny")
            .provider("directory")
            .dibImage(dibImage)
            .ended("failed")
            .in(service);

    Http.Answer again = http.post("/v1/jobs/" + failed + "/retry");

    assertThat(again.status()).isEqualTo(201);
    assertThat(again.job()).isNotEqualTo("/v1/jobs/" + failed);
    JsonObject job = service.ended(again.job());
    assertThat(job.getString("kind")).isEqualTo(kind.toString());
    assertThat(job.getString("error")).isNull();
    assertThat(job.getString("state")).isEqualTo("succeeded");
  }

  @ParameterizedTest
  @EnumSource
  void ended_long_ago_the_last_on_its_row_is_forgotten_with_the_row_alone(JobKind kind)
      throws Exception {
    rowsOfOneId(2);
    long onARow = ended(kind, ID);
    ended(kind, ID + 1);

    try (OneUpkeep one = new OneUpkeep(service, "jobs: {keep: P10D}")) {
      one.prune();
    }

    assertThat(jobs()).containsExactly(onARow);
    service.sql("DELETE FROM " + table(kind.subject()) + " WHERE id = ?", ID);
    try (OneUpkeep one = new OneUpkeep(service, "jobs: {keep: P10D}")) {
      one.prune();
    }
    assertThat(jobs()).isEmpty();
  }

  private Http.Answer accept(JobKind kind) throws Exception {
    return switch (kind) {
      case BUILD -> http.post("/v1/dib_images/tiny/build");
      case UPLOAD -> {
        service.readyBuild("tiny", BYTES);
        yield http.post("/v1/dib_images/tiny/upload", "provider_name=directory");
      }
      case UPDATE -> http.post("/v1/images/tiny-image/update", "provider_name=directory");
      case DELETE_IMAGE -> http.delete("/v1/images/" + anImage().in(service));
      case DELETE_DIB_IMAGE -> http.delete("/v1/dib_images/" + service.readyBuild("tiny", BYTES));
      case DELETE_NODE -> http.delete("/v1/nodes/" + aNode().in(service));
    };
  }

  private void rowsOfOneId(int state) {
    for (What what : What.values()) {
      Rows.Draft row =
          switch (what) {
            case NODE -> aNode();
            case IMAGE -> anImage();
            case DIB_IMAGE -> aDibImage();
          };
      row.with("id", ID).state(state).in(service);
    }
  }

  private static String table(What what) {
    return switch (what) {
      case NODE -> "node";
      case IMAGE -> "snapshot_image";
      case DIB_IMAGE -> "dib_image";
    };
  }

  private long queued(JobKind kind) {
    return aJob()
        .kind(kind.toString())
        .subject(new Subject(kind.subject(), ID).path())
        .dibImage(ID)
        .in(service);
  }

  private long ended(JobKind kind, long subject) {
    return aJob()
        .kind(kind.toString())
        .subject(new Subject(kind.subject(), subject).path())
        .with("created", LONG_AGO)
        .ended("cancelled")
        .in(service);
  }

  private List<Long> jobs() {
    return http.get("/v1/jobs").ids();
  }
}
