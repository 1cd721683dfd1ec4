package org.nodepool.api;

import static io.vertx.core.http.HttpMethod.DELETE;
import static io.vertx.core.http.HttpMethod.GET;
import static io.vertx.core.http.HttpMethod.HEAD;
import static io.vertx.core.http.HttpMethod.OPTIONS;
import static io.vertx.core.http.HttpMethod.POST;
import static io.vertx.core.http.HttpMethod.PUT;
import static org.nodepool.api.Offer.EVENTS;
import static org.nodepool.api.Offer.JSON;
import static org.nodepool.api.Offer.JSON_OR_TABLE;
import static org.nodepool.api.Offer.LOG;
import static org.nodepool.api.Offer.NOTHING;
import static org.nodepool.api.Offer.TEXT;
import static org.nodepool.api.Routes.Access.ANYBODY;
import static org.nodepool.api.Routes.Access.LOGIN;
import static org.nodepool.api.Routes.Access.READERS;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpMethod;
import io.vertx.ext.web.Route;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.nodepool.model.Problem;
import org.nodepool.view.Kind;

/**
 * The table of routes, one line each. Every method but GET asks for the login and then reads the
 * body: there is no way to add a write without. HEAD, OPTIONS, 405 and its Allow follow from the
 * table.
 */
public final class Routes {
  /** Who may use an operation. */
  enum Access {
    /** Always: nothing is told but that there is an answer. */
    ANYBODY,
    /** Whoever may read, which is anybody unless reads are protected. */
    READERS,
    /**
     * Nobody without the login: each write, and reads of text that others have written, such as
     * what a machine prints and what strangers' things at a provider are called.
     */
    LOGIN
  }

  /** A line of the table; {@code path} with parameters as {@code :name}. */
  record Operation(
      HttpMethod method,
      String path,
      Access access,
      Offer offer,
      Function<RoutingContext, Future<Answer>> handler) {
    Operation {
      if (method != GET && access != Access.LOGIN) {
        throw new IllegalArgumentException(method + " " + path + " without the login");
      }
    }

    boolean isWrite() {
      return method != GET;
    }
  }

  /** Longer than the work before a write takes by itself; a disk or mount may hang for ever. */
  private static final long BEFORE_WRITES_LIMIT_SECONDS = 5;

  /**
   * The objects that requests have to pass, and the one that counts them.
   *
   * @param beforeWrites reads the pool's configuration before the operation of each write, which
   *     waits for it, but not for ever; its failure is the write's
   * @param protectReads whether reads need a login too
   */
  record Guards(
      Metrics metrics,
      Proxies proxies,
      Login login,
      CrossOrigin crossOrigin,
      Body body,
      Supplier<Future<Void>> beforeWrites,
      boolean protectReads) {}

  private final List<Operation> table;

  Routes(
      Polls polls,
      NodeHandlers nodes,
      ImageHandlers images,
      DibImageHandlers dibImages,
      JobHandlers jobs,
      ProviderHandlers providers,
      EventHandlers events,
      OpenApiHandlers openApi,
      SelfHandlers self,
      Function<RoutingContext, Future<Answer>> metrics) {
    // spotless:off
    table = List.of(
        new Operation(GET,    "/v1/nodes",                         READERS, JSON_OR_TABLE, polls.list(Kind.NODE)),
        new Operation(GET,    "/v1/nodes/summary",                 READERS, JSON_OR_TABLE, polls.summary(Kind.NODE)),
        new Operation(GET,    "/v1/nodes/:id",                     READERS, JSON,          polls.one(Kind.NODE)),
        new Operation(PUT,    "/v1/nodes/:id",                     LOGIN,   NOTHING,       nodes::put),
        new Operation(DELETE, "/v1/nodes/:id",                     LOGIN,   NOTHING,       nodes::delete),
        new Operation(GET,    "/v1/nodes/:id/console",             LOGIN,   TEXT,          nodes::console),
        new Operation(GET,    "/v1/images",                        READERS, JSON_OR_TABLE, polls.list(Kind.SNAPSHOT_IMAGE)),
        new Operation(GET,    "/v1/images/summary",                READERS, JSON_OR_TABLE, polls.summary(Kind.SNAPSHOT_IMAGE)),
        new Operation(GET,    "/v1/images/:id",                    READERS, JSON,          polls.one(Kind.SNAPSHOT_IMAGE)),
        new Operation(DELETE, "/v1/images/:id",                    LOGIN,   NOTHING,       images::delete),
        new Operation(POST,   "/v1/images/:image/update",          LOGIN,   NOTHING,       images::update),
        new Operation(GET,    "/v1/dib_images",                    READERS, JSON_OR_TABLE, polls.list(Kind.DIB_IMAGE)),
        new Operation(GET,    "/v1/dib_images/summary",            READERS, JSON_OR_TABLE, polls.summary(Kind.DIB_IMAGE)),
        new Operation(GET,    "/v1/dib_images/:id",                READERS, JSON,          polls.one(Kind.DIB_IMAGE)),
        new Operation(DELETE, "/v1/dib_images/:id",                LOGIN,   NOTHING,       dibImages::delete),
        new Operation(POST,   "/v1/dib_images/:name/build",        LOGIN,   NOTHING,       dibImages::build),
        new Operation(POST,   "/v1/dib_images/:name/upload",       LOGIN,   NOTHING,       dibImages::upload),
        new Operation(GET,    "/v1/jobs",                          READERS, JSON_OR_TABLE, polls.list(Kind.JOB)),
        new Operation(GET,    "/v1/jobs/summary",                  READERS, JSON_OR_TABLE, polls.summary(Kind.JOB)),
        new Operation(GET,    "/v1/jobs/:id",                      READERS, JSON,          jobs::get),
        new Operation(DELETE, "/v1/jobs/:id",                      LOGIN,   NOTHING,       jobs::cancel),
        new Operation(POST,   "/v1/jobs/:id/retry",                LOGIN,   NOTHING,       jobs::retry),
        new Operation(GET,    "/v1/jobs/:id/attempts",             READERS, JSON,          jobs::attempts),
        new Operation(GET,    "/v1/jobs/:id/log",                  READERS, LOG,           jobs::log),
        new Operation(GET,    "/v1/providers",                     READERS, JSON,          providers::list),
        new Operation(GET,    "/v1/providers/:name/alien_servers", LOGIN,   JSON,          providers::alienServers),
        new Operation(GET,    "/v1/providers/:name/alien_images",  LOGIN,   JSON,          providers::alienImages),
        new Operation(GET,    "/v1/events",                        READERS, EVENTS,        events::stream),
        new Operation(GET,    "/v1",                               READERS, JSON,          ctx -> self.version(ctx, this::links)),
        new Operation(GET,    "/openapi.json",                     READERS, JSON,          openApi::get),
        new Operation(GET,    "/healthz",                          ANYBODY, JSON,          self::healthz),
        new Operation(GET,    "/readyz",                           READERS, JSON,          self::readyz),
        new Operation(GET,    "/metrics",                          READERS, TEXT,          metrics));
    // spotless:on
  }

  /** The lines, in the order of the contract. */
  List<Operation> table() {
    return table;
  }

  /** What can be read without knowing a name, or what to ask. */
  private List<String> links() {
    return table.stream()
        .filter(operation -> operation.method() == GET && !operation.path().contains(":"))
        .map(Operation::path)
        .filter(path -> !path.equals("/v1") && !path.endsWith("/summary"))
        .toList();
  }

  Router router(Vertx vertx, Guards guards) {
    Router router = Router.router(vertx);
    Failures.install(router);
    router
        .route()
        .handler(
            ctx -> {
              guards.proxies().begin(ctx);
              AccessLog.begin(ctx);
              guards.metrics().begin(ctx);
              ctx.next();
            });
    router.route().handler(guards.crossOrigin()::share);
    // path by path: a method that one refuses must not reach another with a parameter in its place
    byPath()
        .forEach(
            (path, operations) -> {
              operations.forEach(operation -> add(router, operation, guards));
              String allowed = allowed(operations);
              router.route(path).handler(ctx -> refuse(ctx, guards.crossOrigin(), allowed));
            });
    return router;
  }

  /** The lines of each path, in the order of the table. */
  private Map<String, List<Operation>> byPath() {
    return table.stream()
        .collect(Collectors.groupingBy(Operation::path, LinkedHashMap::new, Collectors.toList()));
  }

  private static void add(Router router, Operation operation, Guards guards) {
    with(router, operation)
        .handler(
            ctx -> {
              Metrics.route(ctx, operation);
              ctx.next();
            });
    boolean isProtected =
        switch (operation.access()) {
          case ANYBODY -> false;
          case READERS -> guards.protectReads();
          case LOGIN -> true;
        };
    if (isProtected) {
      with(router, operation).handler(guards.login());
    }
    if (operation.isWrite()) {
      with(router, operation).handler(guards.crossOrigin()::refuseForeign);
      with(router, operation).handler(guards.body()::read);
      with(router, operation)
          .handler(
              ctx ->
                  inTime(guards.beforeWrites().get())
                      .onSuccess(v -> ctx.next())
                      .onFailure(ctx::fail));
    }
    with(router, operation).handler(ctx -> answer(ctx, operation));
  }

  private static Future<Void> inTime(Future<Void> read) {
    return read.timeout(BEFORE_WRITES_LIMIT_SECONDS, TimeUnit.SECONDS)
        .recover(
            e ->
                Future.failedFuture(
                    e instanceof TimeoutException
                        ? new Problem.Unavailable(
                            "nodepool.yaml cannot be read in time. Try again.")
                        : e));
  }

  private static void refuse(RoutingContext ctx, CrossOrigin crossOrigin, String allowed) {
    ctx.response().putHeader("Allow", allowed);
    if (ctx.request().method() == OPTIONS) {
      crossOrigin.preflight(ctx, allowed);
      ctx.response().setStatusCode(204).end();
    } else {
      ctx.fail(405);
    }
  }

  private static Route with(Router router, Operation operation) {
    Route route = router.route(operation.path()).method(operation.method());
    return operation.method() == GET ? route.method(HEAD) : route;
  }

  private static void answer(RoutingContext ctx, Operation operation) {
    Future.succeededFuture(ctx)
        .map(operation.offer()::negotiate)
        .compose(operation.handler())
        .map(
            answer -> {
              answer.send(ctx.response());
              return answer;
            })
        .onFailure(ctx::fail);
  }

  /** The value of Allow. */
  private static String allowed(List<Operation> ofPath) {
    TreeSet<String> methods = new TreeSet<>(List.of(OPTIONS.name()));
    for (Operation operation : ofPath) {
      methods.add(operation.method().name());
      if (operation.method() == GET) {
        methods.add(HEAD.name());
      }
    }
    return String.join(", ", methods);
  }
}
