package org.nodepool.changes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.nodepool.Rows.aJob;

import io.vertx.mysqlclient.MySQLClient;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.SqlConnection;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.TestService;

/** What {@code api_change} is told of another program's writes, and what that program notices. */
@Tag("sql")
class ChangesTest {
  /** What a change does not have under its own name, or not at all. */
  private static final Set<String> NOT_COPIED = Set.of("id", "state", "lease_until", "active_key");

  private static final String ODD = " \u0001Žluťoučký 🐎\t'\"\\\\`; -- \\r\\n ";
  private static final String NODE =
      "INSERT INTO node (provider_name, label_name, target_name, state) VALUES ";

  private static final Map<String, String> INSERTS =
      Map.of(
          "node",
          "INSERT INTO node (provider_name, label_name, target_name, hostname, az, state,"
              + " state_time) VALUES (?, '', 'trailing  ', NULL, ?, 99, -1)",
          "subnode",
          "INSERT INTO subnode (node_id, hostname, external_id, ip, state) VALUES (7, ?, ?, '', 2)",
          "snapshot_image",
          "INSERT INTO snapshot_image (provider_name, image_name, version, external_id, state)"
              + " VALUES (?, ?, 2147483647, NULL, NULL)",
          "dib_image",
          "INSERT INTO dib_image (image_name, filename, version, state) VALUES (?, ?, NULL, 7)",
          "api_job",
          "INSERT INTO api_job (uuid, kind, state, subject, image_name, phase, progress, created)"
              + " VALUES ('u ', 'of another', 'failed', '/v1', ?, ?, 0.1, 1)");

  private final TestService service = TestService.shared();
  private SqlConnection writer;

  @BeforeEach
  void connect() {
    service.empty();
    service.keepChanges();
    writer = service.connection();
  }

  @AfterEach
  void close() {
    writer.query("ROLLBACK").execute().eventually(writer::close).await();
    service.empty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"node", "subnode", "snapshot_image", "dib_image", "api_job"})
  void an_insert_an_update_and_a_delete_are_told_with_the_values_of_the_row(String table) {
    long before = newest();
    long id =
        service
            .sql(INSERTS.get(table), ODD, "x".repeat(255))
            .property(MySQLClient.LAST_INSERTED_ID);
    Row inserted = row(table, id);
    service.sql("UPDATE " + table + " SET state = ? WHERE id = ?", "3", id);
    Row updated = row(table, id);
    service.sql("DELETE FROM " + table + " WHERE id = ?", id);

    List<Row> changes = since(before);
    assertThat(changes).hasSize(3);
    assertChange(changes.get(0), table, null, inserted);
    assertChange(changes.get(1), table, inserted, updated);
    assertChange(changes.get(2), table, updated, null);
    long now = service.sql("SELECT UNIX_TIMESTAMP()").iterator().next().getLong(0);
    assertThat(changes).allSatisfy(c -> assertThat(c.getLong("time")).isBetween(now - 60, now));
  }

  @Test
  void an_error_of_64_kilobytes_is_told_whole() {
    long before = newest();
    String error = "é".repeat(32_767) + ".";

    aJob().ended("failed").with("error", error).in(service);

    assertThat(since(before)).singleElement().returns(error, row -> row.getString("error"));
  }

  @Test
  void every_row_of_a_statement_is_told() {
    long before = newest();
    run(NODE + "('p', 'a', 't', 1), ('p', 'b', 't', 1), ('p', 'c', 't', 2)");
    run("UPDATE node SET state = 4 WHERE state = 1");
    run("INSERT INTO subnode (node_id, hostname) SELECT id, label_name FROM node");
    assertThat(told(before))
        .containsExactly(
            "node null>1",
            "node null>1",
            "node null>2",
            "node 1>4",
            "node 1>4",
            "subnode null>null",
            "subnode null>null",
            "subnode null>null");

    before = newest();
    run("DELETE n, s FROM node n JOIN subnode s ON s.node_id = n.id WHERE n.label_name <> 'b'");
    assertThat(told(before))
        .containsExactlyInAnyOrder(
            "node 4>null", "node 2>null", "subnode null>null", "subnode null>null");
  }

  @Test
  void a_replace_is_a_delete_and_an_insert_and_a_duplicate_key_is_an_update() {
    run(NODE + "('p', 'a', 't', 1)");
    long before = newest();

    run(
        "REPLACE INTO node (id, provider_name, label_name, target_name, state)"
            + " SELECT id, 'p', 'b', 't', 2 FROM node",
        "INSERT INTO node (id, provider_name, label_name, target_name, state)"
            + " SELECT id, 'p', 'c', 't', 3 FROM node ON DUPLICATE KEY UPDATE state = 5");

    assertThat(told(before)).containsExactly("node 1>null", "node null>2", "node 2>5");
  }

  @Test
  void a_changed_id_and_a_subnode_that_moves_are_told_with_both() {
    run(NODE + "('p', 'a', 't', 1)", "INSERT INTO subnode (node_id) VALUES (70000)");
    long before = newest();

    run(
        "UPDATE node SET id = id + 1000000",
        "UPDATE subnode SET node_id = 70001",
        "DELETE FROM subnode");

    List<Row> changes = since(before);
    assertThat(changes.get(0).getLong("new_id"))
        .isEqualTo(changes.get(0).getLong("old_id") + 1_000_000);
    assertThat(changes.get(1).getLong("old_node_id")).isEqualTo(70000);
    assertThat(changes.get(1).getLong("node_id")).isEqualTo(70001);
    assertThat(changes.get(2).getLong("old_node_id")).isEqualTo(70001);
    assertThat(changes).hasSize(3);
  }

  @Test
  void what_is_rolled_back_or_fails_halfway_is_not_told() {
    run(NODE + "('p', 'a', 't', 1)");
    long before = newest();

    run("BEGIN", NODE + "('p', 'b', 't', 1)", "UPDATE node SET state = 2", "ROLLBACK");
    assertThatThrownBy(
            () ->
                run(
                    "INSERT INTO node (id, provider_name, label_name, target_name)"
                        + " SELECT id + 5000 - 5000 * (id = n), 'p', 'l', 't' FROM node,"
                        + " (SELECT 0 AS n UNION SELECT id FROM node) x ORDER BY n"))
        .hasMessageContaining("Duplicate");

    assertThat(told(before)).isEmpty();
  }

  @Test
  void what_nobody_sees_is_not_told() {
    run(NODE + "('p', 'a', 't', 1)");
    aJob().ended("succeeded").with("lease_until", 1).in(writer);
    long before = newest();

    run(
        "UPDATE api_job SET lease_until = 2",
        "UPDATE api_job SET lease_until = NULL",
        "UPDATE api_job SET state = state",
        "UPDATE node SET state = 1, label_name = 'a'");

    assertThat(told(before)).isEmpty();
  }

  @Test
  void what_the_collation_takes_for_equal_is_told_all_the_same() {
    run(NODE + "('p', 'a', 't', 1)");
    aJob().ended("succeeded").with("phase", "p").in(writer);
    long before = newest();

    run(
        "UPDATE node SET label_name = 'A'",
        "UPDATE node SET label_name = 'A '",
        "UPDATE node SET label_name = 'Á '",
        "UPDATE api_job SET phase = 'p '",
        "UPDATE api_job SET phase = NULL");

    assertThat(told(before)).hasSize(5);
    assertThat(since(before)).element(1).returns("A ", row -> row.getString("label_name"));
    assertThat(since(before)).element(3).returns("p ", row -> row.getString("phase"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "TRADITIONAL",
        "ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH",
        "ORACLE",
        "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_UNSIGNED_SUBTRACTION,IGNORE_SPACE,"
            + "NO_AUTO_VALUE_ON_ZERO,ERROR_FOR_DIVISION_BY_ZERO,ONLY_FULL_GROUP_BY"
      })
  void a_writer_of_any_sql_mode_and_character_set_writes_and_is_told(String mode) {
    long before = newest();
    run("SET SESSION sql_mode = '" + mode + "'", "SET NAMES latin1");

    INSERTS.forEach((table, insert) -> run(insert.replace("?", "'\u00fc'")));
    for (String table : INSERTS.keySet()) {
      run("UPDATE " + table + " SET state = 4", "DELETE FROM " + table);
    }

    run("SET NAMES utf8mb4");
    assertThat(told(before)).hasSize(15);
  }

  @Test
  void a_writer_learns_his_own_ids_and_counts() {
    run(
        "INSERT INTO api_change (id, of_table, time) VALUES (%d, '', 0)"
            .formatted(newest() + 5000));

    RowSet<Row> inserted = run(NODE + "('p', 'a', 't', 1), ('p', 'b', 't', 1)");
    Row after =
        run("SELECT LAST_INSERT_ID() AS id, MIN(n.id) AS first FROM node n").iterator().next();
    assertThat(inserted.rowCount()).isEqualTo(2);
    assertThat(inserted.property(MySQLClient.LAST_INSERTED_ID)).isEqualTo(after.getLong("first"));
    assertThat(after.getLong("id")).isEqualTo(after.getLong("first"));

    assertThat(run("UPDATE node SET state = 2 WHERE label_name = 'a'").rowCount()).isOne();
    assertThat(run("UPDATE node SET state = 2").rowCount()).isEqualTo(2); // those that match
    assertThat(
            run("SELECT ROW_COUNT() AS n", "UPDATE node SET state = 5", "SELECT ROW_COUNT() AS n")
                .iterator()
                .next()
                .getInteger("n"))
        .isEqualTo(2);
    assertThat(run("SELECT LAST_INSERT_ID() AS id").iterator().next().getLong("id"))
        .isEqualTo(after.getLong("first"));
    assertThat(run("DELETE FROM node").rowCount()).isEqualTo(2);
    assertThat(run("SHOW WARNINGS").size()).isZero();
  }

  private void assertChange(Row change, String table, Row before, Row after) {
    assertThat(change.getString("of_table")).isEqualTo(table);
    assertThat(change.getLong("old_id")).isEqualTo(before == null ? null : before.getLong("id"));
    assertThat(change.getLong("new_id")).isEqualTo(after == null ? null : after.getLong("id"));
    assertThat(change.getString("old_state")).isEqualTo(state(before));
    assertThat(change.getString("new_state")).isEqualTo(state(after));
    Row row = after != null ? after : before;
    Map<String, Object> expected = values(row);
    if (!table.equals("api_job")) {
      expected.put("state_code", comparable(row.getValue("state")));
    }
    if (before != null && table.equals("subnode")) {
      expected.put("old_node_id", before.getLong("node_id"));
    }
    Map<String, Object> told = values(change);
    List.of("of_table", "old_id", "new_id", "old_state", "new_state", "time").forEach(told::remove);
    told.values().removeIf(Objects::isNull);
    expected.values().removeIf(Objects::isNull);
    assertThat(told).isEqualTo(expected);
  }

  private static String state(Row row) {
    return row == null || row.getValue("state") == null ? null : row.getValue("state").toString();
  }

  private static Map<String, Object> values(Row row) {
    Map<String, Object> values = new TreeMap<>();
    for (int i = 0; i < row.size(); i++) {
      values.put(row.getColumnName(i), comparable(row.getValue(i)));
    }
    values.keySet().removeAll(NOT_COPIED);
    return values;
  }

  /** Whole numbers of any width are equal. */
  private static Object comparable(Object value) {
    return value instanceof Number number && !(value instanceof Double)
        ? (Object) number.longValue()
        : value;
  }

  private Row row(String table, long id) {
    return service.sql("SELECT * FROM " + table + " WHERE id = ?", id).iterator().next();
  }

  private long newest() {
    Row newest = service.sql("SELECT COALESCE(MAX(id), 0) AS id FROM api_change").iterator().next();
    return newest.getLong("id");
  }

  private List<Row> since(long id) {
    List<Row> changes = new ArrayList<>();
    service.sql("SELECT * FROM api_change WHERE id > ? ORDER BY id", id).forEach(changes::add);
    return changes;
  }

  /** Table and states of each. */
  private List<String> told(long id) {
    return since(id).stream()
        .map(
            row ->
                "%s %s>%s"
                    .formatted(
                        row.getString("of_table"),
                        row.getString("old_state"),
                        row.getString("new_state")))
        .toList();
  }

  /** As a program of its own, on one connection; what the last statement gives. */
  private RowSet<Row> run(String... statements) {
    RowSet<Row> rows = null;
    for (String statement : statements) {
      rows = writer.query(statement).execute().await();
    }
    return rows;
  }
}
