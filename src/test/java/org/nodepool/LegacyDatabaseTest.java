package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.vertx.core.json.JsonObject;
import io.vertx.sqlclient.Row;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.nodepool.store.Database.Address;

/** A database that Nodepool left is used as it is: nothing in it changes but what was asked. */
@RunsBesideOthers
class LegacyDatabaseTest {
  private static final Path DIR = Scratch.dir("test-service-legacy");
  private static final Path DUMP = Path.of("src/test/resources/legacy-0.3.1.sql");
  private static final String NAME = "legacy_test";
  private static final List<String> POOL =
      List.of("dib_image", "node", "snapshot_image", "subnode");

  private final ExternalMariaDb server = ExternalMariaDb.shared();
  private TestService service;

  @AfterEach
  void stop() {
    if (service != null) {
      service.stop();
    }
  }

  static List<Arguments> databases() {
    return Extent.cases(
        2,
        List.of(
            arguments("0.3.1", "InnoDB", "utf8"),
            arguments("0.1.0", "MyISAM", "latin1"),
            arguments("0.2.0", "InnoDB", "utf8")));
  }

  @ParameterizedTest
  @MethodSource("databases")
  void nothing_changes_but_what_was_asked(String version, String engine, String charset)
      throws Exception {
    Address address = load(version, engine, charset);
    List<String> tables = tables();
    List<String> definitions = definitions(tables);
    assertThat(definitions).hasSameSizeAs(tables);
    List<String> before = rows(tables);
    service = TestService.start(DIR, "", Optional.of(address));
    service.awaitDatabase();
    Http http = service.http();

    assertThat(http.get("/v1/nodes").array()).hasSize(8);
    assertThat(http.get("/v1/images").array()).hasSize(5);
    assertThat(http.get("/v1/dib_images").array()).hasSize(6);
    assertThat(http.get("/v1/nodes/7").json().getString("state")).isEqualTo("99");
    assertThat(http.get("/v1/nodes/6").json().getString("state")).isNull();
    assertThat(http.get("/v1/nodes/3").json().getJsonArray("subnodes")).hasSize(2);
    assertThat(rows(tables)).isEqualTo(before);

    assertThat(http.put("/v1/nodes/3", "state=hold").status()).isEqualTo(200);
    assertThat(http.put("/v1/nodes/3", "state=ready").status()).isEqualTo(200);
    assertThat(http.put("/v1/nodes/6", "state=hold").status()).isEqualTo(200);
    assertThat(http.put("/v1/nodes/7", "state=ready").status()).isEqualTo(409);
    assertThat(http.delete("/v1/images/4?record_only=true").status()).isEqualTo(204);
    assertThat(http.delete("/v1/dib_images/4").status()).isEqualTo(204);
    service.awaitGone("/v1/images/4");
    service.awaitGone("/v1/dib_images/4");
    Http.Answer build = http.post("/v1/dib_images/tiny/build");
    assertThat(build.status()).isEqualTo(201);
    JsonObject job =
        service.ended("/v1/jobs/" + http.get("/v1/jobs").array().getJsonObject(0).getInteger("id"));
    assertThat(job.getString("state")).as("%s", job).isEqualTo("succeeded");
    String made = build.header("Location").replaceAll(".*/", "");

    service.stop();
    service = null;
    assertThat(SchemaCommand.remove(DIR, Optional.of(address))).startsWith("removed api_schema, ");
    assertThat(SchemaCommand.remove(DIR, Optional.of(address)))
        .startsWith("nothing of ours is in ");

    assertThat(tables()).isEqualTo(tables);
    assertThat(definitions(tables)).isEqualTo(definitions);
    List<String> expected = new ArrayList<>(before);
    expected.removeIf(
        row -> row.startsWith("snapshot_image [4,") || row.startsWith("dib_image [4,"));
    assertThat(states(3, 6)).containsExactly(2, 5);
    takeBackWhatWasAsked(made);
    assertThat(rows(tables)).isEqualTo(expected);
  }

  private void takeBackWhatWasAsked(String dibImage) {
    server.sqlIn(
        NAME,
        "UPDATE node SET state_time = 1416832000 WHERE id = 3",
        "UPDATE node SET state = NULL, state_time = NULL WHERE id = 6",
        "DELETE FROM dib_image WHERE id = " + dibImage);
  }

  private List<Integer> states(int... nodes) {
    List<Integer> states = new ArrayList<>();
    for (int node : nodes) {
      Row row = server.sqlIn(NAME, "SELECT state FROM node WHERE id = " + node).iterator().next();
      states.add(row.getInteger(0));
    }
    return states;
  }

  private Address load(String version, String engine, String charset) throws Exception {
    Address address = server.newDatabase(NAME);
    String dump =
        Files.readString(DUMP)
            .replaceAll("(?m)^--.*\n", "")
            .replace("{engine}", engine)
            .replace("{charset}", charset);
    for (String statement : dump.split(";\\s*\\n")) {
      server.sqlIn(NAME, statement);
    }
    if (!version.equals("0.3.1")) {
      server.sqlIn(
          NAME, "ALTER TABLE node DROP COLUMN manager_name, DROP COLUMN comment", "DROP TABLE job");
    }
    return address;
  }

  private List<String> tables() {
    List<String> tables = new ArrayList<>();
    server.sqlIn(NAME, "SHOW TABLES").forEach(row -> tables.add(row.getString(0)));
    assertThat(tables).containsAll(POOL);
    return tables;
  }

  /** Of tables and triggers. */
  private List<String> definitions(List<String> tables) {
    List<String> definitions = new ArrayList<>();
    server.sqlIn(NAME, "SHOW TRIGGERS").forEach(row -> definitions.add(row.deepToString()));
    tables.stream()
        .map(
            table ->
                server
                    .sqlIn(NAME, "SHOW CREATE TABLE " + table)
                    .iterator()
                    .next()
                    .getString(1)
                    .replaceAll(" AUTO_INCREMENT=[0-9]+", ""))
        .forEach(definitions::add);
    return definitions;
  }

  private List<String> rows(List<String> tables) {
    List<String> rows = new ArrayList<>();
    for (String table : tables) {
      for (Row row : server.sqlIn(NAME, "SELECT * FROM " + table + " ORDER BY id")) {
        rows.add(table + " " + row.deepToString());
      }
    }
    return rows;
  }
}
