package org.nodepool.api;

import io.vertx.core.Vertx;
import java.util.List;

/** The table of routes, for tests elsewhere. */
public final class DeclaredRoutes {
  private DeclaredRoutes() {}

  /** Each as {@code METHOD path}, in the order of the table. */
  public static List<String> all() {
    Vertx vertx = Vertx.vertx();
    try {
      Routes routes =
          new Routes(
              new Polls(null, null),
              new NodeHandlers(null, null, null),
              new ImageHandlers(null, null),
              new DibImageHandlers(null, null, null),
              new JobHandlers(null, null, null, null, null),
              new ProviderHandlers(null),
              new EventHandlers(vertx),
              new OpenApiHandlers(),
              new SelfHandlers(null),
              ctx -> null);
      return routes.table().stream().map(line -> line.method() + " " + line.path()).toList();
    } finally {
      vertx.close().await();
    }
  }
}
