package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.aNode;
import static org.nodepool.Rows.aSubnode;
import static org.nodepool.Rows.anAttempt;
import static org.nodepool.Rows.anImage;

import io.vertx.core.json.JsonObject;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.nodepool.model.Job;

/** What providers hold that no row knows, and how much they run. */
@RunsBesideOthers
class AlienTest {
  private static final String OTHER = "0e0e1bb1-0cbd-4f2f-8fd1-7fd2ac1d0a5e";
  private static final String SERVERS = "/v1/providers/machines/alien_servers";
  private static final String IMAGES = "/v1/providers/machines/alien_images";

  private TestService service;
  private Http http;
  private String database;
  private Path machines;
  private EndedMachines ended;

  @BeforeEach
  void a_service_that_looks_often() throws Exception {
    service =
        TestService.withProviders(
            Scratch.dir("aliens"),
            "jobs: {log_dir: var/log/jobs, look_interval: PT1S}",
            "  - {name: machines, driver: qemu, directory: '{dir}/machines', max-servers: 9, images: []}\n");
    service.empty();
    http = service.http();
    machines = service.dir().resolve("machines");
    ended = new EndedMachines(machines);
    deleteAll(machines);
    database = service.databaseId();
  }

  @AfterEach
  void stop() {
    service.stop();
  }

  @Test
  void a_server_is_alien_when_no_row_knows_it() throws Exception {
    long node = aNode().provider("machines").state(2).externalId(ended.made(OTHER, 7)).in(service);
    String ofNode = text("SELECT external_id FROM node WHERE id = " + node);
    String ofSubnode = ended.made(database, 99);
    aSubnode(node).with("external_id", ofSubnode).in(service);
    String byMark = ended.made(database, node);
    String ofNobody = ended.made(database, 98);
    String ofOther = ended.made(OTHER, node);
    String withoutMark = UUID.randomUUID().toString();
    Files.createDirectories(ended.of(withoutMark));

    awaitAliens(SERVERS, "alien_servers", List.of(ofNobody, ofOther, withoutMark));
    assertThat(alien(SERVERS, "alien_servers", ofOther))
        .isEqualTo(
            new JsonObject()
                .put("external_id", ofOther)
                .put("name", "a-server")
                .put("host", Installation.hostName())
                .put("created", 1_416_745_600)
                .put("database", OTHER)
                .put("subject", "/v1/nodes/" + node));
    assertThat(alien(SERVERS, "alien_servers", withoutMark).getString("database")).isNull();

    service.sql("DELETE FROM subnode");
    service.sql("DELETE FROM node");
    awaitAliens(
        SERVERS,
        "alien_servers",
        List.of(ofNode, ofSubnode, byMark, ofNobody, ofOther, withoutMark));
    assertThat(Files.isDirectory(ended.of(ofNobody))).as("nothing is removed").isTrue();
  }

  @Test
  void an_image_is_alien_when_no_row_knows_it_and_no_attempt_may_still_have_to_do_with_it()
      throws Exception {
    String ofRow = image(OTHER, UUID.randomUUID().toString());
    long row = anImage().provider("machines").state(2).externalId(ofRow).in(service);
    long job = aJob().with("state", "failed").with("finished", 5).in(service);
    anAttempt(job).with("is_swept", 0).in(service);
    String uuid = text("SELECT uuid FROM api_job WHERE id = " + job);
    String unswept = image(database, Job.attemptUuid(uuid, 1));
    String ofNobody = image(database, UUID.randomUUID().toString());

    awaitAliens(IMAGES, "alien_images", List.of(ofNobody));

    service.sql("DELETE FROM snapshot_image WHERE id = ?", row);
    service.sql("UPDATE api_job_attempt SET is_swept = 1");
    awaitAliens(IMAGES, "alien_images", List.of(ofNobody, ofRow, unswept));
  }

  @Test
  void what_a_provider_runs_is_shown_with_its_limits_and_null_where_there_are_no_servers()
      throws Exception {
    ended.made(database, 1);
    ended.made(OTHER, 2);

    Poll.until(
        "both are found",
        () -> {
          JsonObject found = shown("machines").getJsonObject("servers");
          return found != null && found.getInteger("used") == 2;
        });
    JsonObject servers = shown("machines").getJsonObject("servers");
    assertThat(servers.getLong("time")).isBetween(1L, Instant.now().getEpochSecond());
    assertThat(servers.getInteger("most")).isEqualTo(9);
    assertThat(servers.getLong("ram_mib")).isNotNegative();
    assertThat(servers.getLong("most_ram_mib")).isGreaterThan(servers.getLong("ram_mib"));
    Poll.until(
        "the directory was looked at, too",
        () -> http.get("/v1/providers/directory/alien_images").json().getLong("time") != null);
    assertThat(shown("directory").getJsonObject("servers")).isNull();
    assertThat(http.get("/v1/providers/directory/alien_servers").json().getLong("time"))
        .as("it runs none")
        .isNull();
  }

  @Test
  void while_a_provider_is_away_the_look_before_is_shown_with_its_time() throws Exception {
    String ofNobody = ended.made(database, 98);
    awaitAliens(SERVERS, "alien_servers", List.of(ofNobody));

    Files.move(machines, machines.resolveSibling("moved"));
    Files.writeString(machines, "no directory");
    Poll.until(
        "that is seen", () -> !shown("machines").getJsonObject("last_call").getBoolean("ok"));
    long time = http.get(SERVERS).json().getLong("time");
    Poll.until("another is looked at", () -> timeOf("directory") > time);
    awaitAliens(SERVERS, "alien_servers", List.of(ofNobody));

    Files.delete(machines);
    deleteAll(machines.resolveSibling("moved"));
    Poll.until("it is looked at again", () -> timeOf("machines") > time);
    awaitAliens(SERVERS, "alien_servers", List.of());
  }

  @Test
  void what_several_hosts_found_is_shown_together() throws Exception {
    String here = ended.made(OTHER, 7);
    awaitAliens(SERVERS, "alien_servers", List.of(here));
    service.sql(
        """
        INSERT INTO api_provider_look
        SELECT provider, '~ another', UNIX_TIMESTAMP() - 600, 1, 2, 3, 4, alien_servers,
               alien_images
          FROM api_provider_look WHERE provider = 'machines'
        """);

    JsonObject aliens = http.get(SERVERS).json();
    assertThat(aliens.getInteger("total")).isEqualTo(2);
    assertThat(aliens.getLong("time")).isLessThan(Instant.now().getEpochSecond() - 500);
    JsonObject servers = shown("machines").getJsonObject("servers");
    assertThat(servers.getLong("time")).isEqualTo(aliens.getLong("time"));
    assertThat(servers.getInteger("used")).isEqualTo(3);
    assertThat(servers.getInteger("most")).isEqualTo(10);
  }

  @Test
  void what_a_host_found_that_has_not_looked_for_long_is_forgotten() {
    service.sql(
        """
        INSERT INTO api_provider_look VALUES
               ('machines', 'gone', UNIX_TIMESTAMP() - 4000, 1, 2, 3, 4, NULL, '{}'),
               ('cloud', '', UNIX_TIMESTAMP() - 4000, NULL, NULL, NULL, NULL, NULL, '{}'),
               ('removed', '', UNIX_TIMESTAMP() - 4000, NULL, NULL, NULL, NULL, NULL, '{}')
        """);

    Poll.until("it is", () -> looks("gone", "machines") == 0 && looks("", "removed") == 0);
    assertThat(looks("", "cloud")).as("that is only away").isOne();
  }

  @Test
  void a_provider_that_hangs_keeps_no_other_waiting() throws Exception {
    Path file = ended.of(ended.made(OTHER, 7)).resolve("server");
    Files.delete(file);
    ServiceProcess.run("mkfifo", file.toString()); // whoever opens it waits
    try {
      long before = timeOf("directory");
      Poll.until("the other is looked at", () -> timeOf("directory") > before);
      Poll.until("and again", () -> timeOf("directory") > before + 5);
      assertThat(looks(Installation.hostName(), "machines")).isZero();
    } finally {
      RandomAccessFile opened = new RandomAccessFile(file.toFile(), "rw");
      Files.delete(file);
      opened.close();
    }
    Poll.until("it is looked at", () -> looks(Installation.hostName(), "machines") == 1);
  }

  private int looks(String host, String provider) {
    return service
        .sql("SELECT 1 FROM api_provider_look WHERE host = ? AND provider = ?", host, provider)
        .size();
  }

  @Test
  void a_provider_that_was_not_looked_at_has_no_aliens_and_no_time_and_an_unknown_one_is_none() {
    assertThat(http.get("/v1/providers/cloud/alien_servers").body())
        .isEqualTo("{\"time\":null,\"total\":0,\"alien_servers\":[]}");
    assertThat(http.get("/v1/providers/gone/alien_servers").status()).isEqualTo(404);
    assertThat(http.get(SERVERS + "?limit=1").status()).isEqualTo(400);
    assertThat(http.anonymous().get(SERVERS).status()).isEqualTo(401);
    assertThat(http.anonymous().get(IMAGES).status()).isEqualTo(401);
  }

  @Test
  void a_thousand_aliens_are_listed_and_all_are_counted() throws Exception {
    for (int i = 0; i < 1_003; i++) {
      image(OTHER, UUID.randomUUID().toString());
    }

    Poll.until("they are found", () -> http.get(IMAGES).json().getInteger("total") == 1_003);
    assertThat(http.get(IMAGES).json().getJsonArray("alien_images")).hasSize(1_000);
  }

  private void awaitAliens(String path, String name, List<String> expected) {
    Poll.until(
        "the aliens are " + expected,
        () -> {
          JsonObject found = http.get(path).json();
          List<String> ids =
              found.getJsonArray(name).stream()
                  .map(alien -> ((JsonObject) alien).getString("external_id"))
                  .toList();
          return ids.equals(expected.stream().sorted().toList())
              && found.getInteger("total") == ids.size();
        });
  }

  private long timeOf(String provider) {
    Long time =
        http.get("/v1/providers/%s/alien_images".formatted(provider)).json().getLong("time");
    return time == null ? 0 : time;
  }

  private JsonObject alien(String path, String name, String externalId) {
    return http.get(path).json().getJsonArray(name).stream()
        .map(JsonObject.class::cast)
        .filter(alien -> alien.getString("external_id").equals(externalId))
        .findFirst()
        .orElseThrow();
  }

  private JsonObject shown(String provider) {
    return http.get("/v1/providers").array().stream()
        .map(JsonObject.class::cast)
        .filter(shown -> shown.getString("name").equals(provider))
        .findFirst()
        .orElseThrow();
  }

  /** An image's file, and what is known of it; returns its id. */
  private String image(String database, String attempt) throws Exception {
    String id = "an-image-" + attempt + ".qcow2";
    Files.writeString(Files.createDirectories(machines).resolve(id), "any bytes");
    Files.writeString(
        machines.resolve(id + ".json"),
        EndedMachines.mark(database, "/v1/images/5", attempt).encode());
    return id;
  }

  private String text(String sql) {
    return service.sql(sql).iterator().next().getString(0);
  }

  private static void deleteAll(Path directory) throws Exception {
    ServiceProcess.run("rm", "-rf", directory.toString());
  }
}
