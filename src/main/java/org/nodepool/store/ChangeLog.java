package org.nodepool.store;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.nodepool.model.Event;

/** What this process has committed, told to whoever listens, one event after the other. */
public final class ChangeLog {
  private final List<Consumer<Event>> listeners = new CopyOnWriteArrayList<>();

  /** From now on {@code listener} gets every event; it must not block. */
  public void subscribe(Consumer<Event> listener) {
    listeners.add(listener);
  }

  /** Synchronized, so that all listeners see the events of two transactions in one order. */
  synchronized void append(List<Event> events) {
    events.forEach(event -> listeners.forEach(listener -> listener.accept(event)));
  }
}
