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

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpMethod;
import io.vertx.ext.web.Route;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.nodepool.model.Problem;
import org.nodepool.view.Kind;

/**
 * The table of routes, one line each. Whatever is not a GET asks for the login and then reads the
 * body: there is no way to add a write without. HEAD, OPTIONS, 405 and its Allow follow from the
 * table.
 */
public final class Routes {
  /** A line of the table; {@code path} with parameters as {@code :name}. */
  public record Line(
      HttpMethod method,
      String path,
      Offer offer,
      Function<RoutingContext, Future<Answer>> handler) {}

  /** More than what is done before a write takes by itself; a disk or mount may hang for ever. */
  private static final long BEFORE_WRITES_LIMIT_SECONDS = 5;

  /** What is open also when reads are protected: it tells nothing but that there is an answer. */
  private static final Set<String> ALWAYS_OPEN = Set.of("/healthz");

  /**
   * What requests have to pass, and what counts them.
   *
   * @param beforeWrites reads the pool's configuration before the operation of each write, which
   *     waits for it, but not for ever; its failure is the write's
   * @param protectReads whether reads need a login too
   */
  record Guards(
      Metrics metrics,
      Login login,
      Browsers browsers,
      Supplier<Future<Void>> beforeWrites,
      boolean protectReads) {}

  private final List<Line> table;

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
        new Line(GET,    "/v1/nodes",                    JSON_OR_TABLE, polls.list(Kind.NODE)),
        new Line(GET,    "/v1/nodes/summary",            JSON_OR_TABLE, polls.summary(Kind.NODE)),
        new Line(GET,    "/v1/nodes/:id",                JSON,          polls.one(Kind.NODE)),
        new Line(PUT,    "/v1/nodes/:id",                NOTHING,       nodes::put),
        new Line(DELETE, "/v1/nodes/:id",                NOTHING,       nodes::delete),
        new Line(GET,    "/v1/images",                   JSON_OR_TABLE, polls.list(Kind.SNAPSHOT_IMAGE)),
        new Line(GET,    "/v1/images/summary",           JSON_OR_TABLE, polls.summary(Kind.SNAPSHOT_IMAGE)),
        new Line(GET,    "/v1/images/:id",               JSON,          polls.one(Kind.SNAPSHOT_IMAGE)),
        new Line(DELETE, "/v1/images/:id",               NOTHING,       images::delete),
        new Line(POST,   "/v1/images/:image/update",     NOTHING,       images::update),
        new Line(GET,    "/v1/dib_images",               JSON_OR_TABLE, polls.list(Kind.DIB_IMAGE)),
        new Line(GET,    "/v1/dib_images/summary",       JSON_OR_TABLE, polls.summary(Kind.DIB_IMAGE)),
        new Line(GET,    "/v1/dib_images/:id",           JSON,          polls.one(Kind.DIB_IMAGE)),
        new Line(DELETE, "/v1/dib_images/:id",           NOTHING,       dibImages::delete),
        new Line(POST,   "/v1/dib_images/:name/build",   NOTHING,       dibImages::build),
        new Line(POST,   "/v1/dib_images/:name/upload",  NOTHING,       dibImages::upload),
        new Line(GET,    "/v1/jobs",                     JSON_OR_TABLE, polls.list(Kind.JOB)),
        new Line(GET,    "/v1/jobs/summary",             JSON_OR_TABLE, polls.summary(Kind.JOB)),
        new Line(GET,    "/v1/jobs/:id",                 JSON,          jobs::get),
        new Line(DELETE, "/v1/jobs/:id",                 NOTHING,       jobs::cancel),
        new Line(POST,   "/v1/jobs/:id/retry",           NOTHING,       jobs::retry),
        new Line(GET,    "/v1/jobs/:id/attempts",        JSON,          jobs::attempts),
        new Line(GET,    "/v1/jobs/:id/log",             LOG,           jobs::log),
        new Line(GET,    "/v1/providers",                JSON,          providers::list),
        new Line(GET,    "/v1/events",                   EVENTS,        events::stream),
        new Line(GET,    "/v1",                          JSON,          ctx -> self.version(ctx, this::links)),
        new Line(GET,    "/openapi.json",                JSON,          openApi::get),
        new Line(GET,    "/healthz",                     JSON,          self::healthz),
        new Line(GET,    "/readyz",                      JSON,          self::readyz),
        new Line(GET,    "/metrics",                     TEXT,          metrics));
    // spotless:on
  }

  /** The lines, in the order of the contract. */
  public List<Line> table() {
    return table;
  }

  /** What can be read without knowing a name, or what to ask. */
  private List<String> links() {
    return table.stream()
        .filter(line -> line.method() == GET && !line.path().contains(":"))
        .map(Line::path)
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
              AccessLog.begin(ctx);
              guards.metrics().begin(ctx);
              ctx.next();
            });
    router.route().handler(guards.browsers()::share);
    // path by path: what one does not allow must not be taken for another with a parameter there
    byPath()
        .forEach(
            (path, lines) -> {
              lines.forEach(line -> add(router, line, guards));
              String allowed = allowed(lines);
              router.route(path).handler(ctx -> refuse(ctx, guards.browsers(), allowed));
            });
    return router;
  }

  /** The lines of each path, in the order of the table. */
  private Map<String, List<Line>> byPath() {
    return table.stream()
        .collect(Collectors.groupingBy(Line::path, LinkedHashMap::new, Collectors.toList()));
  }

  private static void add(Router router, Line line, Guards guards) {
    boolean writes = line.method() != GET;
    with(router, line)
        .handler(
            ctx -> {
              Metrics.route(ctx, line);
              ctx.next();
            });
    if (writes) {
      with(router, line).handler(Body::keep);
    }
    if (writes || (guards.protectReads() && !ALWAYS_OPEN.contains(line.path()))) {
      with(router, line).handler(guards.login());
    }
    if (writes) {
      with(router, line).handler(guards.browsers()::refuseForeign);
      with(router, line).handler(Body::read);
      with(router, line)
          .handler(
              ctx ->
                  inTime(guards.beforeWrites().get())
                      .onSuccess(v -> ctx.next())
                      .onFailure(ctx::fail));
    }
    with(router, line).handler(ctx -> answer(ctx, line));
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

  private static void refuse(RoutingContext ctx, Browsers browsers, String allowed) {
    ctx.response().putHeader("Allow", allowed);
    if (ctx.request().method() == OPTIONS) {
      browsers.preflight(ctx, allowed);
      ctx.response().setStatusCode(204).end();
    } else {
      ctx.fail(405);
    }
  }

  private static Route with(Router router, Line line) {
    Route route = router.route(line.path()).method(line.method());
    return line.method() == GET ? route.method(HEAD) : route;
  }

  private static void answer(RoutingContext ctx, Line line) {
    Future.succeededFuture(ctx)
        .map(line.offer()::negotiate)
        .compose(line.handler())
        .map(
            answer -> {
              answer.send(ctx.response());
              return answer;
            })
        .onFailure(ctx::fail);
  }

  /** The value of Allow. */
  private static String allowed(List<Line> ofPath) {
    TreeSet<String> methods = new TreeSet<>(List.of(OPTIONS.name()));
    for (Line line : ofPath) {
      methods.add(line.method().name());
      if (line.method() == GET) {
        methods.add(HEAD.name());
      }
    }
    return String.join(", ", methods);
  }
}
