package org.nodepool.jobs.upkeep;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aDibImage;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.anImage;
import static org.nodepool.Rows.now;

import io.vertx.core.Future;
import io.vertx.core.json.JsonObject;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.SqlConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.Http;
import org.nodepool.Poll;
import org.nodepool.TestService;

/** Which images stay, and which are deleted without anybody asking. */
@Tag("sql")
class KeepingTest {
  private static final int BUILDING = 1;
  private static final int READY = 2;
  private static final int FAILED = 7;
  private static final String ENABLED = "cleanup: {enabled: true, image_age: PT1H}";

  private final TestService service = TestService.shared();
  private final Http http = service.http();
  private OneUpkeep one;

  @BeforeEach
  void start() throws Exception {
    service.empty();
    one = new OneUpkeep(service, ENABLED);
  }

  @AfterEach
  void close() {
    one.close();
    service.sql("REPLACE INTO api_schema VALUES (0, 'pool: made', 1)");
  }

  @Test
  void of_a_diskimage_the_two_newest_ready_ones_stay() {
    long newest = dibImage("tiny", READY, 30);
    long oldest = dibImage("tiny", READY, 10);
    long second = dibImage("tiny", READY, 20);

    keep();

    assertThat(dibImagesAfter(oldest)).containsExactly(newest, second);
  }

  @Test
  void of_two_of_one_version_the_one_with_the_greater_id_is_newer() {
    long first = dibImage("tiny", READY, 10);
    long second = dibImage("tiny", READY, 10);
    long third = dibImage("tiny", READY, 10);

    keep();

    assertThat(dibImagesAfter(first)).containsExactly(second, third);
  }

  @Test
  void one_without_a_version_is_older_than_all() {
    long without = dibImage("tiny", READY, null);
    long first = dibImage("tiny", READY, 10);
    long second = dibImage("tiny", READY, 20);

    keep();

    assertThat(dibImagesAfter(without)).containsExactly(first, second);
  }

  @Test
  void of_an_image_at_a_provider_the_two_newest_ready_ones_stay() {
    long old = image("directory", "tiny-image", READY, 10);
    long elsewhere = image("raw-directory", "tiny-image", READY, 10);
    long other = image("directory", "fails", READY, 10);
    long second = image("directory", "tiny-image", READY, 20);
    long newest = image("directory", "tiny-image", READY, 30);

    keep();

    service.awaitGone("/v1/images/" + old);
    assertThat(ids("snapshot_image")).containsExactly(elsewhere, other, second, newest);
  }

  @Test
  void names_are_compared_by_code_point() {
    for (String name : List.of("tiny", "Tiny", "tiny ", "tïny")) {
      dibImage(name, READY, 10);
      dibImage(name, READY, 20);
    }

    keep();

    assertThat(marked()).isEmpty();
    assertThat(ids("dib_image")).hasSize(8);
  }

  @Test
  void failed_ones_go() {
    long dibImage = dibImage("tiny", FAILED, 10);
    long image = image("directory", "tiny-image", FAILED, 10);

    keep();

    service.awaitGone("/v1/dib_images/" + dibImage);
    service.awaitGone("/v1/images/" + image);
  }

  @Test
  void what_is_younger_than_image_age_stays() {
    for (int version = 0; version < 4; version++) {
      young("dib_image", dibImage("tiny", READY, version));
      young("snapshot_image", image("directory", "tiny-image", READY, version));
    }
    young("dib_image", dibImage("tiny", FAILED, 5));
    young("snapshot_image", image("directory", "tiny-image", FAILED, 5));

    keep();

    assertThat(marked()).isEmpty();
  }

  @Test
  void the_last_ready_one_stays_however_old_it_is() {
    dibImage("tiny", READY, 1);
    image("directory", "tiny-image", READY, 1);
    dibImage("tiny", BUILDING, 2);
    image("directory", "tiny-image", BUILDING, 2);

    keep();

    assertThat(marked()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(ints = {BUILDING, 3, 5, 6, 99})
  void what_is_neither_ready_nor_failed_stays(int state) {
    dibImage("tiny", state, 1);
    image("directory", "tiny-image", state, 1);
    for (int version = 10; version < 13; version++) {
      young("dib_image", dibImage("tiny", READY, version));
      young("snapshot_image", image("directory", "tiny-image", READY, version));
    }

    keep();

    assertThat(marked()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"upload, queued", "update, queued", "upload, running", "update, running"})
  void the_source_of_an_upload_stays_until_it_has_ended(String kind, String state) {
    long source = dibImage("tiny", READY, 1);
    dibImage("tiny", READY, 2);
    dibImage("tiny", READY, 3);
    long upload =
        aJob().kind(kind).state(state).subject("/v1/images/1").dibImage(source).in(service);

    keep();
    assertThat(marked()).isEmpty();

    service.sql("UPDATE api_job SET state = 'failed', finished = 1 WHERE id = ?", upload);
    keep();
    service.awaitGone("/v1/dib_images/" + source);
  }

  @Test
  void an_image_on_which_a_job_works_stays() {
    long image = image("directory", "tiny-image", FAILED, 1);
    aJob().kind("upload").subject("/v1/images/" + image).in(service);

    keep();

    assertThat(marked()).isEmpty();
  }

  @Test
  void what_no_job_of_ours_made_stays() {
    for (int i = 0; i < 4; i++) {
      service.dibImage("tiny", READY, "/nowhere/tiny");
      service.image("directory", READY, "of another");
    }
    long failed = service.dibImage("tiny", FAILED, null);
    long deletion =
        aJob()
            .kind("delete-dib-image")
            .subject("/v1/dib_images/" + failed)
            .dibImage(failed)
            .ended("cancelled")
            .in(service);

    keep();

    assertThat(ids("api_job")).containsExactly(deletion);
    assertThat(column("SELECT image_name FROM dib_image WHERE state = 4")).isEmpty();
  }

  @Test
  void what_somebody_else_made_counts_among_the_two_newest() {
    long ours = dibImage("tiny", READY, 1);
    long first = service.dibImage("tiny", READY, "/nowhere/tiny");
    long second = service.dibImage("tiny", READY, "/nowhere/tiny");

    keep();

    assertThat(dibImagesAfter(ours)).containsExactly(first, second);
  }

  @Test
  void images_at_a_provider_that_is_not_configured_any_more_stay() {
    for (int version = 0; version < 4; version++) {
      image("gone", "tiny-image", READY, version);
    }
    image("gone", "tiny-image", FAILED, 5);

    keep();

    assertThat(marked()).isEmpty();
  }

  @Test
  void nothing_goes_when_it_is_disabled() throws Exception {
    one.close();
    one = new OneUpkeep(service, "cleanup: {enabled: false, image_age: PT1H}");
    dibImage("tiny", FAILED, 1);

    keep();

    assertThat(marked()).isEmpty();
  }

  @Test
  void without_a_word_of_the_operator_it_is_done_where_the_tables_are_ours() throws Exception {
    one.close();
    one = new OneUpkeep(service, "cleanup: {image_age: PT1H}");
    long failed = dibImage("tiny", FAILED, 1);

    service.sql("REPLACE INTO api_schema VALUES (0, 'pool: found node', 1)");
    keep();
    assertThat(marked()).isEmpty();

    service.sql("REPLACE INTO api_schema VALUES (0, 'pool: made', 1)");
    keep();
    service.awaitGone("/v1/dib_images/" + failed);
  }

  @Test
  void two_workers_at_once_make_one_deletion() throws Exception {
    List<Long> failed = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      failed.add(dibImage("tiny", FAILED, i));
    }
    try (OneUpkeep another = new OneUpkeep(service, ENABLED)) {
      Future.all(one.upkeep.keep(), another.upkeep.keep()).await();
    }

    failed.forEach(id -> service.awaitGone("/v1/dib_images/" + id));
    assertThat(deletions()).hasSize(20).doesNotHaveDuplicates();
  }

  @Test
  void what_a_user_deletes_meanwhile_is_no_reason_to_delete_more() {
    dibImage("tiny", READY, 1);
    dibImage("tiny", READY, 2);
    long newest = dibImage("tiny", READY, 3);
    SqlConnection user = service.connection();
    user.begin().await();
    user.query("UPDATE dib_image SET state = 4 WHERE id = " + newest).execute().await();

    Future<Void> keeping = one.upkeep.keep();
    Poll.until("it waits for the user", this::isWaiting);
    user.query("COMMIT").execute().await();
    user.close().await();
    keeping.await();

    assertThat(deletions()).isEmpty();
  }

  private boolean isWaiting() {
    String locking = "%FROM dib_image % WHERE %image_name = %FOR UPDATE%";
    String query = "SELECT id FROM information_schema.processlist WHERE info LIKE ?";
    return service.sql(query + " AND info NOT LIKE '%processlist%'", locking).size() > 0;
  }

  @Test
  void the_deletion_is_a_job_like_any_other_and_the_files_go() throws Exception {
    long old = dibImage("tiny", READY, 1);
    dibImage("tiny", READY, 2);
    dibImage("tiny", READY, 3);
    Path filename = service.dir().resolve("images/tiny-1-" + old);
    service.sql("UPDATE dib_image SET filename = ? WHERE id = ?", filename.toString(), old);
    Files.createDirectories(filename.getParent());
    Path file = Files.writeString(Path.of(filename + ".qcow2"), "image");

    keep();

    service.awaitGone("/v1/dib_images/" + old);
    assertThat(file).doesNotExist();
    JsonObject job = http.get("/v1/jobs?kind=delete-dib-image").array().getJsonObject(0);
    assertThat(job.getString("state")).isEqualTo("succeeded");
    assertThat(job.getString("image_name")).isEqualTo("tiny");
    assertThat(one.events)
        .extracting(event -> event.kind() + " " + event.oldState() + " " + event.state())
        .containsExactly("dib_image ready delete", "job null queued");
  }

  @Test
  void the_log_of_a_build_stays_when_its_image_is_cleaned_up() throws Exception {
    long image = dibImage("tiny", FAILED, 1);
    Path log = writeLogOfBuild(image);

    keep();

    service.awaitGone("/v1/dib_images/" + image);
    assertThat(log).exists();
  }

  @Test
  void the_log_of_a_build_goes_when_a_user_asks_for_a_deletion_that_was_ours() throws Exception {
    long image = dibImage("tiny", FAILED, 1);
    Path log = writeLogOfBuild(image);
    // a deletion waits for whatever runs on its row
    aJob().subject("/v1/dib_images/" + image).begunBy("elsewhere", "another").in(service);
    keep();
    assertThat(http.delete("/v1/dib_images/" + image).status()).isEqualTo(204);
    service.sql("UPDATE api_job SET state = 'failed', finished = 1 WHERE worker = 'another'");

    service.awaitGone("/v1/dib_images/" + image);
    assertThat(log).doesNotExist();
    assertThat(deletions()).hasSize(1);
  }

  private void keep() {
    one.upkeep.keep().await();
  }

  /** A dib image as a build of ours left it, some hours ago. */
  private long dibImage(String name, int state, Integer version) {
    long id =
        aDibImage().image(name).version(version).state(state).stateTime(now() - 7200).in(service);
    aJob()
        .subject("/v1/dib_images/" + id)
        .image(name)
        .dibImage(id)
        .attempts(1)
        .ended("succeeded")
        .in(service);
    return id;
  }

  /** As {@link #dibImage}, at a provider. */
  private long image(String provider, String name, int state, int version) {
    long id =
        anImage()
            .provider(provider)
            .image(name)
            .version(version)
            .state(state)
            .stateTime(now() - 7200)
            .in(service);
    aJob()
        .kind("upload")
        .subject("/v1/images/" + id)
        .image(name)
        .provider(provider)
        .attempts(1)
        .ended("succeeded")
        .in(service);
    return id;
  }

  private void young(String table, long id) {
    String sql = "UPDATE " + table + " SET state_time = UNIX_TIMESTAMP() - 3000 WHERE id = ?";
    service.sql(sql, id);
  }

  private Path writeLogOfBuild(long image) throws Exception {
    String uuid = UUID.randomUUID().toString();
    service.sql("UPDATE api_job SET uuid = ? WHERE dib_image_id = ?", uuid, image);
    Path dir = Files.createDirectories(service.dir().resolve("var/log/jobs"));
    return Files.writeString(dir.resolve(uuid + ".log"), "why it failed\n");
  }

  /** What is left when this one, and nothing else, goes. */
  private List<Long> dibImagesAfter(long gone) {
    assertThat(marked()).isSubsetOf("/v1/dib_images/" + gone);
    service.awaitGone("/v1/dib_images/" + gone);
    return ids("dib_image");
  }

  private List<Long> ids(String table) {
    List<Long> ids = new ArrayList<>();
    service.sql("SELECT id FROM " + table + " ORDER BY id").forEach(r -> ids.add(r.getLong("id")));
    return ids;
  }

  /** The subjects of deletions that were ever asked for. */
  private List<String> deletions() {
    return column("SELECT subject FROM api_job WHERE kind LIKE 'delete-%'");
  }

  /** What is on its way out, or has been. */
  private List<String> marked() {
    List<String> marked = new ArrayList<>(deletions());
    marked.addAll(
        column(
            "SELECT CONCAT('/v1/dib_images/', id) FROM dib_image WHERE state = 4"
                + " UNION SELECT CONCAT('/v1/images/', id) FROM snapshot_image WHERE state = 4"));
    return marked;
  }

  private List<String> column(String sql) {
    List<String> values = new ArrayList<>();
    for (Row row : service.sql(sql)) {
      values.add(row.getString(0));
    }
    return values;
  }
}
