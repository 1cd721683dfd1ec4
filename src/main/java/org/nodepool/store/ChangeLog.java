package org.nodepool.store;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.nodepool.model.Event;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What this process has committed, told to whoever listens, one event after the other. */
public final class ChangeLog {
  private static final Logger log = LoggerFactory.getLogger(ChangeLog.class);

  private final List<Consumer<Event>> listeners = new CopyOnWriteArrayList<>();

  /** From now on {@code listener} gets every event; it must not block. */
  public void subscribe(Consumer<Event> listener) {
    listeners.add(listener);
  }

  /** Synchronized, so that all listeners see the events of two transactions in one order. */
  synchronized void append(List<Event> events) {
    events.forEach(event -> listeners.forEach(listener -> tell(listener, event)));
  }

  /** A listener that fails cannot undo what is committed. */
  private static void tell(Consumer<Event> listener, Event event) {
    try {
      listener.accept(event);
    } catch (RuntimeException e) {
      log.error("event {} of {} is not told", event.kind(), event.subject(), e);
    }
  }
}
