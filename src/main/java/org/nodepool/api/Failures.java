package org.nodepool.api;

import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import java.util.Map;
import org.nodepool.model.Printable;
import org.nodepool.model.Problem;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes every error answer: {@code application/problem+json} (RFC 9457), a message and no more. */
final class Failures {
  private static final Logger log = LoggerFactory.getLogger(Failures.class);

  private static final String WWW_AUTHENTICATE = "WWW-Authenticate";
  static final String CONTENT_TYPE = "application/problem+json";

  private static final Map<Class<? extends Problem>, ProblemType> TYPES =
      Map.of(
          Problem.NotFound.class, ProblemType.NOT_FOUND,
          Problem.FieldMissing.class, ProblemType.FIELD_MISSING,
          Problem.BadValue.class, ProblemType.BAD_VALUE,
          Problem.WrongState.class, ProblemType.WRONG_STATE,
          Problem.Conflict.class, ProblemType.CONFLICT,
          Problem.Gone.class, ProblemType.GONE,
          Problem.Unavailable.class, ProblemType.UNAVAILABLE,
          Problem.OutcomeUnknown.class, ProblemType.OUTCOME_UNKNOWN,
          Problem.NotImplemented.class, ProblemType.NOT_IMPLEMENTED);

  private Failures() {}

  /** The router's own refusals do not pass the failure handler: it is registered for them too. */
  static void install(Router router) {
    router.route().failureHandler(Failures::handle);
    for (int status : new int[] {404, 405, 500}) {
      router.errorHandler(status, Failures::handle);
    }
    // of a path that it cannot decode the context has neither status nor failure
    router.errorHandler(400, Failures::undecodable);
  }

  /** The kind of that failure of an operation. */
  static ProblemType type(Throwable failure) {
    if (failure instanceof Refusal refusal) {
      return refusal.type();
    }
    return failure == null
        ? ProblemType.INTERNAL
        : TYPES.getOrDefault(failure.getClass(), ProblemType.INTERNAL);
  }

  private static void handle(RoutingContext ctx) {
    AccessLog.begin(ctx); // of a path such as * no handler has seen it
    HttpServerResponse response = ctx.response();
    if (response.headWritten()) {
      // too late to say anything: only a broken connection tells that this is not the end
      ctx.request().connection().close();
      return;
    }
    // the handler of HTTP Basic sets it on some of its refusals
    response.headers().remove(WWW_AUTHENTICATE);
    String path = ctx.request().path();
    Throwable failure = Login.failure(ctx);
    if (failure instanceof Refusal) {
      sendFailure(ctx, failure, path);
    } else if (failure == null && ctx.statusCode() == 404) {
      send(response, ProblemType.NOT_FOUND, "There is no such path.", path);
    } else if (failure == null && ctx.statusCode() == 405) {
      String allow = response.headers().get(HttpHeaders.ALLOW);
      String detail = "%s is not allowed here, but %s.".formatted(ctx.request().method(), allow);
      send(response, ProblemType.METHOD_NOT_ALLOWED, detail, path);
    } else if (ctx.statusCode() == 400) {
      undecodable(ctx);
    } else {
      sendFailure(ctx, failure, path);
    }
  }

  private static void undecodable(RoutingContext ctx) {
    AccessLog.begin(ctx); // no handler has seen it
    String detail = "The request's path, query or Host header cannot be decoded.";
    send(ctx.response(), ProblemType.BAD_VALUE, detail, ctx.request().path());
  }

  private static void sendFailure(RoutingContext ctx, Throwable failure, String path) {
    send(ctx.request(), AccessLog.id(ctx), failure, path);
  }

  /** For a request that has not come by way of the router, and has that id. */
  static void send(HttpServerRequest request, String id, Throwable failure) {
    send(request, id, failure, request.path());
  }

  private static void send(HttpServerRequest request, String id, Throwable failure, String path) {
    HttpServerResponse response = request.response();
    ProblemType type = type(failure);
    String detail = failure == null ? null : failure.getMessage();
    if (type == ProblemType.INTERNAL) {
      log.error(
          "{} {} (request {})",
          AccessLog.printable(request.method().name()),
          AccessLog.printable(String.valueOf(path)),
          id,
          failure);
      detail = "Something went wrong in the service; its log has the details.";
      if (failure instanceof Error error) {
        Vertx.currentContext().runOnContext(v -> Connections.thrown(error)); // after the answer
      }
    }
    if (type == ProblemType.UNAUTHORIZED) {
      response.putHeader(WWW_AUTHENTICATE, Login.CHALLENGE);
    }
    long retryAfter =
        failure instanceof Refusal refusal
            ? refusal.retryAfterSeconds()
            : type.status == 503 ? 1 : 0;
    if (retryAfter > 0) {
      response.putHeader(HttpHeaders.RETRY_AFTER, Long.toString(retryAfter));
    }
    send(response, type, detail, path);
  }

  private static void send(
      HttpServerResponse response, ProblemType type, String detail, String path) {
    JsonObject problem =
        new JsonObject()
            .put("type", type.uri())
            .put("title", type.title)
            .put("status", type.status)
            .put("detail", detail)
            .put("instance", path);
    Buffer body = Buffer.buffer(Printable.text(problem.encode())); // what JSON itself lets through
    response
        .setStatusCode(type.status)
        .putHeader(HttpHeaders.CONTENT_TYPE, CONTENT_TYPE)
        .putHeader(HttpHeaders.CONTENT_LENGTH, Integer.toString(body.length()))
        .end(body);
  }
}
