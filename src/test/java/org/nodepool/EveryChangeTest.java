package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Vertx;
import io.vertx.core.json.JsonObject;
import io.vertx.junit5.VertxExtension;
import io.vertx.mysqlclient.MySQLConnection;
import io.vertx.sqlclient.SqlConnection;
import io.vertx.sqlclient.Transaction;
import io.vertx.sqlclient.Tuple;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Whatever any program commits is in the next poll; each poll here is the only look at it. */
@RunsBesideOthers
@Tag("sql")
@ExtendWith(VertxExtension.class)
class EveryChangeTest {
  private static final String INSERT =
      "INSERT INTO node (id, provider_name, label_name, target_name, hostname, state, state_time)"
          + " VALUES (?, 'p', 'l', 't', ?, 2, 1)";

  private final TestService service = TestService.shared();
  private final Http http = service.http().anonymous();
  private Vertx vertx;
  private final List<SqlConnection> others = new ArrayList<>();

  @BeforeEach
  void rows(Vertx vertx) {
    this.vertx = vertx;
    service.empty();
    for (long id = 1; id <= 200; id++) {
      service.sql(INSERT, id, "before");
    }
    assertThat(hosts("before")).isEqualTo(200);
  }

  @AfterEach
  void close() {
    others.forEach(connection -> connection.close().await());
  }

  @Test
  void statements_of_many_rows() {
    service.sql("UPDATE node SET hostname = 'many' WHERE id % 2 = 0");
    assertThat(hosts("many")).isEqualTo(100);

    service.sql("DELETE FROM node WHERE id > 150");
    assertThat(http.get("/v1/nodes").ids()).hasSize(150);

    service.sql(
        "INSERT INTO node (provider_name, label_name, target_name, hostname)"
            + " SELECT provider_name, label_name, target_name, 'copy' FROM node");
    assertThat(hosts("copy")).isEqualTo(150);
  }

  @Test
  void more_changes_at_once_than_are_applied_one_by_one() {
    for (int i = 0; i < 6; i++) {
      service.sql(
          "INSERT INTO node (provider_name, label_name, target_name, hostname)"
              + " SELECT provider_name, label_name, target_name, ? FROM node",
          "copy");
    }
    // 503 while a machine that is busy reads that many
    Poll.until(
        "all are there",
        () -> {
          Http.Answer answer = http.get("/v1/nodes?hostname=copy");
          return answer.status() == 200 && answer.ids().size() == 200 * 64 - 200;
        });
  }

  @Test
  void replace_and_on_duplicate_key() {
    service.sql(INSERT.replace("INSERT", "REPLACE"), 7L, "replaced");
    assertThat(host(7)).isEqualTo("replaced");

    service.sql(INSERT + " ON DUPLICATE KEY UPDATE hostname = 'was there'", 8L, "new");
    assertThat(host(8)).isEqualTo("was there");
    service.sql(INSERT + " ON DUPLICATE KEY UPDATE hostname = 'was there'", 901L, "new");
    assertThat(host(901)).isEqualTo("new");
  }

  @Test
  void an_id_that_changes() {
    service.sql("UPDATE node SET id = 999 WHERE id = 9");

    assertThat(http.get("/v1/nodes/9").status()).isEqualTo(404);
    assertThat(host(999)).isEqualTo("before");
    assertThat(http.get("/v1/nodes").ids()).hasSize(200).contains(999L).doesNotContain(9L);
  }

  @Test
  void subnodes_that_come_move_and_go_and_were_there_before_their_node() {
    service.sql("INSERT INTO subnode (id, node_id, hostname) VALUES (1, 3, 'a'), (2, 3, 'b')");
    assertThat(subnodes(3)).containsExactly("a", "b");

    service.sql("UPDATE subnode SET node_id = 4 WHERE id = 1");
    assertThat(subnodes(3)).containsExactly("b");
    assertThat(subnodes(4)).containsExactly("a");

    service.sql("INSERT INTO subnode (id, node_id, hostname) VALUES (5, 777, 'early')");
    service.sql(INSERT, 777L, "late");
    assertThat(subnodes(777)).containsExactly("early");

    service.sql("DELETE FROM subnode");
    assertThat(subnodes(3)).isEmpty();
    assertThat(subnodes(777)).isEmpty();
  }

  @Test
  void transactions_that_commit_in_the_reverse_order_of_their_changes() {
    List<Transaction> open = new ArrayList<>();
    for (long id = 1; id <= 6; id++) {
      open.add(changing(id, "late-" + id));
    }
    assertThat(hosts("before")).isEqualTo(200);

    for (int i = 5; i >= 0; i--) {
      open.get(i).commit().await();
      assertThat(host(i + 1)).isEqualTo("late-" + (i + 1));
      assertThat(hosts("before")).isEqualTo(200 - (6 - i));
    }
  }

  @Test
  void one_that_stays_open_while_others_commit_and_old_changes_are_pruned() {
    Transaction open = changing(1, "at last");
    // it sees its own
    long gap = TestService.greatestChange(others.get(0));
    for (int i = 0; i < 30; i++) {
      service.sql("UPDATE node SET hostname = ? WHERE id > 190", "other-" + i);
      assertThat(host(195)).isEqualTo("other-" + i);
    }
    SqlConnection pruning = other();
    pruning.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").execute().await();
    for (long from = gap + 1; from < TestService.greatestChange(pruning); from += 100) {
      long to = Math.min(from + 99, TestService.greatestChange(pruning) - 1);
      pruning
          .preparedQuery("DELETE FROM api_change WHERE id BETWEEN ? AND ?")
          .execute(Tuple.of(from, to))
          .await();
    }
    assertThat(host(1)).isEqualTo("before");

    open.commit().await();

    assertThat(host(1)).isEqualTo("at last");
    service.sql("UPDATE node SET hostname = 'after' WHERE id = 2");
    assertThat(host(2)).isEqualTo("after");
    assertThat(host(1)).isEqualTo("at last");
  }

  @Test
  void what_is_rolled_back_is_never_seen_and_hides_nothing() {
    for (int i = 0; i < 10; i++) {
      Transaction undone = changing(5, "never");
      service.sql("UPDATE node SET hostname = ? WHERE id = 6", "seen-" + i);
      assertThat(host(6)).isEqualTo("seen-" + i);
      undone.rollback().await();
      assertThat(host(5)).isEqualTo("before");
    }
    assertThat(hosts("never")).isZero();
  }

  @Test
  void more_writers_that_roll_back_than_can_be_asked_for() {
    SqlConnection other = other();
    for (int i = 0; i < 1_050; i++) {
      Transaction undone = other.begin().await();
      change(other, 5, "never");
      undone.rollback().await();
      service.sql("UPDATE node SET hostname = ? WHERE id = 6", "seen-" + i);
    }
    Transaction late = changing(7, "late");
    service.sql("UPDATE node SET hostname = 'last' WHERE id = 6");
    assertThat(host(6)).isEqualTo("last");
    late.commit().await();

    assertThat(host(7)).isEqualTo("late");
    assertThat(host(5)).isEqualTo("before");
  }

  @Test
  void a_savepoint_that_is_rolled_back() {
    SqlConnection other = other();
    Transaction transaction = other.begin().await();
    change(other, 1, "kept");
    other.query("SAVEPOINT s").execute().await();
    change(other, 2, "undone");
    other.query("ROLLBACK TO s").execute().await();
    change(other, 3, "kept");
    transaction.commit().await();

    assertThat(host(1)).isEqualTo("kept");
    assertThat(host(2)).isEqualTo("before");
    assertThat(host(3)).isEqualTo("kept");
  }

  @Test
  void what_fires_no_trigger_is_seen_within_half_a_minute() {
    service.sql("TRUNCATE TABLE node");

    Poll.within(
        Duration.ofSeconds(35),
        "the list is empty",
        () -> http.get("/v1/nodes").body().equals("[]"));
  }

  @Test
  void a_log_that_is_emptied_or_begins_anew_is_noticed_at_once() {
    service.sql("TRUNCATE TABLE api_change");
    service.sql("UPDATE node SET hostname = 'first' WHERE id = 1");
    assertThat(host(1)).isEqualTo("first");

    service.sql("DELETE FROM api_change");
    service.sql("UPDATE node SET hostname = 'second' WHERE id = 1");
    assertThat(host(1)).isEqualTo("second");
  }

  @Test
  void ids_that_another_program_gives_out_in_steps() {
    SqlConnection other = other();
    other.query("SET SESSION auto_increment_increment = 7").execute().await();
    for (int i = 0; i < 20; i++) {
      change(other, 1, "step-" + i);
      assertThat(host(1)).isEqualTo("step-" + i);
      service.sql("UPDATE node SET hostname = ? WHERE id = 2", "one-" + i);
      assertThat(host(2)).isEqualTo("one-" + i);
    }
  }

  private SqlConnection other() {
    SqlConnection connection = MySQLConnection.connect(vertx, service.database()).await();
    others.add(connection);
    return connection;
  }

  private Transaction changing(long id, String hostname) {
    SqlConnection other = other();
    Transaction transaction = other.begin().await();
    change(other, id, hostname);
    return transaction;
  }

  private static void change(SqlConnection other, long id, String hostname) {
    other
        .preparedQuery("UPDATE node SET hostname = ? WHERE id = ?")
        .execute(Tuple.of(hostname, id))
        .await();
  }

  private String host(long id) {
    return http.get("/v1/nodes/" + id).json().getString("hostname");
  }

  private int hosts(String hostname) {
    return http.get("/v1/nodes?hostname=" + hostname.replace(" ", "%20")).ids().size();
  }

  private List<String> subnodes(long node) {
    return http.get("/v1/nodes/" + node).json().getJsonArray("subnodes").stream()
        .map(subnode -> ((JsonObject) subnode).getString("hostname"))
        .toList();
  }
}
