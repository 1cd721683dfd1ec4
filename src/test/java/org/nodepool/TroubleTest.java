package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.now;

import io.vertx.core.json.JsonObject;
import io.vertx.sqlclient.SqlConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What others do to the database and the disk while the service works. */
@RunsBesideOthers
@Tag("both-databases")
class TroubleTest {
  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
  }

  @Test
  void a_row_that_somebody_keeps_locked_harms_nobody_who_does_not_ask_for_it() {
    long id = service.node("directory", 2);
    SqlConnection other = service.connection();
    other.begin().await();
    other.query("UPDATE node SET az = 'x' WHERE id = " + id).execute().await();

    List<Http.Answer> puts =
        IntStream.range(0, 24)
            .parallel()
            .mapToObj(i -> http.put("/v1/nodes/" + id, "state=hold"))
            .toList();

    assertThat(puts).extracting(Http.Answer::status).containsOnly(503);
    assertThat(http.get("/v1/dib_images").status()).isEqualTo(200);
    assertThat(http.put("/v1/nodes/" + service.node("directory", 2), "state=hold").status())
        .isEqualTo(200);
    other.query("ROLLBACK").execute().await();
    other.close().await();
    assertThat(http.put("/v1/nodes/" + id, "state=hold").status()).isEqualTo(200);
  }

  @Test
  void a_job_that_says_it_runs_here_and_does_not_is_begun_again() throws Exception {
    long node = service.node("directory", 4);
    aJob()
        .kind("delete-node")
        .subject("/v1/nodes/" + node)
        .begunBy(Installation.hostName(), service.installation())
        .in(service);

    service.awaitGone("/v1/nodes/" + node);
  }

  @Test
  void a_job_of_a_later_version_is_left_out_and_keeps_nobody_from_reading() {
    long node = service.node("directory", 2);
    assertThat(http.get("/v1/nodes").ids()).containsExactly(node);

    aJob().kind("polish-image").subject("/v1/images/1").notBefore(null).in(service);
    assertThat(http.get("/v1/nodes").ids()).containsExactly(node);
    assertThat(http.get("/v1/jobs").body()).isEqualTo("[]");

    service.sql("DELETE FROM api_change"); // so all rows are read
    assertThat(http.get("/v1/nodes").ids()).containsExactly(node);
    assertThat(http.get("/v1/jobs").body()).isEqualTo("[]");

    service.sql("INSERT INTO api_change (of_table, time) VALUES ('api_thing', 1)");
    assertThat(http.get("/v1/nodes").ids()).containsExactly(node);
  }

  @Test
  void a_job_of_another_worker_that_lives_is_not_touched() {
    long job =
        aJob()
            .kind("delete-node")
            .subject("/v1/nodes/1")
            .begunBy("elsewhere", "somebody")
            .with("lease_until", now() + 600)
            .in(service);
    long node = service.node("directory", 2);

    http.delete("/v1/nodes/" + node);
    service.awaitGone("/v1/nodes/" + node);

    assertThat(http.get("/v1/jobs/" + job).json().getString("state")).isEqualTo("running");
    service.sql("DELETE FROM api_job WHERE id = ?", job);
  }

  @Test
  void a_deletion_waits_for_a_provider_that_is_away_and_says_so() throws Exception {
    Path directory = service.dir().resolve("provider");
    Path away = service.dir().resolve("provider-away");
    Files.writeString(Files.createDirectories(directory).resolve("a.qcow2"), "image");
    Files.move(directory, away);
    Files.writeString(directory, "a file is in the way");
    long image = service.image("directory", 2, "a.qcow2");
    Http.Answer deleted = http.delete("/v1/images/" + image);
    Poll.until("it waits", () -> http.get(deleted.job()).body().contains("cannot delete"));

    JsonObject waiting = http.get(deleted.job()).json();
    Files.delete(directory);
    Files.move(away, directory);

    assertThat(waiting.getString("state")).isEqualTo("queued");
    assertThat(waiting.getString("phase"))
        .startsWith("position 1; waits until 2")
        .contains("Z: Provider directory cannot delete from");
    service.awaitGone("/v1/images/" + image);
    assertThat(directory.resolve("a.qcow2")).doesNotExist();
  }

  @Test
  void three_images_made_in_one_second_have_three_versions_and_three_names() {
    List<JsonObject> images =
        IntStream.range(0, 3)
            .mapToObj(i -> http.post("/v1/images/fails/update", "provider_name=directory"))
            .map(created -> http.get(created.location()).json())
            .toList();

    assertThat(images).extracting(image -> image.getLong("version")).doesNotHaveDuplicates();
    assertThat(images).extracting(image -> image.getString("hostname")).doesNotHaveDuplicates();
  }
}
