package org.nodepool.api;

import io.vertx.core.Vertx;
import java.util.List;
import java.util.function.Predicate;
import org.nodepool.api.Routes.Access;
import org.nodepool.api.Routes.Operation;

/** The table of routes, for tests elsewhere. */
public final class DeclaredRoutes {
  private DeclaredRoutes() {}

  /** Each as {@code METHOD path}, in the order of the table. */
  public static List<String> all() {
    return names(line -> true);
  }

  /** Those that nobody may use without the login. */
  public static List<String> withLogin() {
    return names(line -> line.access() == Access.LOGIN);
  }

  private static List<String> names(Predicate<Operation> wanted) {
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
      return routes.table().stream()
          .filter(wanted)
          .map(line -> line.method() + " " + line.path())
          .toList();
    } finally {
      vertx.close().await();
    }
  }
}
