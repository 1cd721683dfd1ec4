package org.nodepool.api;

import io.vertx.core.Future;
import java.util.List;

/** Whether the service can do its work; asked by {@code GET /readyz}. */
public interface Readiness {
  /**
   * The result of a look: sentences for people, without secrets.
   *
   * @param reasons why it cannot do its work; empty when it can
   * @param warnings what an operator should look after, though it works
   */
  record Report(List<String> reasons, List<String> warnings) {
    public Report {
      reasons = List.copyOf(reasons);
      warnings = List.copyOf(warnings);
    }
  }

  /**
   * Looks anew. Is called on the event loop and must not block; requests that come while it looks
   * share the report. A look that takes longer than a request may wait is reported as that.
   */
  Future<Report> check();
}
