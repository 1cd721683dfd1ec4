package org.nodepool.store.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import io.vertx.mysqlclient.MySQLBuilder;
import io.vertx.sqlclient.Pool;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.SqlConnection;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.nodepool.ExternalMariaDb;
import org.nodepool.Poll;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;
import org.nodepool.store.SchemaRefused;

/** What is made of a database, and what is left alone. */
@ExtendWith(VertxExtension.class)
class SchemaTest {
  private static final ExternalMariaDb SERVER = ExternalMariaDb.shared();
  private static final String ALL_TABLES =
      "api_change api_change_reader api_dib_file api_job api_job_attempt api_provider_call api_provider_look api_schema api_turn api_worker dib_image node snapshot_image subnode";

  private final Database.Address address = SERVER.newDatabase("schema_test");
  private Vertx vertx;
  private Pool sql;

  @BeforeEach
  void connect(Vertx vertx) {
    this.vertx = vertx;
    sql = MySQLBuilder.pool().connectingTo(uri(address)).using(vertx).build();
  }

  @Test
  void an_empty_database_gets_the_four_tables_of_nodepool_and_ours() {
    assertThat(Schema.apply(database()).await()).containsExactly(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);

    assertThat(tables()).isEqualTo(ALL_TABLES);
    assertThat(
            query(
                "SELECT DISTINCT engine FROM information_schema.tables"
                    + " WHERE table_schema = DATABASE()"))
        .containsExactly("InnoDB");
    assertThat(
            query(
                "SELECT DISTINCT index_name FROM information_schema.statistics"
                    + " WHERE table_schema = DATABASE() AND index_name LIKE 'ix\\_%'"
                    + " AND table_name NOT LIKE 'api\\_%' ORDER BY 1"))
        .containsExactly(
            "ix_dib_image_image_name",
            "ix_node_hostname",
            "ix_node_label_name",
            "ix_node_nodename",
            "ix_node_provider_name",
            "ix_node_target_name",
            "ix_snapshot_image_image_name",
            "ix_snapshot_image_provider_name",
            "ix_subnode_hostname",
            "ix_subnode_node_id");
  }

  @Test
  void it_is_recorded_and_applied_once() {
    Schema.apply(database()).await();

    assertThat(Schema.apply(database()).await()).isEmpty();
    assertThat(query("SELECT name FROM api_schema WHERE version >= 0 ORDER BY version"))
        .containsExactly(
            "pool: made",
            "001_pool.sql",
            "002_jobs.sql",
            "003_attempts.sql",
            "004_provider_calls.sql",
            "005_changes.sql",
            "006_subjects.sql",
            "007_turns.sql",
            "008_change_readers.sql",
            "009_history.sql",
            "010_provider_looks.sql");
  }

  @Test
  void many_processes_that_start_at_once_apply_it_once() {
    List<Future<List<Integer>>> starts = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      starts.add(Schema.apply(database()));
    }

    List<Integer> applied = new ArrayList<>();
    starts.forEach(start -> applied.addAll(start.await()));
    assertThat(applied).containsExactlyInAnyOrder(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
  }

  @Test
  void a_start_that_died_after_some_statements_is_made_good_by_the_next() {
    Schema.apply(database()).await();
    sql.query("DROP TABLE api_dib_file").execute().await();
    sql.query("DELETE FROM api_schema WHERE version = 2").execute().await();

    assertThat(Schema.apply(database()).await()).containsExactly(2);
    assertThat(tables()).isEqualTo(ALL_TABLES);
  }

  @Test
  void columns_that_a_start_added_before_it_died_are_no_hindrance_to_the_next() {
    Schema.apply(database()).await();
    run(
        "ALTER TABLE api_job DROP COLUMN is_cleanup",
        "DROP TABLE api_job_attempt",
        "DROP TABLE api_worker",
        "DELETE FROM api_schema WHERE version = 3");

    assertThat(Schema.apply(database()).await()).containsExactly(3);

    assertThat(tables()).isEqualTo(ALL_TABLES);
    assertThat(columnsOfStep3()).containsExactly("is_cleanup", "lost", "needs_host");
  }

  @Test
  void jobs_of_a_version_before_attempts_are_kept() {
    Schema.apply(database()).await();
    run(
        "ALTER TABLE api_job DROP COLUMN needs_host, DROP COLUMN lost, DROP COLUMN is_cleanup",
        "DROP TABLE api_job_attempt",
        "DROP TABLE api_worker",
        "DELETE FROM api_schema WHERE version = 3",
        "INSERT INTO api_job (uuid, kind, state, subject, image_name, created, finished) VALUES"
            + " ('1', 'build', 'queued', '/v1/dib_images/1', 'tiny', 1, NULL),"
            + " ('2', 'build', 'failed', '/v1/dib_images/2', 'tiny', 1, 2)");

    assertThat(Schema.apply(database()).await()).containsExactly(3);

    assertThat(columnsOfStep3()).containsExactly("is_cleanup", "lost", "needs_host");
    assertThat(
            query(
                "SELECT CONCAT_WS(' ', uuid, state, subject, active_key, lost, is_cleanup)"
                    + " FROM api_job WHERE needs_host IS NULL ORDER BY id"))
        .containsExactly("1 queued /v1/dib_images/1 tiny 0 0", "2 failed /v1/dib_images/2 0 0");
  }

  @Test
  void columns_that_a_table_of_ours_or_the_log_lacks_are_added_and_rows_are_kept() {
    Schema.apply(database()).await();
    run(
        "INSERT INTO api_job (uuid, kind, state, subject, created) VALUES"
            + " ('1', 'build', 'queued', '/v1/dib_images/1', 1)",
        "ALTER TABLE api_job DROP COLUMN phase, DROP COLUMN lost",
        "ALTER TABLE api_change DROP COLUMN az, DROP COLUMN progress, DROP COLUMN old_node_id");

    assertThat(Schema.apply(database()).await()).isEmpty();

    assertThat(
            query(
                "SELECT CONCAT_WS(' ', table_name, column_name, data_type)"
                    + " FROM information_schema.columns WHERE table_schema = DATABASE()"
                    + " AND (table_name, column_name) IN (('api_job', 'phase'), ('api_job', 'lost'),"
                    + " ('api_change', 'az'), ('api_change', 'progress'),"
                    + " ('api_change', 'old_node_id')) ORDER BY 1"))
        .containsExactly(
            "api_change az longtext",
            "api_change old_node_id bigint",
            "api_change progress double",
            "api_job lost int",
            "api_job phase text");
    assertThat(query("SELECT CONCAT_WS(' ', uuid, lost) FROM api_job")).containsExactly("1 0");
  }

  private List<String> columnsOfStep3() {
    return query(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE()"
            + " AND table_name = 'api_job' AND column_name IN ('needs_host', 'lost', 'is_cleanup')"
            + " ORDER BY 1");
  }

  @Test
  void a_table_of_the_pool_without_a_column_is_refused_with_the_remedy_and_nothing_is_made() {
    // Nodepool 0.0.1's
    run(
        "CREATE TABLE subnode (id INTEGER NOT NULL AUTO_INCREMENT, node_id INTEGER NOT NULL,"
            + " hostname VARCHAR(255), external_id VARCHAR(255), ip VARCHAR(255), state INTEGER,"
            + " state_time INTEGER, PRIMARY KEY (id))");
    Database db = database();

    assertThatThrownBy(() -> Schema.apply(db).await())
        .isInstanceOf(SchemaRefused.class)
        .hasMessage(
            "columns are missing; what helps is ALTER TABLE subnode ADD COLUMN ip_private"
                + " VARCHAR(255)");
    assertThat(tables()).isEqualTo("subnode");
    assertThat(db.isOpen()).isFalse();

    run("ALTER TABLE subnode ADD COLUMN ip_private VARCHAR(255)");
    assertThat(Schema.apply(db).await()).containsExactly(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    assertThat(db.isOpen()).isTrue();
  }

  @Test
  void tables_that_were_there_before_are_noted_and_those_that_are_missing_are_made() {
    // Nodepool 0.4.0 has no tables of images
    Schema.apply(database()).await();
    run("DROP TABLE api_schema", "DROP TABLE dib_image", "DROP TABLE snapshot_image");

    Schema.apply(database()).await();

    assertThat(tables()).isEqualTo(ALL_TABLES);
    assertThat(query("SELECT name FROM api_schema WHERE version = 0"))
        .containsExactly("pool: found node, subnode");
    assertThat(isPoolOurs()).isFalse();
  }

  @Test
  void tables_that_a_start_made_before_it_died_are_still_ours() {
    Schema.apply(database()).await();
    run("DELETE FROM api_schema WHERE version > 0");

    Schema.apply(database()).await();

    assertThat(isPoolOurs()).isTrue();
  }

  @Test
  void tables_of_which_nobody_noted_who_made_them_are_not_ours() {
    Schema.apply(database()).await();
    run("DELETE FROM api_schema WHERE version = 0");

    assertThat(isPoolOurs()).isFalse();
  }

  @Test
  void a_user_who_may_create_nothing_does_when_all_is_there() {
    Schema.apply(database()).await();
    SERVER.sql(
        "REVOKE ALL ON schema_test.* FROM schema_test",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON schema_test.* TO schema_test");

    assertThat(Schema.apply(database()).await()).isEmpty();
  }

  @Test
  void a_table_of_ours_that_is_gone_is_told() {
    Schema.apply(database()).await();
    run("DROP TABLE api_job");

    assertThatThrownBy(() -> Schema.apply(database()).await())
        .isInstanceOf(SchemaRefused.class)
        .hasMessageContaining("the table api_job is missing");
  }

  @Test
  void a_table_that_is_in_use_is_waited_for_a_second_at_a_time() {
    Schema.apply(database()).await();
    SqlConnection other = sql.getConnection().await();
    other.begin().await();
    other.query("SELECT * FROM api_dib_file").execute().await();
    Future<Schema.Removed> removal = remove();
    Poll.until(
        "the removal waits",
        () ->
            SERVER
                    .sql(
                        "SELECT id FROM information_schema.processlist"
                            + " WHERE state LIKE '%metadata lock%'")
                    .size()
                == 1);

    // a third program, which the waiting removal is in the way of, is let in within a second or so
    sql.query("SELECT * FROM api_dib_file").execute().await();
    assertThat(removal.isComplete()).isFalse();
    other.query("COMMIT").execute().await();
    other.close().await();

    assertThat(removal.await().tables()).contains("api_dib_file");
  }

  @Test
  void a_removal_takes_what_is_ours_and_nothing_else_and_can_be_done_again() {
    Schema.apply(database()).await();
    run("CREATE TABLE api_of_another (id INTEGER)", "INSERT INTO node VALUES" + NODE);

    assertThat(remove().await().tables())
        .containsExactly(
            "api_schema",
            "api_job",
            "api_job_attempt",
            "api_dib_file",
            "api_worker",
            "api_provider_call",
            "api_provider_look",
            "api_change",
            "api_turn",
            "api_change_reader");
    assertThat(remove().await().tables()).isEmpty();

    assertThat(tables()).isEqualTo("api_of_another dib_image node snapshot_image subnode");
    assertThat(query("SELECT provider_name FROM node")).containsExactly("p");
  }

  @Test
  void while_a_service_uses_the_database_nothing_is_removed() {
    Database inUse = database();
    Schema.apply(inUse).compose(v -> Schema.noteUse(inUse)).await();

    assertThatThrownBy(() -> remove().await())
        .isInstanceOf(SchemaRefused.class)
        .hasMessageContaining("a service uses it, and was seen");
    assertThat(tables()).contains("api_job");

    // it was killed a while ago
    run("UPDATE api_schema SET applied = applied - 60 WHERE version = -1");
    assertThat(remove().await().tables()).contains("api_job");

    Schema.apply(inUse).compose(v -> Schema.noteUse(inUse)).await();
    Schema.forgetUse(inUse).await(); // it has been stopped
    assertThat(remove().await().tables()).contains("api_job");
  }

  @Test
  void a_removal_tells_what_nobody_will_go_on_with_and_what_others_do_not_know() {
    Schema.apply(database()).await();
    run(
        "INSERT INTO api_job (uuid, kind, state, subject, created, finished) VALUES"
            + " ('1', 'build', 'queued', '/v1/dib_images/1', 1, NULL),"
            + " ('2', 'build', 'failed', '/v1/dib_images/2', 1, 2)",
        "INSERT INTO dib_image (image_name, state) VALUES ('a', 7), ('b', 1)",
        "INSERT INTO snapshot_image (provider_name, image_name, state) VALUES ('p', 'a', 7)");

    Schema.Removed removed = remove().await();

    assertThat(removed.unfinishedJobs()).isEqualTo(1);
    assertThat(removed.failedRows()).isEqualTo(2);
  }

  @Test
  void databases_of_one_server_do_not_wait_for_each_other() {
    SERVER.newDatabase("schema_test_2");
    SqlConnection other = sql.getConnection().await();
    other
        .query("SELECT GET_LOCK(CONCAT('nodepool.schema.', SHA1('schema_test_2')), 0)")
        .execute()
        .await();

    assertThat(Schema.apply(database()).await()).containsExactly(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    other.close().await();
  }

  private static final String NODE =
      " (1, 'p', 'l', 't', NULL, NULL, NULL, NULL, NULL, NULL, 2, 1)";

  private static String uri(Database.Address address) {
    return "mysql://%s:%s@%s:%d/%s"
        .formatted(
            address.user(),
            address.password().replace(" ", "%20"),
            address.host(),
            address.port(),
            address.database());
  }

  private boolean isPoolOurs() {
    Database db = database();
    return Schema.apply(db).compose(v -> Schema.isPoolOurs(db)).await();
  }

  /** There are no triggers. */
  private Future<Schema.Removed> remove() {
    return Schema.remove(database(), connection -> Future.succeededFuture(0));
  }

  private Database database() {
    return new Database(vertx, address, Clock.systemUTC(), new ChangeLog());
  }

  private void run(String... statements) {
    for (String statement : statements) {
      sql.query(statement).execute().await();
    }
  }

  private String tables() {
    return String.join(
        " ",
        query(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
                + " ORDER BY 1"));
  }

  private List<String> query(String statement) {
    List<String> values = new ArrayList<>();
    for (Row row : sql.query(statement).execute().await()) {
      values.add(row.getString(0));
    }
    return values;
  }
}
