package org.nodepool.api;

import static io.vertx.core.http.HttpMethod.DELETE;
import static io.vertx.core.http.HttpMethod.GET;
import static io.vertx.core.http.HttpMethod.HEAD;
import static io.vertx.core.http.HttpMethod.OPTIONS;
import static io.vertx.core.http.HttpMethod.POST;
import static io.vertx.core.http.HttpMethod.PUT;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpMethod;
import io.vertx.ext.web.Route;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The table of routes, one line each. Whatever is not a GET asks for the login and then reads the
 * body: there is no way to add a write without. HEAD, OPTIONS, 405 and its Allow follow from the
 * table.
 */
public final class Routes {
  /** A line of the table; {@code path} with parameters as {@code :name}. */
  public record Line(
      HttpMethod method, String path, Function<RoutingContext, Future<Answer>> handler) {}

  private final List<Line> table;

  /** Connections on which what follows is no request, until they are closed. */
  private final Set<HttpConnection> refused = ConcurrentHashMap.newKeySet();

  Routes(
      NodeHandlers nodes,
      ImageHandlers images,
      DibImageHandlers dibImages,
      JobHandlers jobs,
      EventHandlers events,
      OpenApiHandlers openApi) {
    // spotless:off
    table = List.of(
        new Line(GET,    "/v1/nodes",                    nodes::list),
        new Line(GET,    "/v1/nodes/:id",                nodes::get),
        new Line(PUT,    "/v1/nodes/:id",                nodes::put),
        new Line(DELETE, "/v1/nodes/:id",                nodes::delete),
        new Line(GET,    "/v1/images",                   images::list),
        new Line(GET,    "/v1/images/:id",               images::get),
        new Line(DELETE, "/v1/images/:id",               images::delete),
        new Line(POST,   "/v1/images/:image/update",     images::update),
        new Line(GET,    "/v1/dib_images",               dibImages::list),
        new Line(GET,    "/v1/dib_images/:id",           dibImages::get),
        new Line(DELETE, "/v1/dib_images/:id",           dibImages::delete),
        new Line(POST,   "/v1/dib_images/:name/build",   dibImages::build),
        new Line(POST,   "/v1/dib_images/:name/upload",  dibImages::upload),
        new Line(GET,    "/v1/jobs",                     jobs::list),
        new Line(GET,    "/v1/jobs/:id",                 jobs::get),
        new Line(GET,    "/v1/jobs/:id/log",             jobs::log),
        new Line(GET,    "/v1/events",                   events::stream),
        new Line(GET,    "/openapi.json",                openApi::get));
    // spotless:on
  }

  /** The lines, in the order of the contract. */
  public List<Line> table() {
    return table;
  }

  Router router(Vertx vertx, Login login, boolean protectReads) {
    Router router = Router.router(vertx);
    Failures.install(router);
    router.route().handler(this::checkFraming);
    for (Line line : table) {
      boolean writes = line.method() != GET;
      if (writes) {
        with(router, line).handler(Body::keep);
      }
      if (writes || protectReads) {
        with(router, line).handler(login);
      }
      if (writes) {
        with(router, line).handler(Body::read);
      }
      with(router, line).handler(ctx -> answer(ctx, line));
    }
    allowed()
        .forEach(
            (path, methods) ->
                router
                    .route(path)
                    .handler(
                        ctx -> {
                          ctx.response().putHeader("Allow", methods);
                          if (ctx.request().method() == OPTIONS) {
                            ctx.response().setStatusCode(204).end();
                          } else {
                            ctx.fail(405);
                          }
                        }));
    return router;
  }

  /**
   * A body in a coding that nobody here knows would be read as the next request: a way to smuggle
   * one past a proxy (RFC 9112, 6.1).
   */
  private void checkFraming(RoutingContext ctx) {
    HttpConnection connection = ctx.request().connection();
    String coding = ctx.request().getHeader(HttpHeaders.TRANSFER_ENCODING);
    if (refused.contains(connection)) {
      connection.close();
    } else if (coding == null || coding.equalsIgnoreCase("chunked")) {
      ctx.next();
    } else {
      refused.add(connection);
      connection.closeHandler(v -> refused.remove(connection));
      ctx.response().putHeader(HttpHeaders.CONNECTION, "close");
      ctx.response().endHandler(v -> connection.close());
      ctx.fail(new Refusal(Slug.MALFORMED_BODY, "The Transfer-Encoding must be chunked, or none."));
    }
  }

  private static Route with(Router router, Line line) {
    Route route = router.route(line.path()).method(line.method());
    return line.method() == GET ? route.method(HEAD) : route;
  }

  private static void answer(RoutingContext ctx, Line line) {
    Future.succeededFuture(ctx)
        .compose(line.handler())
        .map(
            answer -> {
              answer.send(ctx.response());
              return answer;
            })
        .onFailure(ctx::fail);
  }

  /** The value of Allow, by path. */
  private Map<String, String> allowed() {
    Map<String, TreeSet<String>> methods = new LinkedHashMap<>();
    for (Line line : table) {
      TreeSet<String> ofPath = methods.computeIfAbsent(line.path(), p -> new TreeSet<>());
      ofPath.add(line.method().name());
      ofPath.add(OPTIONS.name());
      if (line.method() == GET) {
        ofPath.add(HEAD.name());
      }
    }
    return methods.entrySet().stream()
        .collect(
            Collectors.toMap(
                Map.Entry::getKey,
                entry -> String.join(", ", entry.getValue()),
                (a, b) -> a,
                LinkedHashMap::new));
  }
}
