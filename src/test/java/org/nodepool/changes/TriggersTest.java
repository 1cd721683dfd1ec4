package org.nodepool.changes;

import static java.util.stream.Collectors.joining;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.mysqlclient.MySQLConnection;
import io.vertx.sqlclient.Row;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.ExternalMariaDb;
import org.nodepool.RunsAlone;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;
import org.nodepool.store.SchemaRefused;
import org.nodepool.store.schema.Schema;

/** How the triggers come to be, and what the operator is told when they cannot. */
@RunsAlone("times a lock")
@ExtendWith(VertxExtension.class)
class TriggersTest {
  private static final ExternalMariaDb SERVER = ExternalMariaDb.shared();
  private static final String NAME = "triggers_test";
  private static final String INSERT =
      "INSERT INTO node (provider_name, label_name, target_name, state) VALUES ('p', 'l', 't', 2)";
  private static final String HELD =
      "Every poll reads whole tables, because the triggers that tell changes cannot be made: ";
  private static final String OURS =
      "trigger_schema = DATABASE() AND trigger_name LIKE 'api\\_change\\_%'";

  private Vertx vertx;
  private ExternalMariaDb server = SERVER;
  private Database.Address address = SERVER.newDatabase(NAME);
  private Database db;

  @BeforeEach
  void connect(Vertx vertx) {
    this.vertx = vertx;
    db = database(address);
  }

  @AfterEach
  void close() {
    if (server != SERVER) {
      server.kill();
    }
  }

  @Test
  void all_are_made_once_also_when_many_processes_start_at_once() {
    Schema.apply(db).await();
    assertThat(areInPlace()).isFalse();

    List<Future<Optional<Triggers.Lack>>> starts =
        IntStream.range(0, 6).mapToObj(i -> Triggers.ALL.ensure(database(address))).toList();

    assertThat(starts).allSatisfy(start -> assertThat(start.await()).isEmpty());
    assertThat(areInPlace()).isTrue();
    List<String> made = text("SELECT created FROM information_schema.triggers WHERE " + OURS);
    assertThat(made).hasSize(15);
    assertThat(ensure()).isEmpty();
    assertThat(text("SELECT created FROM information_schema.triggers WHERE " + OURS))
        .isEqualTo(made);
  }

  /** Each column changes this. A change of more than columns must also count BODY up. */
  @Test
  void what_they_do_changes_with_their_version_alone() {
    begin();

    assertThat(
            text(
                "SELECT CONCAT(MIN(SUBSTR(action_statement, 9, 19)), ' ',"
                    + " SHA1(GROUP_CONCAT(SHA1(action_statement) ORDER BY trigger_name)))"
                    + " FROM information_schema.triggers WHERE "
                    + OURS))
        .containsExactly("/* nodepool 1057 */ 57e57ac08242ceb0aa42e458c87c38a71a7a2413");
  }

  @Test
  void every_column_that_a_table_has_is_in_the_log_too() {
    begin();

    assertThat(
            text(
                "SELECT DISTINCT CONCAT(t.table_name, '.', t.column_name)"
                    + " FROM information_schema.columns t WHERE t.table_schema = DATABASE()"
                    + " AND t.table_name IN"
                    + " ('node', 'subnode', 'snapshot_image', 'dib_image', 'api_job')"
                    + " AND t.column_name NOT IN ('id', 'state')"
                    + " AND (SELECT COUNT(*) FROM information_schema.triggers g"
                    + " WHERE g.trigger_schema = DATABASE() AND"
                    + " g.event_object_table = t.table_name"
                    + " AND g.action_statement REGEXP CONCAT(', ', t.column_name, '[,)]'))"
                    + " < 3 ORDER BY 1"))
        .containsExactly(
            "api_job.active_key",
            "api_job.lease_until",
            "api_job.subject_id",
            "api_job.subject_what");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "DROP TRIGGER api_change_node_update",
        "CREATE OR REPLACE TRIGGER api_change_node_update AFTER UPDATE ON node FOR EACH ROW"
            + " SET @a = 1",
        "CREATE OR REPLACE TRIGGER api_change_node_update AFTER UPDATE ON node FOR EACH ROW"
            + " BEGIN /* nodepool 0 */ SET @a = 1; END",
        "RENAME TABLE node TO old_node; CREATE TABLE node LIKE old_node",
        "DROP TABLE node; CREATE TABLE node LIKE template",
      })
  void what_was_taken_away_or_changed_is_made_again(String damage) {
    begin();
    run("CREATE TABLE template LIKE node");
    run(damage.contains("BEGIN") ? new String[] {damage} : damage.split(";"));
    assertThat(areInPlace()).isFalse();

    assertThat(ensure()).isEmpty();

    assertThat(areInPlace()).isTrue();
    run(INSERT, "UPDATE node SET state = 3");
    assertThat(text("SELECT CONCAT_WS('>', old_state, new_state) FROM api_change ORDER BY id"))
        .containsExactly("2", "2>3");
  }

  @Test
  void one_that_would_fail_writers_in_its_sql_mode_is_made_again() {
    begin();
    String body =
        text("SELECT action_statement FROM information_schema.triggers"
                + " WHERE trigger_name = 'api_change_node_update' AND "
                + OURS)
            .get(0);
    run(
        "CREATE OR REPLACE TRIGGER api_change_node_update AFTER UPDATE ON node FOR EACH ROW "
            + body);

    assertThat(areInPlace()).isFalse();
    assertThat(ensure()).isEmpty();
    assertThat(areInPlace()).isTrue();
  }

  @Test
  void one_of_a_later_version_is_left_as_it_is() {
    begin();
    String later =
        "BEGIN /* nodepool 9999 */ INSERT INTO api_change (of_table, new_id, time) VALUES"
            + " ('node', NEW.id, 1); END";
    server.sqlIn(
        NAME,
        "SET sql_mode = ''",
        "CREATE OR REPLACE DEFINER = triggers_test@'%' TRIGGER api_change_node_update"
            + " AFTER UPDATE ON node FOR EACH ROW "
            + later);

    assertThat(areInPlace()).isTrue();
    assertThat(ensure()).isEmpty();
    assertThat(text("SELECT action_statement FROM information_schema.triggers WHERE " + OURS))
        .contains(later);
  }

  @Test
  void those_of_another_user_are_taken_over_so_that_he_may_go() {
    begin();
    server.sql(
        "CREATE OR REPLACE USER another IDENTIFIED BY 'x'",
        "GRANT ALL ON triggers_test.* TO another");
    db = database(new Database.Address("127.0.0.1", address.port(), NAME, "another", "x"));
    Schema.apply(db).await();
    assertThat(areInPlace()).isTrue();

    assertThat(ensure()).isEmpty();

    server.sql("DROP USER triggers_test");
    run(INSERT);
    assertThat(text("SELECT of_table FROM api_change")).containsExactly("node");
  }

  @Test
  void a_user_without_the_right_is_told_the_grant() {
    Schema.apply(db).await();
    server.sql("REVOKE TRIGGER ON triggers_test.* FROM triggers_test");

    String grants =
        Stream.of("node", "subnode", "snapshot_image", "dib_image", "api_job")
            .map("GRANT TRIGGER ON `triggers_test`.`%s` TO 'triggers_test'@'%%'"::formatted)
            .collect(joining("; "));
    assertThat(ensure())
        .hasValue(HELD + "the user lacks the right TRIGGER; what helps is " + grants + ".");
    assertThat(areInPlace()).isFalse();

    // who was there before can write afterwards
    MySQLConnection writer = connection();
    server.sql(grants.split("; "));
    assertThat(ensure()).isEmpty();
    writer.query(INSERT).execute().await();
    assertThat(text("SELECT of_table FROM api_change")).containsExactly("node");
  }

  @Test
  void a_server_with_binary_logs_that_refuses_is_told_with_the_setting() {
    own("--log-bin=binlog", "--binlog-format=ROW");
    Schema.apply(db).await();

    assertThat(ensure())
        .hasValue(
            HELD
                + "the server writes binary logs, and lets only users with SUPER make them; what"
                + " helps is SET GLOBAL log_bin_trust_function_creators = 1.");
    assertThat(remove().await().tables()).contains("api_change");

    server.sql("SET GLOBAL log_bin_trust_function_creators = 1");
    begin();
    server.sql("SET GLOBAL log_bin_trust_function_creators = 0");
    assertThat(areInPlace()).isTrue();
    run(INSERT);
    assertThatThrownBy(() -> remove().await()).hasMessageContaining("SUPER");
    assertThat(text("SELECT of_table FROM api_change")).containsExactly("node");
  }

  @Test
  void a_table_without_transactions_is_told_and_has_no_trigger() {
    Schema.apply(db).await();
    run("ALTER TABLE subnode ENGINE=MyISAM", "ALTER TABLE node ENGINE=Aria");

    assertThat(ensure())
        .hasValue(
            "Tables are not InnoDB: node (Aria), subnode (MyISAM); what fails halfway stays"
                + " halfway, and every poll reads whole tables. What helps is ALTER TABLE node"
                + " ENGINE=InnoDB; ALTER TABLE subnode ENGINE=InnoDB.");
    assertThat(text("SELECT 1 FROM information_schema.triggers WHERE " + OURS)).isEmpty();

    run("ALTER TABLE subnode ENGINE=InnoDB", "ALTER TABLE node ENGINE=InnoDB");
    assertThat(ensure()).isEmpty();

    run("ALTER TABLE node ENGINE=MyISAM");
    assertThat(areInPlace()).isFalse();
    assertThat(ensure()).hasValueSatisfying(t -> assertThat(t).contains("node (MyISAM)"));
    assertThat(
            text(
                "SELECT DISTINCT event_object_table FROM information_schema.triggers WHERE "
                    + OURS))
        .doesNotContain("node");
  }

  @Test
  void a_transaction_that_uses_a_table_for_long_lets_writers_wait_for_a_second_and_is_told() {
    Schema.apply(db).await();
    Database other = database(address);
    Promise<Void> held = Promise.promise();
    Future<Void> transaction =
        other.session(
            c ->
                c.begin()
                    .compose(t -> c.query("SELECT * FROM node").execute())
                    .compose(v -> held.future())
                    .compose(v -> c.query("ROLLBACK").execute().mapEmpty()));
    Future<Optional<Triggers.Lack>> ensuring = Triggers.ALL.ensure(db);

    Duration longest = Duration.ZERO;
    int writes = 0;
    for (; !ensuring.isComplete(); writes++) {
      long began = System.nanoTime();
      server.sqlIn(NAME, INSERT);
      Duration took = Duration.ofNanos(System.nanoTime() - began);
      longest = took.compareTo(longest) > 0 ? took : longest;
    }
    assertThat(longest).isBetween(Duration.ofMillis(300), Duration.ofMillis(1800));
    assertThat(writes).isGreaterThan(20);
    assertThat(ensuring.await().map(Triggers.Lack::sentence))
        .hasValue(
            HELD
                + "a transaction of another program is using a table for long; it is tried again.");

    ensuring = Triggers.ALL.ensure(db);
    vertx.timer(2, TimeUnit.SECONDS).onComplete(t -> held.complete());
    assertThat(ensuring.await()).isEmpty();
    transaction.await();
  }

  @Test
  void nobody_is_kept_from_writing_where_the_log_or_a_column_is_gone() {
    begin();
    run("RENAME TABLE api_change TO gone");
    run(INSERT, "UPDATE node SET state = 3", "DELETE FROM node");
    run("RENAME TABLE gone TO api_change", "ALTER TABLE api_change DROP COLUMN az");
    run(INSERT, "UPDATE node SET state = 3", "DELETE FROM node");
    run("ALTER TABLE api_change ADD COLUMN az LONGTEXT", "ALTER TABLE node DROP COLUMN az");
    run(INSERT, "UPDATE node SET state = 3", "DELETE FROM node");

    run("ALTER TABLE node ADD COLUMN az VARCHAR(255)", INSERT);
    assertThat(text("SELECT new_state FROM api_change")).containsExactly("2");
  }

  @Test
  void nobody_is_kept_from_writing_what_does_not_fit() {
    begin();
    run(
        "ALTER TABLE node MODIFY id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,"
            + " MODIFY provider_name VARBINARY(255), MODIFY label_name LONGTEXT,"
            + " MODIFY target_name CHAR(255) CHARACTER SET ucs2, MODIFY state VARCHAR(255),"
            + " MODIFY state_time DATETIME, MODIFY az JSON, MODIFY ip INET6,"
            + " MODIFY hostname ENUM('a', 'b') CHARACTER SET latin1");
    assertThat(ensure()).isEmpty();

    run(
        "SET SESSION sql_mode = 'TRADITIONAL'",
        "INSERT INTO node VALUES (18446744073709551615, X'FF00FE', REPEAT('x', 2000000),"
            + " 'ž', 'a', NULL, NULL, '{\"a\": 1}', '::1', NULL, REPEAT('s', 255),"
            + " '2016-12-31 23:59:59')",
        "UPDATE node SET id = 1, state = '', hostname = 'b'",
        "DELETE FROM node");

    assertThat(text("SELECT CONCAT_WS('>', old_id, new_id) FROM api_change ORDER BY id"))
        .containsExactly("9223372036854775807", "9223372036854775807>1", "1");
  }

  @Test
  void a_removal_takes_them_first_and_everybody_can_write() {
    begin();
    run("CREATE TRIGGER api_change_of_another BEFORE DELETE ON node FOR EACH ROW SET @a = 1");

    assertThat(remove().await().triggers()).isEqualTo(15);

    run(INSERT);
    assertThat(text("SELECT trigger_name FROM information_schema.triggers WHERE " + OURS))
        .containsExactly("api_change_of_another");
    assertThat(remove().await().isEmpty()).isTrue();
  }

  @Test
  void a_removal_without_the_right_leaves_everything() {
    begin();
    server.sql("REVOKE TRIGGER ON triggers_test.* FROM triggers_test");

    assertThatThrownBy(() -> remove().await()).hasMessageContaining("TRIGGER command denied");

    assertThat(text("SHOW TABLES")).contains("api_schema", "api_change");
  }

  @Test
  void a_removal_halfway_is_ended_by_the_next_and_made_good_by_a_start() {
    begin();
    run("DROP TRIGGER api_change_node_insert", "DROP TABLE api_schema", "DROP TABLE api_change");
    assertThat(remove().await().triggers()).isEqualTo(14);

    begin();
    run("DROP TRIGGER api_change_node_insert", "DROP TABLE api_schema", "DROP TABLE api_change");
    begin();
    assertThat(areInPlace()).isTrue();
  }

  @Test
  void where_tables_are_missing_or_the_server_is_away_it_fails() {
    assertThatThrownBy(this::ensure).isInstanceOf(SchemaRefused.class);

    Database away = database(new Database.Address("127.0.0.1", 1, NAME, NAME, address.password()));
    assertThatThrownBy(() -> Triggers.ALL.ensure(away).await()).hasMessageContaining("refused");
  }

  private void own(String... options) {
    server = ExternalMariaDb.in("triggers").start(options);
    address = server.newDatabase(NAME);
    db = database(address);
  }

  private Database database(Database.Address address) {
    return new Database(vertx, address, Clock.systemUTC(), new ChangeLog());
  }

  /** Of another program, as the service's user. */
  private MySQLConnection connection() {
    return MySQLConnection.connect(
            vertx,
            new MySQLConnectOptions()
                .setHost(address.host())
                .setPort(address.port())
                .setDatabase(NAME)
                .setUser(address.user())
                .setPassword(address.password()))
        .await();
  }

  /** The schema with its triggers. */
  private void begin() {
    Schema.apply(db).await();
    assertThat(ensure()).isEmpty();
  }

  private Future<Schema.Removed> remove() {
    return Schema.remove(db, connection -> Triggers.ALL.remove(db, connection));
  }

  private Optional<String> ensure() {
    return Triggers.ALL.ensure(db).await().map(Triggers.Lack::sentence);
  }

  private boolean areInPlace() {
    return db.read(Triggers.ALL::areInPlace).await();
  }

  /** As the service's user; one after the other. */
  private void run(String... statements) {
    db.session(
            connection -> {
              Future<Void> done = Future.succeededFuture();
              for (String statement : statements) {
                done = done.compose(v -> connection.query(statement).execute().mapEmpty());
              }
              return done;
            })
        .await();
  }

  /** The first column, as root reads it. */
  private List<String> text(String query) {
    List<String> values = new ArrayList<>();
    for (Row row : server.sqlIn(NAME, query)) {
      values.add(String.valueOf(row.getValue(0)));
    }
    return values;
  }
}
