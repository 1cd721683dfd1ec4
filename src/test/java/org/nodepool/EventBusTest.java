package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.eventbus.MessageConsumer;
import io.vertx.core.json.JsonObject;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What a consumer on the event bus gets. */
@Tag("both-databases")
class EventBusTest {
  private final TestService service = TestService.shared();
  private final Http http = service.http();
  private final List<JsonObject> all = new CopyOnWriteArrayList<>();
  private final List<JsonObject> ofNodes = new CopyOnWriteArrayList<>();
  private MessageConsumer<JsonObject> consumer;
  private MessageConsumer<JsonObject> nodeConsumer;

  @BeforeEach
  void listen() {
    service.empty();
    var bus = service.vertx().eventBus();
    consumer = bus.consumer("nodepool.events", message -> all.add(message.body()));
    nodeConsumer = bus.consumer("nodepool.events.node", message -> ofNodes.add(message.body()));
  }

  @AfterEach
  void listen_no_more() {
    consumer.unregister().await();
    nodeConsumer.unregister().await();
    all.forEach(Contract.SERVED::checkEvent);
  }

  @Test
  void a_build_is_followed_from_its_row_to_its_end_in_order() {
    Http.Answer created = http.post("/v1/dib_images/no-such-element/build");
    service.ended(created.job());
    Http.Answer deleted = http.delete(created.location());
    service.ended(deleted.job());

    Poll.until(
        "the deletion's job has succeeded",
        Duration.ofSeconds(5),
        () -> said().contains(deleted.job() + " running>succeeded"));
    assertThat(said())
        .containsExactly(
            created.location() + " null>building",
            created.job() + " null>queued",
            created.job() + " queued>running",
            created.location() + " building>failed",
            created.job() + " running>failed",
            created.location() + " failed>delete",
            deleted.job() + " null>queued",
            deleted.job() + " queued>running",
            created.location() + " delete>null",
            deleted.job() + " running>succeeded");
  }

  @Test
  void an_event_has_the_keys_of_the_contract_and_the_object_as_of_the_change() {
    long id = service.node("directory", 2);

    http.put("/v1/nodes/" + id, "state=hold");

    Poll.until("an event", Duration.ofSeconds(5), () -> all.size() == 1);
    JsonObject event = all.get(0);
    assertThat(event.fieldNames())
        .containsExactly("id", "time", "kind", "subject", "old_state", "state", "data");
    assertThat(event.getString("kind")).isEqualTo("node");
    JsonObject node = http.get("/v1/nodes/" + id).json();
    node.remove("subnodes");
    assertThat(event.getJsonObject("data")).isEqualTo(node);
    assertThat(event.getLong("time")).isEqualTo(node.getLong("state_time"));
  }

  @Test
  void an_address_of_one_kind_has_the_events_of_that_kind_alone() {
    long id = service.node("directory", 2);
    http.post("/v1/dib_images/no-such-element/build");

    http.delete("/v1/nodes/" + id);

    Poll.until("the removal", Duration.ofSeconds(5), () -> ofNodes.size() == 2);
    assertThat(ofNodes).extracting(event -> event.getString("kind")).containsOnly("node");
    assertThat(ofNodes.get(1).getString("state")).isNull();
    assertThat(ofNodes.get(1).getString("old_state")).isEqualTo("delete");
  }

  @Test
  void what_changes_nothing_or_is_refused_is_no_event() {
    long id = service.node("directory", 5);

    http.put("/v1/nodes/" + id, "state=hold");
    http.put("/v1/nodes/" + id, "state=used");
    http.put("/v1/nodes/" + (id + 1), "state=hold");
    http.put("/v1/nodes/" + id, "state=ready");

    Poll.until("the one change", Duration.ofSeconds(5), () -> !all.isEmpty());
    assertThat(said()).containsExactly("/v1/nodes/" + id + " hold>ready");
  }

  private List<String> said() {
    return all.stream()
        .filter(event -> !event.getString("kind").equals("progress"))
        .map(
            event ->
                "%s %s>%s"
                    .formatted(
                        event.getString("subject"),
                        event.getString("old_state"),
                        event.getString("state")))
        .toList();
  }
}
