package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.eventbus.MessageConsumer;
import io.vertx.core.json.JsonObject;
import io.vertx.junit5.Checkpoint;
import io.vertx.junit5.VertxExtension;
import io.vertx.junit5.VertxTestContext;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What a consumer on the event bus gets. */
@Tag("both-databases")
@ExtendWith(VertxExtension.class)
class EventBusTest {
  private final TestService service = TestService.shared();
  private final Http http = service.http();
  private final List<MessageConsumer<?>> consumers = new ArrayList<>();
  private VertxTestContext test;

  @BeforeEach
  void empty() {
    service.empty();
  }

  @AfterEach
  void listen_no_more() {
    consumers.forEach(consumer -> consumer.unregister().await());
    assertThat(test.causeOfFailure()).as("what came late").isNull();
  }

  /**
   * The events that come, so many and not one more, each as the contract has it. Those of progress
   * are not counted.
   */
  private List<JsonObject> listen(VertxTestContext test, String address, int number) {
    this.test = test;
    List<JsonObject> events = new CopyOnWriteArrayList<>();
    Checkpoint hasCome = test.checkpoint(number);
    consumers.add(
        service
            .vertx()
            .eventBus()
            .<JsonObject>consumer(
                address,
                message ->
                    test.verify(
                        () -> {
                          events.add(message.body());
                          Contract.SERVED.checkEvent(message.body());
                          if (!isProgress(message.body())) {
                            hasCome.flag();
                          }
                        })));
    return events;
  }

  private void awaitAll() throws InterruptedException {
    test.awaitCompletion(5, TimeUnit.SECONDS);
    assertThat(test.causeOfFailure()).isNull();
  }

  @Test
  void a_build_is_followed_from_its_row_to_its_end_in_order(VertxTestContext test)
      throws Exception {
    List<JsonObject> all = listen(test, "nodepool.events", 10);

    Http.Answer created = http.post("/v1/dib_images/no-such-element/build");
    service.ended(created.job());
    Http.Answer deleted = http.delete(created.location());
    service.ended(deleted.job());

    awaitAll();
    assertThat(said(all))
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
  void an_event_has_the_keys_of_the_contract_and_the_object_as_of_the_change(VertxTestContext test)
      throws Exception {
    List<JsonObject> all = listen(test, "nodepool.events", 1);
    long id = service.node("directory", 2);

    http.put("/v1/nodes/" + id, "state=hold");

    awaitAll();
    assertThat(all).hasSize(1);
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
  void an_address_of_one_kind_has_the_events_of_that_kind_alone(VertxTestContext test)
      throws Exception {
    List<JsonObject> ofNodes = listen(test, "nodepool.events.node", 2);
    // five of the build and its job, two of the node, three of its deletion's job
    List<JsonObject> all = listen(test, "nodepool.events", 10);
    long id = service.node("directory", 2);
    Http.Answer build = http.post("/v1/dib_images/no-such-element/build");

    service.ended(http.delete("/v1/nodes/" + id).job());
    service.ended(build.job());

    awaitAll();
    assertThat(said(all)).hasSize(10);
    assertThat(ofNodes).hasSize(2);
    assertThat(ofNodes).extracting(event -> event.getString("kind")).containsOnly("node");
    assertThat(ofNodes.get(1).getString("state")).isNull();
    assertThat(ofNodes.get(1).getString("old_state")).isEqualTo("delete");
  }

  @Test
  void what_changes_nothing_or_is_refused_is_no_event(VertxTestContext test) throws Exception {
    List<JsonObject> all = listen(test, "nodepool.events", 1);
    long id = service.node("directory", 5);

    http.put("/v1/nodes/" + id, "state=hold");
    http.put("/v1/nodes/" + id, "state=used");
    http.put("/v1/nodes/" + (id + 1), "state=hold");
    http.put("/v1/nodes/" + id, "state=ready");

    awaitAll();
    assertThat(said(all)).containsExactly("/v1/nodes/" + id + " hold>ready");
  }

  private static boolean isProgress(JsonObject event) {
    return event.getString("kind").equals("progress");
  }

  private static List<String> said(List<JsonObject> events) {
    return events.stream()
        .filter(event -> !isProgress(event))
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
