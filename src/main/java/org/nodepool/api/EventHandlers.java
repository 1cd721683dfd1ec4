package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.web.RoutingContext;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.nodepool.events.EventPublisher;
import org.nodepool.model.Event;
import org.nodepool.model.Problem;

/**
 * {@code /v1/events}: what is published on the event bus, live, as server-sent events. Lives on one
 * event loop, so its set of clients needs no lock.
 */
final class EventHandlers {
  private static final long HEARTBEAT_MS = 15_000;

  /** A client that is this far behind is cut off; it may connect again. */
  private static final int BUFFER_BYTES = 256 * 1024;

  /** A listener; empty filters let everything through. */
  private record Client(HttpServerResponse response, List<String> kinds, List<String> subjects) {
    boolean wants(JsonObject event) {
      return (kinds.isEmpty() || kinds.contains(event.getString("kind")))
          && (subjects.isEmpty() || subjects.contains(event.getString("subject")));
    }
  }

  private final Set<Client> clients = new HashSet<>();

  EventHandlers(Vertx vertx) {
    vertx.eventBus().<JsonObject>consumer(EventPublisher.ALL, message -> publish(message.body()));
    vertx.setPeriodic(HEARTBEAT_MS, timer -> each(clients, ": still here\n\n"));
  }

  Future<Answer> stream(RoutingContext ctx) {
    Input.onlyQuery(ctx, "kind", "subject");
    Map<String, List<String>> given = Input.parameters(ctx);
    List<String> kinds = given.getOrDefault("kind", List.of());
    kinds.forEach(EventHandlers::checkKind);
    List<String> subjects = given.getOrDefault("subject", List.of());
    return Future.succeededFuture(
        response -> {
          response
              .putHeader(HttpHeaders.CONTENT_TYPE, "text/event-stream")
              .putHeader(ResponseHead.ACCEL_BUFFERING, "no");
          if (ctx.request().method() == HttpMethod.HEAD) {
            response.end();
            return;
          }
          Metrics.hold(ctx);
          Client client = new Client(response, kinds, subjects);
          response.setChunked(true).setWriteQueueMaxSize(BUFFER_BYTES);
          ctx.addEndHandler(ended -> clients.remove(client));
          clients.add(client);
          response.write(": listening\n\n");
        });
  }

  private static void checkKind(String kind) {
    if (!Event.KINDS.contains(kind)) {
      throw new Problem.BadValue(
          "There are no events of kind '%s'; allowed: %s."
              .formatted(kind, String.join(", ", Event.KINDS)));
    }
  }

  private void publish(JsonObject event) {
    if (!clients.isEmpty()) {
      String text = "event: %s\ndata: %s\n\n".formatted(event.getString("kind"), event.encode());
      each(clients.stream().filter(client -> client.wants(event)).toList(), text);
    }
  }

  private void each(Iterable<Client> receivers, String text) {
    List<Client> behind = new ArrayList<>();
    for (Client client : receivers) {
      if (client.response().writeQueueFull()) {
        behind.add(client);
      } else {
        client.response().write(text);
      }
    }
    behind.forEach(
        client -> {
          clients.remove(client);
          client.response().reset();
        });
  }
}
