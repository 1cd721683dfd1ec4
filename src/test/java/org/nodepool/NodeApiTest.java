package org.nodepool;

import static java.util.concurrent.CompletableFuture.supplyAsync;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;
import static org.nodepool.Rows.aNode;
import static org.nodepool.Rows.aSubnode;

import io.vertx.core.json.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code /v1/nodes}. */
@Tag("sql")
class NodeApiTest {
  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
  }

  // ---- reading

  @Test
  void the_list_of_no_nodes_is_an_empty_array() {
    Http.Answer answer = http.anonymous().get("/v1/nodes");

    assertThat(answer.status()).isEqualTo(200);
    assertThat(answer.body()).isEqualTo("[]");
    assertThat(answer.header("Content-Type")).isEqualTo("application/json");
  }

  @Test
  void a_node_is_shown_with_every_key_in_order() {
    long node = fullNode();
    long first = fullSubnode(node, "two");
    long second = fullSubnode(node, "three");

    String subnode =
        """
        {"id":%d,"node_id":%d,"hostname":"%s","external_id":"sub-uuid","ip":"192.0.2.2",\
        "ip_private":"10.0.0.2","state":"building","state_time":1416832003}""";
    String expected =
        """
        {"id":%d,"provider_name":"prövider","label_name":"label","target_name":"target",\
        "hostname":"host\\"1","nodename":"jenkins-1","external_id":"uuid-1","az":"az1",\
        "ip":"192.0.2.1","ip_private":"10.0.0.1","state":"used","state_time":1416832002,\
        "subnodes":[%s,%s]}"""
            .formatted(
                node,
                subnode.formatted(first, node, "two"),
                subnode.formatted(second, node, "three"));
    assertThat(http.get("/v1/nodes/" + node).body()).isEqualTo(expected);
    assertThat(http.get("/v1/nodes").body()).isEqualTo("[" + expected + "]");
  }

  @Test
  void null_columns_are_null_and_every_key_is_there() {
    long node =
        aNode()
            .provider("")
            .label("")
            .with("target_name", "")
            .without("hostname", "state", "state_time")
            .in(service);
    long subnode = aSubnode(node).in(service);

    String expected =
        """
        {"id":%d,"provider_name":"","label_name":"","target_name":"","hostname":null,\
        "nodename":null,"external_id":null,"az":null,"ip":null,"ip_private":null,"state":null,\
        "state_time":null,"subnodes":[{"id":%d,"node_id":%d,"hostname":null,"external_id":null,\
        "ip":null,"ip_private":null,"state":null,"state_time":null}]}"""
            .formatted(node, subnode, node);
    assertThat(http.get("/v1/nodes/" + node).body()).isEqualTo(expected);
    assertThat(http.get("/v1/nodes").body()).isEqualTo("[" + expected + "]");
  }

  @ParameterizedTest
  @CsvSource({
    "1,building",
    "2,ready",
    "3,used",
    "4,delete",
    "5,hold",
    "6,test",
    "7,failed",
    "8,8",
    "0,0",
    "-1,-1",
    "2147483647,2147483647"
  })
  void a_state_is_shown_by_its_name_and_an_unknown_code_as_its_text(int code, String shown) {
    long node = service.node("directory", code);
    aSubnode(node).state(code).in(service);

    JsonObject json = http.get("/v1/nodes/" + node).json();
    assertThat(json.getString("state")).isEqualTo(shown);
    assertThat(json.getJsonArray("subnodes").getJsonObject(0).getString("state")).isEqualTo(shown);
    assertThat(http.get("/v1/nodes").array().getJsonObject(0)).isEqualTo(json);
  }

  @Test
  void the_list_is_in_order_of_provider_label_and_id_by_code_point() {
    List<String> names =
        List.of(
            "",
            " ",
            "10",
            "9",
            "A",
            "B",
            "a",
            "a ",
            "a  ",
            "aa",
            "a\u0300",
            "b",
            "Ä",
            "ä",
            "\uFFFD",
            "\uD83D\uDE00");
    String lastProvider = "\uD83D\uDE01";
    List<Long> byProvider = new ArrayList<>();
    List<Long> byLabel = new ArrayList<>();
    // each twice, and in the opposite order, so that the ids are of no help
    for (int i = names.size() - 1; i >= 0; i--) {
      String name = names.get(i);
      byProvider.addAll(0, List.of(node(name, "label"), node(name, "label")));
      byLabel.addAll(0, List.of(node(lastProvider, name), node(lastProvider, name)));
    }

    List<Long> expected = new ArrayList<>(byProvider);
    expected.addAll(byLabel);
    List<Long> shown = new ArrayList<>();
    http.get("/v1/nodes").array().forEach(node -> shown.add(((JsonObject) node).getLong("id")));
    assertThat(shown).isEqualTo(expected);
  }

  @Test
  void a_read_sees_what_was_written_before_it() {
    long node = service.node("directory", 2);
    for (int i = 0; i < 50; i++) {
      String state = i % 2 == 0 ? "hold" : "ready";
      assertThat(put(node, state).status()).isEqualTo(200);
      assertThat(stateOf(node)).isEqualTo(state);
      assertThat(http.get("/v1/nodes").array().getJsonObject(0).getString("state"))
          .isEqualTo(state);
    }
    service.sql("UPDATE node SET state = 6 WHERE id = ?", node);
    assertThat(stateOf(node)).isEqualTo("test");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "0",
        "-1",
        "0{id}",
        "-{id}",
        "{id}.0",
        "{id}abc",
        "abc",
        "%20{id}",
        "{id}%20",
        "+{id}",
        "{id}e0",
        "0x1",
        "%D9%A1",
        "%EF%BC%91",
        "{id}%00",
        "{id}%0A",
        "%2F",
        "{id}%2F2",
        "..%2Fnodes",
        "null",
        "*",
        "{id},2",
        "{id};2",
        "%C3",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551617",
        "1111111111111111111111111111111111111111"
      })
  void any_other_text_in_the_place_of_an_id_is_a_node_that_does_not_exist(String id)
      throws Exception {
    String path = "/v1/nodes/" + id.replace("{id}", "" + service.node("directory", 2));
    List<String> before = Tables.rows(service);
    String login = Http.basic("admin:" + TestService.PASSWORD);
    byte[] hold = "{\"state\":\"hold\"}".getBytes();
    try (Wire wire = new Wire(http.port())) {
      for (Http.Answer answer :
          List.of(
              wire.ask("GET", path),
              wire.ask(
                  "PUT", path, hold, "Authorization", login, "Content-Type", "application/json"),
              wire.ask("PUT", path, "Authorization", login),
              wire.ask("DELETE", path, "Authorization", login),
              wire.ask("DELETE", path + "?record_only=true", "Authorization", login))) {
        assertThat(answer.status()).as(answer.toString()).isEqualTo(404);
        Problems.check(answer, path);
      }
    }
    assertThat(Tables.rows(service)).isEqualTo(before);
  }

  @Test
  void an_id_may_be_percent_encoded() {
    long node = service.node("directory", 2);
    StringBuilder encoded = new StringBuilder();
    Long.toString(node).chars().forEach(digit -> encoded.append('%').append(digit - '0' + 30));

    assertThat(http.get("/v1/nodes/" + encoded).json().getLong("id")).isEqualTo(node);
    assertThat(http.put("/v1/nodes/" + encoded, "state=hold").status()).isEqualTo(200);
    assertThat(stateOf(node)).isEqualTo("hold");
  }

  // ---- PUT

  @ParameterizedTest
  @CsvSource({
    "ready, hold, 200, hold",
    "building, hold, 200, hold",
    "used, hold, 200, hold",
    "test, hold, 200, hold",
    "failed, hold, 200, hold",
    "hold, ready, 200, ready",
    "ready, ready, 200, ready",
    "hold, hold, 200, hold",
    "building, ready, 409, building",
    "used, ready, 409, used",
    "test, ready, 409, test",
    "failed, ready, 409, failed",
    "delete, ready, 409, delete",
    "delete, hold, 409, delete"
  })
  void hold_and_ready_are_set_where_they_may_be(String from, String to, int status, String then) {
    List<String> names = List.of("building", "ready", "used", "delete", "hold", "test", "failed");
    long node = service.node("directory", names.indexOf(from) + 1);

    Http.Answer answer = put(node, to);

    assertThat(answer.status()).isEqualTo(status);
    assertThat(stateOf(node)).isEqualTo(then);
    long stateTime = http.get("/v1/nodes/" + node).json().getLong("state_time");
    if (from.equals(then)) {
      assertThat(stateTime).isEqualTo(1416832000);
    } else {
      assertThat(stateTime).isCloseTo(System.currentTimeMillis() / 1000, offset(5L));
    }
    if (status == 200) {
      assertThat(answer.body()).isEmpty();
      assertThat(answer.header("Content-Length")).isEqualTo("0");
    } else {
      Problems.check(answer, "/v1/nodes/" + node);
      assertThat(answer.slug()).isEqualTo("wrong-state");
      assertThat(answer.json().getString("detail")).contains("Node " + node);
    }
  }

  @Test
  void a_node_without_a_state_or_with_an_unknown_one_can_be_held_and_not_made_ready() {
    for (Integer code : new Integer[] {null, 0, 42}) {
      long node = service.node("directory", code);

      assertThat(put(node, "ready").slug()).isEqualTo("wrong-state");
      assertThat(service.sql("SELECT id FROM node WHERE id = ? AND state <=> ?", node, code).size())
          .isEqualTo(1);
      assertThat(put(node, "hold").status()).isEqualTo(200);
      assertThat(stateOf(node)).isEqualTo("hold");
    }
  }

  @Test
  void a_change_of_state_leaves_every_other_column_and_node_alone() {
    long node = fullNode();
    fullSubnode(node, "one");
    service.node("directory", 2);
    List<String> before = Tables.rows(service);

    put(node, "hold");
    service.sql("UPDATE node SET state = 3, state_time = 1416832002 WHERE id = ?", node);

    assertThat(Tables.rows(service)).isEqualTo(before);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "state=", "state=HOLD", "state=Hold", "state=hold%20", "state=%20hold", "state=used",
        "state=delete", "state=building", "state=failed", "state=5", "state=2", "state=null",
        "state=hold,ready", "state=hold%00", "state=ho%6Cd%0A", "state"
      })
  void any_other_value_of_state_is_refused(String form) {
    long node = service.node("directory", 2);
    Http.Answer answer = http.put("/v1/nodes/" + node, form);

    assertThat(answer.status()).isEqualTo(400);
    assertThat(answer.slug()).isEqualTo("bad-value");
    assertThat(answer.json().getString("detail")).contains("'state'", "hold or ready");
    assertThat(stateOf(node)).isEqualTo("ready");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "other=hold", "State=hold", "=hold", "&", "state%20=hold"})
  void a_put_without_state_is_refused(String form) {
    long node = service.node("directory", 2);
    Http.Answer answer = http.put("/v1/nodes/" + node, form);

    assertThat(answer.status()).isEqualTo(400);
    assertThat(answer.slug()).isEqualTo("field-missing");
    assertThat(answer.json().getString("detail")).contains("'state'");
    assertThat(stateOf(node)).isEqualTo("ready");
  }

  @Test
  void that_the_node_exists_is_checked_before_the_field_and_the_field_before_the_state() {
    assertThat(http.put("/v1/nodes/999999", "").slug()).isEqualTo("not-found");
    assertThat(http.put("/v1/nodes/999999", "state=nonsense").slug()).isEqualTo("not-found");
    long deleted = service.node("directory", 4);
    assertThat(http.put("/v1/nodes/" + deleted, "").slug()).isEqualTo("field-missing");
    assertThat(http.put("/v1/nodes/" + deleted, "state=nonsense").slug()).isEqualTo("bad-value");
  }

  @Test
  void of_two_racing_changes_both_answers_are_true_of_the_order_in_which_the_row_changed() {
    long node = service.node("directory", 3);
    for (int round = 0; round < 50; round++) {
      service.sql("UPDATE node SET state = 3 WHERE id = ?", node);

      CompletableFuture<Http.Answer> ready = supplyAsync(() -> put(node, "ready"));
      CompletableFuture<Http.Answer> hold = supplyAsync(() -> put(node, "hold"));

      assertThat(hold.join().status()).isEqualTo(200);
      if (ready.join().status() == 200) { // hold came first
        assertThat(stateOf(node)).isEqualTo("ready");
      } else {
        assertThat(ready.join().slug()).isEqualTo("wrong-state");
        assertThat(stateOf(node)).isEqualTo("hold");
      }
    }
  }

  @Test
  void a_hold_that_races_a_deletion_never_brings_the_node_back() {
    for (int round = 0; round < 20; round++) {
      long node = nodeWithServer("cloud", 2);

      CompletableFuture<Http.Answer> hold = supplyAsync(() -> put(node, "hold"));
      CompletableFuture<Http.Answer> delete = supplyAsync(() -> http.delete("/v1/nodes/" + node));

      assertThat(delete.join().status()).isEqualTo(204);
      assertThat(hold.join().status()).isIn(200, 409);
      assertThat(stateOf(node)).isEqualTo("delete");
    }
  }

  // ---- DELETE

  @Test
  void a_deleted_node_is_gone_with_its_subnodes_and_nothing_else_is() {
    long node = service.node("directory", 2);
    fullSubnode(node, "one");
    service.sql("UPDATE subnode SET external_id = NULL");
    long other = service.node("directory", 2);
    fullSubnode(other, "one");

    Http.Answer answer = http.delete("/v1/nodes/" + node);

    assertThat(answer.status()).isEqualTo(204);
    assertThat(answer.body()).isEmpty();
    assertThat(answer.header("Content-Length")).isNull();
    assertThat(answer.header("Link")).matches("</v1/jobs/[0-9]+>; rel=\"monitor\"");
    JsonObject job = service.ended(answer.job());
    assertThat(job.getString("state")).isEqualTo("succeeded");
    assertThat(job.getString("kind")).isEqualTo("delete-node");
    assertThat(job.getString("subject")).isEqualTo("/v1/nodes/" + node);
    assertThat(http.get("/v1/nodes/" + node).status()).isEqualTo(404);
    assertThat(http.delete("/v1/nodes/" + node).slug()).isEqualTo("not-found");
    assertThat(put(node, "hold").slug()).isEqualTo("not-found");
    assertThat(service.sql("SELECT id FROM subnode WHERE node_id = ?", node).size()).isZero();
    assertThat(http.get("/v1/nodes/" + other).json().getJsonArray("subnodes")).hasSize(1);
  }

  @Test
  void a_node_whose_server_cannot_be_deleted_yet_stays_in_delete_and_its_job_says_why() {
    long node = nodeWithServer("cloud", 5);

    Http.Answer first = http.delete("/v1/nodes/" + node);
    assertThat(first.status()).isEqualTo(204);
    assertThat(stateOf(node)).isEqualTo("delete");
    Poll.until(
        "the job waits",
        () -> {
          JsonObject job = http.get(first.job()).json();
          return "queued".equals(job.getString("state"))
              && String.valueOf(job.getString("phase")).contains("waits until");
        });
    assertThat(http.get(first.job()).json().getString("phase"))
        .contains("cloud", "not supported yet");

    service.sql("UPDATE node SET state_time = 1000 WHERE id = ?", node);
    Http.Answer again = http.delete("/v1/nodes/" + node);
    assertThat(again.status()).isEqualTo(204);
    assertThat(again.job()).isEqualTo(first.job());
    assertThat(http.get("/v1/jobs").array()).hasSize(1);
    JsonObject json = http.get("/v1/nodes/" + node).json();
    assertThat(json.getString("state")).isEqualTo("delete");
    assertThat(json.getLong("state_time")).isEqualTo(1000);

    assertThat(put(node, "hold").slug()).isEqualTo("wrong-state");
    assertThat(http.delete("/v1/nodes/" + node + "?record_only=true").status()).isEqualTo(204);
    assertThat(http.get("/v1/nodes/" + node).status()).isEqualTo(404);
    assertThat(http.get(first.job()).json().getString("state")).isEqualTo("cancelled");
  }

  @Test
  void two_deletions_at_once_are_one_job() {
    for (int round = 0; round < 10; round++) {
      long node = nodeWithServer("cloud", 2);
      var one = supplyAsync(() -> http.delete("/v1/nodes/" + node));
      var two = supplyAsync(() -> http.delete("/v1/nodes/" + node));
      assertThat(one.join().status()).isEqualTo(204);
      assertThat(two.join().job()).isEqualTo(one.join().job());
    }
  }

  @Test
  void a_node_with_a_server_at_a_provider_that_is_gone_is_not_deleted_but_its_record_can_be() {
    long node = nodeWithServer("gone", 2);
    long multi = service.node("gone", 2);
    fullSubnode(multi, "one");
    List<String> before = Tables.rows(service);

    for (long id : new long[] {node, multi}) {
      Http.Answer answer = http.delete("/v1/nodes/" + id);
      assertThat(answer.status()).isEqualTo(409);
      assertThat(answer.slug()).isEqualTo("conflict");
      assertThat(answer.json().getString("detail")).contains("gone", "record_only=true");
      assertThat(http.delete("/v1/nodes/" + id + "?record_only=false").status()).isEqualTo(409);
    }
    assertThat(Tables.rows(service)).isEqualTo(before);

    for (long id : new long[] {node, multi}) {
      Http.Answer answer = http.delete("/v1/nodes/" + id + "?record_only=true");
      assertThat(answer.status()).isEqualTo(204);
      assertThat(answer.header("Link")).isNull();
      assertThat(http.delete("/v1/nodes/" + id + "?record_only=true").status()).isEqualTo(404);
    }
    assertThat(Tables.rows(service)).isEmpty();
  }

  @Test
  void a_node_without_a_server_is_deleted_whatever_its_provider() {
    long node = service.node("gone", null);

    Http.Answer answer = http.delete("/v1/nodes/" + node);

    assertThat(answer.status()).isEqualTo(204);
    assertThat(service.ended(answer.job()).getString("state")).isEqualTo("succeeded");
    assertThat(http.get("/v1/nodes").body()).isEqualTo("[]");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "record_only=maybe",
        "record_only=",
        "record_only",
        "record_only=TRUE",
        "record_only=1",
        "record_only=true&record_only=maybe",
        "recordonly=true",
        "record_only=true&x=1",
        "x"
      })
  void a_deletion_with_any_other_parameter_is_refused(String query) {
    long node = service.node("directory", 2);

    Http.Answer answer = http.delete("/v1/nodes/" + node + "?" + query);

    assertThat(answer.status()).isEqualTo(400);
    Problems.check(answer, "/v1/nodes/" + node);
    assertThat(answer.json().getString("detail")).contains("record_only");
    assertThat(stateOf(node)).isEqualTo("ready");
  }

  private Http.Answer put(long node, String state) {
    return http.put("/v1/nodes/" + node, "state=" + state);
  }

  private String stateOf(long node) {
    return http.get("/v1/nodes/" + node).json().getString("state");
  }

  private long node(String provider, String label) {
    return aNode().provider(provider).label(label).in(service);
  }

  private long nodeWithServer(String provider, int state) {
    long node = service.node(provider, state);
    service.sql("UPDATE node SET external_id = 'server' WHERE id = ?", node);
    return node;
  }

  private long fullNode() {
    return aNode()
        .provider("prövider")
        .label("label")
        .with("target_name", "target")
        .hostname("host\"1")
        .with("nodename", "jenkins-1")
        .externalId("uuid-1")
        .with("az", "az1")
        .with("ip", "192.0.2.1")
        .with("ip_private", "10.0.0.1")
        .state(3)
        .stateTime(1416832002L)
        .in(service);
  }

  private long fullSubnode(long node, String hostname) {
    return aSubnode(node)
        .hostname(hostname)
        .externalId("sub-uuid")
        .with("ip", "192.0.2.2")
        .with("ip_private", "10.0.0.2")
        .state(1)
        .stateTime(1416832003L)
        .in(service);
  }
}
