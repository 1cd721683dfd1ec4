package org.nodepool.changes;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import io.vertx.sqlclient.Row;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.nodepool.ExternalMariaDb;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Columns;
import org.nodepool.store.Database;
import org.nodepool.store.schema.Schema;

/**
 * A further table of ours, of which production code knows nothing: its definition is all that its
 * columns, its triggers, its changes and its records need.
 */
@ExtendWith(VertxExtension.class)
class LoggedTableTest {
  private static final ExternalMariaDb SERVER = ExternalMariaDb.shared();
  private static final String NAME = "logged_table_test";

  /** Keyed by its node, and of a room. */
  private record Launch(
      long nodeId,
      long roomId,
      String flavor,
      Mood mood,
      int tries,
      boolean isUrgent,
      Double load,
      Long since) {}

  private enum Mood {
    GOOD,
    BAD
  }

  private static final Columns<Launch> LAUNCH =
      Columns.ours(
          "api_launch",
          row ->
              new Launch(
                  row.key("node_id"),
                  row.owner("room_id"),
                  row.text("flavor"),
                  row.text("mood", Mood::valueOf),
                  row.count("tries"),
                  row.flag("is_urgent"),
                  row.fraction("system_load"),
                  row.number("since")));

  private static final List<Columns<?>> TABLES = withLaunches();

  private final Database.Address address = SERVER.newDatabase(NAME);
  private Context context;
  private Database db;
  private PoolLog log;

  private static List<Columns<?>> withLaunches() {
    List<Columns<?>> all = new ArrayList<>(Columns.LOGGED);
    all.add(LAUNCH);
    return all;
  }

  @BeforeEach
  void begin(Vertx vertx) {
    context = vertx.getOrCreateContext();
    db = new Database(vertx, address, Clock.systemUTC(), new ChangeLog());
    SERVER.sqlIn(
        NAME,
        "CREATE TABLE api_launch (node_id BIGINT NOT NULL PRIMARY KEY) ENGINE=InnoDB",
        "INSERT INTO api_launch VALUES (6)");
    Schema.apply(db, TABLES).await();
    assertThat(new Triggers(TABLES).ensure(db).await()).isEmpty();
    log = on(() -> Future.succeededFuture(PoolLog.ofAll(db, TABLES)));
  }

  @Test
  void a_row_that_is_inserted_changed_and_deleted_is_told_by_its_key_as_its_record() {
    run(
        "UPDATE api_launch SET room_id = 3 WHERE node_id = 6",
        "INSERT INTO api_launch VALUES (7, 3, 'big', 'GOOD', 2, 1, 0.5, NULL)");
    PoolLog.Rows all = on(() -> log.all(null));
    Launch launch = new Launch(7, 3, "big", Mood.GOOD, 2, true, 0.5, null);
    assertThat(all.of(LAUNCH))
        .containsExactlyInAnyOrder(new Launch(6, 3, null, null, 0, false, null, null), launch);

    run("UPDATE api_launch SET mood = 'BAD', since = 9, tries = 3 WHERE node_id = 7");
    PoolLog.Changes changed = on(() -> log.since(all.seen()));
    assertThat(changed.of(LAUNCH))
        .isEqualTo(Map.of(7L, new Launch(7, 3, "big", Mood.BAD, 3, true, 0.5, 9L)));

    run(
        "UPDATE api_launch SET node_id = 8, room_id = 4 WHERE node_id = 7",
        "DELETE FROM api_launch");
    PoolLog.Changes gone = on(() -> log.since(changed.seen()));
    assertThat(gone.of(LAUNCH)).containsOnlyKeys(6L, 7L, 8L).containsValues((Launch) null);
    assertThat(gone.of(Columns.NODE)).isEmpty();
  }

  @Test
  void its_owner_is_told_as_it_was_before_too() {
    run(
        "INSERT INTO api_launch (node_id, room_id) VALUES (7, 3)",
        "UPDATE api_launch SET room_id = 4 WHERE node_id = 7",
        "DELETE FROM api_launch WHERE node_id = 7");

    assertThat(
            text(
                "SELECT CONCAT_WS(' ', of_table, IFNULL(old_id, '-'), IFNULL(new_id, '-'),"
                    + " IFNULL(old_room_id, '-'), room_id) FROM api_change ORDER BY id"))
        .containsExactly("api_launch - 7 - 3", "api_launch 7 7 3 4", "api_launch 7 - 4 4");
  }

  @Test
  void what_only_the_collation_takes_for_equal_is_told_and_what_is_equal_is_not() {
    run(
        "UPDATE api_launch SET room_id = 3, flavor = 'a'",
        "UPDATE api_launch SET flavor = 'a', tries = 0",
        "UPDATE api_launch SET flavor = 'A'");

    assertThat(text("SELECT flavor FROM api_change ORDER BY id")).containsExactly("a", "A");
  }

  @Test
  void a_row_of_a_later_version_is_left_out() {
    run("UPDATE api_launch SET room_id = 3");
    PoolLog.Rows all = on(() -> log.all(null));
    run("UPDATE api_launch SET mood = 'ODD'");

    assertThat(on(() -> log.since(all.seen())).of(LAUNCH)).containsOnlyKeys(6L);
    assertThat(on(() -> log.since(all.seen())).of(LAUNCH).get(6L)).isNull();
    assertThat(on(() -> log.all(null)).of(LAUNCH)).isEmpty();
  }

  @Test
  void a_version_that_knows_fewer_columns_leaves_everything_as_it_is() {
    List<String> before = text("SELECT MD5(GROUP_CONCAT(action_statement)) FROM " + TRIGGERS);

    assertThat(Schema.apply(db).await()).isEmpty();
    assertThat(db.read(Triggers.ALL::areInPlace).await()).isTrue();
    assertThat(Triggers.ALL.ensure(db).await()).isEmpty();

    assertThat(text("SELECT MD5(GROUP_CONCAT(action_statement)) FROM " + TRIGGERS))
        .isEqualTo(before);
    assertThat(db.read(new Triggers(TABLES)::areInPlace).await()).isTrue();
  }

  private static final String TRIGGERS =
      "information_schema.triggers WHERE trigger_schema = DATABASE()";

  private void run(String... statements) {
    SERVER.sqlIn(NAME, statements);
  }

  private List<String> text(String query) {
    List<String> values = new ArrayList<>();
    for (Row row : SERVER.sqlIn(NAME, query)) {
      values.add(String.valueOf(row.getValue(0)));
    }
    return values;
  }

  private <T> T on(Supplier<Future<T>> call) {
    Promise<T> done = Promise.promise();
    context.runOnContext(v -> call.get().onComplete(done));
    return done.future().await();
  }
}
