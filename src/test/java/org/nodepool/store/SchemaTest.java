package org.nodepool.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.mysqlclient.MySQLBuilder;
import io.vertx.sqlclient.Pool;
import io.vertx.sqlclient.Row;
import java.nio.file.Files;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.nodepool.TestService;

/** What the schema files make of a database, on the server that the tests share. */
class SchemaTest {
  private final Vertx vertx = Vertx.vertx();
  private Pool sql;
  private Database.Address address;

  @BeforeEach
  void without_our_tables() throws Exception {
    String dburi = Files.readString(TestService.shared().dir().resolve("var/db/dburi")).strip();
    var parsed = io.vertx.mysqlclient.MySQLConnectOptions.fromUri(dburi);
    address =
        new Database.Address(
            parsed.getHost(),
            parsed.getPort(),
            parsed.getDatabase(),
            parsed.getUser(),
            parsed.getPassword());
    sql = MySQLBuilder.pool().connectingTo(dburi).using(vertx).build();
    TestService.shared().empty();
    drop();
  }

  @AfterEach
  void with_them_again() {
    drop();
    Schema.apply(database()).await();
    vertx.close().await();
  }

  @Test
  void an_empty_database_gets_the_four_tables_of_nodepool_and_ours() {
    assertThat(Schema.apply(database()).await()).containsExactly(1, 2);

    assertThat(tables())
        .containsExactly(
            "api_dib_file",
            "api_job",
            "api_schema",
            "dib_image",
            "node",
            "snapshot_image",
            "subnode");
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
    assertThat(query("SELECT name FROM api_schema ORDER BY version"))
        .containsExactly("001_pool.sql", "002_jobs.sql");
  }

  @Test
  void many_processes_that_start_at_once_apply_it_once() {
    List<Future<List<Integer>>> starts = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      starts.add(Schema.apply(database()));
    }

    List<Integer> applied = new ArrayList<>();
    starts.forEach(start -> applied.addAll(start.await()));
    assertThat(applied).containsExactlyInAnyOrder(1, 2);
  }

  @Test
  void a_start_that_died_after_some_statements_is_made_good_by_the_next() {
    Schema.apply(database()).await();
    sql.query("DROP TABLE api_dib_file").execute().await();
    sql.query("DELETE FROM api_schema WHERE version = 2").execute().await();

    assertThat(Schema.apply(database()).await()).containsExactly(2);
    assertThat(tables()).contains("api_dib_file");
  }

  @Test
  void tables_that_are_there_are_left_as_they_are() {
    sql.query(
            "CREATE TABLE node (id INTEGER NOT NULL AUTO_INCREMENT, provider_name VARCHAR(255)"
                + " NOT NULL, comment VARCHAR(255), PRIMARY KEY (id))")
        .execute()
        .await();
    sql.query("INSERT INTO node (provider_name, comment) VALUES ('p', 'kept')").execute().await();

    Schema.apply(database()).await();

    assertThat(query("SELECT comment FROM node")).containsExactly("kept");
    assertThat(
            query(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE()"
                    + " AND table_name = 'node' ORDER BY ordinal_position"))
        .containsExactly("id", "provider_name", "comment");
  }

  private Database database() {
    return new Database(vertx, address, Clock.systemUTC(), new ChangeLog());
  }

  private void drop() {
    for (String table : tables()) {
      sql.query("DROP TABLE " + table).execute().await();
    }
  }

  private List<String> tables() {
    return query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
            + " ORDER BY 1");
  }

  private List<String> query(String statement) {
    List<String> values = new ArrayList<>();
    for (Row row : sql.query(statement).execute().await()) {
      values.add(row.getString(0));
    }
    return values;
  }
}
