package org.nodepool;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.aSubnode;

import io.vertx.core.json.JsonObject;
import java.io.EOFException;
import java.io.IOException;
import java.net.SocketException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code /v1/events}. */
@Tag("both-databases")
class EventStreamTest {
  private final TestService service = TestService.shared();
  private final Http http = service.http();

  @BeforeEach
  void empty() {
    service.empty();
  }

  /** A listener, whose thread takes what comes as it comes. */
  private static final class Listener implements AutoCloseable {
    private final Wire wire;
    private final BlockingQueue<JsonObject> events = new LinkedBlockingQueue<>();

    /** Returns when it is listened to. */
    Listener(int port, String query) throws IOException {
      wire = new Wire(port);
      wire.patience(60_000);
      wire.send("GET /v1/events" + query + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
      Http.Answer head = wire.read("GET", "/v1/events" + query);
      assertThat(head.status()).isEqualTo(200);
      assertThat(head.header("Content-Type")).isEqualTo("text/event-stream");
      assertThat(head.header("Cache-Control")).isEqualTo("no-cache");
      assertThat(new String(wire.chunk(), UTF_8)).startsWith(":");
      Thread reader = new Thread(this::read, "events");
      reader.setDaemon(true);
      reader.start();
    }

    private void read() {
      StringBuilder text = new StringBuilder();
      try {
        while (true) {
          text.append(new String(wire.chunk(), UTF_8));
          for (int end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
            String event = text.substring(0, end);
            text.delete(0, end + 2);
            if (!event.startsWith(":")) {
              events.add(parse(event));
            }
          }
        }
      } catch (IOException e) {
        // closed
      }
    }

    private static JsonObject parse(String event) {
      String[] lines = event.split("\n");
      JsonObject json = new JsonObject(lines[1].substring("data: ".length()));
      assertThat(lines).containsExactly("event: " + json.getString("kind"), lines[1]);
      return json;
    }

    JsonObject next() throws InterruptedException {
      JsonObject event = events.poll(10, TimeUnit.SECONDS);
      assertThat(event).as("an event").isNotNull();
      Contract.SERVED.checkEvent(event);
      return event;
    }

    /** The next ones, in short: kind, old state and state. Progress is left out. */
    List<String> next(int number) throws InterruptedException {
      List<String> all = new ArrayList<>();
      while (all.size() < number) {
        JsonObject event = next();
        String kind = event.getString("kind");
        if (!kind.equals("progress")) {
          all.add(kind + " " + event.getString("old_state") + " " + event.getString("state"));
        }
      }
      return all;
    }

    @Override
    public void close() throws IOException {
      wire.close();
    }
  }

  @Test
  void an_event_tells_the_change_and_the_row_as_of_it_without_its_subnodes() throws Exception {
    long node = service.node("directory", 2);
    aSubnode(node).in(service);
    try (Listener listener = new Listener(http.port(), "")) {
      put(node, "hold");

      JsonObject event = listener.next();
      assertThat(event.fieldNames())
          .containsExactly("id", "time", "kind", "subject", "old_state", "state", "data");
      assertThat(event.getString("kind")).isEqualTo("node");
      assertThat(event.getString("subject")).isEqualTo("/v1/nodes/" + node);
      assertThat(event.getString("old_state")).isEqualTo("ready");
      assertThat(event.getString("state")).isEqualTo("hold");
      JsonObject now = http.get("/v1/nodes/" + node).json();
      assertThat(now.getJsonArray("subnodes")).hasSize(1);
      now.remove("subnodes");
      assertThat(event.getJsonObject("data").encode()).isEqualTo(now.encode());
      assertThat(event.getLong("time")).isEqualTo(now.getLong("state_time"));
    }
  }

  @Test
  void the_life_of_a_node_and_of_the_job_that_deletes_it_is_told_in_order() throws Exception {
    long node = service.node("directory", 2);
    try (Listener listener = new Listener(http.port(), "")) {
      put(node, "hold");
      put(node, "ready");
      String job = http.delete("/v1/nodes/" + node).job();

      assertThat(listener.next(7))
          .containsExactly(
              "node ready hold",
              "node hold ready",
              "node ready delete",
              "job null queued",
              "job queued running",
              "node delete null",
              "job running succeeded");
      assertThat(service.ended(job).getString("state")).isEqualTo("succeeded");
    }
  }

  @Test
  void a_removal_has_the_last_row_and_a_failed_job_its_reason() throws Exception {
    long image = service.image("directory", 2, "../outside");
    try (Listener listener = new Listener(http.port(), "?kind=image&kind=job")) {
      String job = http.delete("/v1/images/" + image).job();
      assertThat(listener.next(3))
          .containsExactly("image ready delete", "job null queued", "job queued running");
      JsonObject failed = listener.next();
      assertThat(failed.getString("state")).isEqualTo("failed");
      assertThat(failed.getString("subject")).isEqualTo(job);
      assertThat(failed.getJsonObject("data").encode()).isEqualTo(http.get(job).body());
      assertThat(failed.getJsonObject("data").getString("error")).isNotBlank();

      String last = http.get("/v1/images/" + image).body();
      http.delete("/v1/images/" + image + "?record_only=true");
      JsonObject removed = listener.next();
      assertThat(removed.getString("kind")).isEqualTo("image");
      assertThat(removed.getString("old_state")).isEqualTo("delete");
      assertThat(removed.getString("state")).isNull();
      assertThat(removed.getJsonObject("data").encode()).isEqualTo(last);
    }
  }

  @Test
  void a_new_row_has_no_old_state() throws Exception {
    aJob().image("tiny").dibImage(1L).in(service);
    try (Listener listener = new Listener(http.port(), "?kind=image")) {
      String image =
          http.post("/v1/images/tiny-image/update", "provider_name=directory").location();

      JsonObject event = listener.next();
      assertThat(event.getString("subject")).isEqualTo(image);
      assertThat(event.getString("old_state")).isNull();
      assertThat(event.getString("state")).isEqualTo("building");
      assertThat(event.getJsonObject("data").getString("image_name")).isEqualTo("tiny-image");
    }
  }

  @Test
  void what_changes_no_state_is_no_event() throws Exception {
    long node = service.node("directory", 5);
    long other = service.node("directory", 2);
    try (Listener listener = new Listener(http.port(), "")) {
      put(node, "hold");
      put(other, "nonsense");
      http.put("/v1/nodes/" + other, "");
      http.anonymous().put("/v1/nodes/" + other, "state=hold");
      assertThat(put(other, "ready").status()).isEqualTo(200);
      put(other, "hold");

      assertThat(listener.next().getString("subject")).isEqualTo("/v1/nodes/" + other);
    }
  }

  @Test
  void a_listener_hears_only_the_kinds_and_subjects_it_asks_for() throws Exception {
    long one = service.node("directory", 2);
    long two = service.node("directory", 2);
    String subjectTwo = "subject=/v1/nodes/" + two;
    try (Listener nodes = new Listener(http.port(), "?kind=node");
        Listener jobs = new Listener(http.port(), "?kind=job");
        Listener ofTwo = new Listener(http.port(), "?" + subjectTwo);
        Listener ofBoth =
            new Listener(http.port(), "?subject=/v1/nodes/" + one + "&" + subjectTwo);
        Listener jobsOfTwo = new Listener(http.port(), "?kind=job&" + subjectTwo);
        Listener everything = new Listener(http.port(), "")) {
      put(one, "hold");
      put(two, "hold");
      service.ended(http.delete("/v1/nodes/" + two).job());

      assertThat(nodes.next(4))
          .containsExactly(
              "node ready hold", "node ready hold", "node hold delete", "node delete null");
      assertThat(jobs.next(3))
          .containsExactly("job null queued", "job queued running", "job running succeeded");
      assertThat(ofTwo.next(3))
          .containsExactly("node ready hold", "node hold delete", "node delete null");
      assertThat(ofBoth.next(4)).hasSize(4);
      assertThat(everything.next(7)).hasSize(7);
      assertThat(nodes.events).isEmpty();
      assertThat(ofTwo.events).isEmpty();
      assertThat(ofBoth.events).isEmpty();
      assertThat(jobsOfTwo.events).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"kinds=node", "state=ready", "follow=true", "kind=node&x=1", "id"})
  void an_unknown_parameter_is_refused(String query) throws IOException {
    try (Wire wire = new Wire(http.port())) {
      Http.Answer answer = wire.ask("GET", "/v1/events?" + query);
      assertThat(answer.status()).isEqualTo(400);
      Problems.check(answer, "/v1/events");
      assertThat(answer.json().getString("detail")).contains("kind, subject");
    }
  }

  @Test
  void head_has_the_type_and_ends() throws IOException {
    try (Wire wire = new Wire(http.port())) {
      Http.Answer head = wire.ask("HEAD", "/v1/events");
      assertThat(head.status()).isEqualTo(200);
      assertThat(head.header("Content-Type")).isEqualTo("text/event-stream");
      assertThat(wire.ask("GET", "/v1/jobs").body()).isEqualTo("[]");
    }
  }

  @Test
  void a_listener_that_went_away_harms_nobody() throws Exception {
    long node = service.node("directory", 2);
    try (Listener stays = new Listener(http.port(), "")) {
      for (int i = 0; i < 20; i++) {
        new Listener(http.port(), "").close();
      }
      put(node, "hold");
      put(node, "ready");
      assertThat(stays.next(2)).containsExactly("node ready hold", "node hold ready");
    }
  }

  @Test
  void a_listener_that_does_not_read_is_cut_off_and_the_others_miss_nothing() throws Exception {
    int events = 500;
    long node = service.node("directory", 2);
    String wide = "\1".repeat(255); // 1.5 KB of JSON
    service.sql(
        "UPDATE node SET hostname = ?, nodename = ?, external_id = ?, az = ?, ip = ?,"
            + " ip_private = ?, label_name = ?, target_name = ? WHERE id = ?",
        wide,
        wide,
        wide,
        wide,
        wide,
        wide,
        wide,
        wide,
        node);
    try (Wire deaf = new Wire(http.port(), 4096);
        Listener listener = new Listener(http.port(), "")) {
      deaf.send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
      assertThat(deaf.read("GET", "/v1/events").status()).isEqualTo(200);

      for (int i = 0; i < events; i++) {
        assertThat(put(node, i % 2 == 0 ? "hold" : "ready").status()).isEqualTo(200);
      }

      for (int i = 0; i < events; i++) {
        assertThat(listener.next().getString("state")).isEqualTo(i % 2 == 0 ? "hold" : "ready");
      }
      deaf.patience(2_000);
      assertThatThrownBy(
              () -> {
                while (deaf.chunk().length > 0) {
                  // what was sent before
                }
              })
          // a time-out would be a connection that is still open
          .isInstanceOfAny(SocketException.class, EOFException.class, NumberFormatException.class);
    }
  }

  private Http.Answer put(long node, String state) {
    return http.put("/v1/nodes/" + node, "state=" + state);
  }
}
