package org.nodepool.events;

import io.vertx.core.eventbus.EventBus;
import io.vertx.core.json.JsonObject;
import org.nodepool.model.Event;
import org.nodepool.store.ChangeLog;
import org.nodepool.view.Json;

/**
 * Publishes committed events: each under {@link #ALL}, and under {@link #ALL} with its kind
 * appended. The body is the event as a {@link JsonObject}.
 */
public final class EventPublisher {
  /** The address of all events; {@code nodepool.events.<kind>} has those of one kind. */
  public static final String ALL = "nodepool.events";

  private EventPublisher() {}

  /** From now on everything that {@code changes} tells is published on {@code bus}. */
  public static void start(ChangeLog changes, EventBus bus) {
    changes.subscribe(event -> publish(bus, event));
  }

  private static void publish(EventBus bus, Event event) {
    JsonObject body = new JsonObject(Json.event(event));
    bus.publish(ALL, body);
    bus.publish(ALL + "." + event.kind(), body);
  }
}
