package org.nodepool.provider;

import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import org.nodepool.model.ProviderCall;

/** Remembers the last call to each provider. Thread-safe. */
public final class CallNotes {
  private final Clock clock;
  private final Map<String, ProviderCall> last = new ConcurrentSkipListMap<>();

  CallNotes(Clock clock) {
    this.clock = clock;
  }

  public void succeeded(String provider) {
    note(provider, null);
  }

  /**
   * @param why a sentence for people
   */
  public void failed(String provider, String why) {
    note(provider, why);
  }

  private void note(String provider, String error) {
    last.put(provider, new ProviderCall(provider, clock.instant().getEpochSecond(), error));
  }

  /** By name. */
  List<ProviderCall> all() {
    return List.copyOf(last.values());
  }
}
