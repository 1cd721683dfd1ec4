package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.web.RoutingContext;
import java.net.URLDecoder;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * The fields of a request body, a form or a JSON object alike. Read by hand: the library's form
 * reader has a limit of its own (8 KiB a field) before ours.
 */
final class Body {
  private static final int LIMIT_BYTES = 64 * 1024;
  private static final String FIELDS = "nodepool.fields";
  private static final String FORM = "application/x-www-form-urlencoded";
  private static final String JSON = "application/json";

  private final Connections connections;

  Body(Connections connections) {
    this.connections = connections;
  }

  /** Each value is a string, or the JSON value that was given in its place. */
  static Map<String, Object> fields(RoutingContext ctx) {
    return ctx.get(FIELDS);
  }

  /**
   * Waits for the whole body, refuses what it must, and leaves the fields to {@link Input}. Nothing
   * of the body was kept before.
   */
  void read(RoutingContext ctx) {
    ClientConnection connection = connections.of(ctx.request());
    if (connection == null) {
      return; // it was closed: nobody waits
    }
    whole(ctx.request(), connection)
        .map(body -> parse(body, ctx.request().getHeader(HttpHeaders.CONTENT_TYPE)))
        .onComplete(
            done -> {
              connection.forgetBody();
              if (done.succeeded()) {
                ctx.put(FIELDS, done.result());
                ctx.next();
              } else {
                ctx.fail(done.cause());
              }
            });
  }

  private static Future<Buffer> whole(HttpServerRequest request, ClientConnection connection) {
    if (declaredLength(request) > LIMIT_BYTES) {
      return Future.failedFuture(tooLarge());
    }
    if (request.isEnded()) {
      return Future.succeededFuture(Buffer.buffer()); // it has none
    }
    Buffer body = Buffer.buffer();
    Promise<Buffer> whole = Promise.promise();
    request.handler(
        chunk -> {
          if (body.length() + chunk.length() > LIMIT_BYTES) {
            whole.tryFail(tooLarge());
          } else if (!connection.keeps(chunk.length())) {
            whole.tryFail(RequestDecoder.noRoom());
          } else {
            body.appendBuffer(chunk);
          }
        });
    request.exceptionHandler(e -> {});
    request.endHandler(
        end -> {
          if (connection.bodyFailure() == null) {
            whole.tryComplete(body);
          } else {
            whole.tryFail(connection.bodyFailure());
          }
        });
    connection.read();
    return whole.future();
  }

  private static long declaredLength(HttpServerRequest request) {
    String length = request.getHeader(HttpHeaders.CONTENT_LENGTH);
    try {
      return length == null ? 0 : Long.parseLong(length);
    } catch (NumberFormatException e) {
      return Long.MAX_VALUE;
    }
  }

  private static Refusal tooLarge() {
    return new Refusal(
        ProblemType.TOO_LARGE,
        "The request body may have %d bytes at most.".formatted(LIMIT_BYTES));
  }

  static Map<String, Object> parse(Buffer body, String contentType) {
    if (body.length() == 0) {
      return Map.of();
    }
    String type = contentType == null ? "" : contentType.split(";", 2)[0].strip();
    switch (type.toLowerCase(Locale.ROOT)) {
      case FORM:
        return form(text(body));
      case JSON:
        return json(text(body));
      default:
        throw new Refusal(
            ProblemType.UNSUPPORTED_MEDIA_TYPE,
            "The body must be %s or %s, in UTF-8.".formatted(FORM, JSON));
    }
  }

  private static String text(Buffer body) {
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(body.getBytes()))
          .toString();
    } catch (CharacterCodingException e) {
      throw new Refusal(ProblemType.MALFORMED_BODY, "The body is not UTF-8.");
    }
  }

  private static Map<String, Object> form(String text) {
    Map<String, Object> fields = new HashMap<>();
    try {
      for (String pair : text.split("&")) {
        int equals = pair.indexOf('=');
        String name = equals < 0 ? pair : pair.substring(0, equals);
        String value = equals < 0 ? "" : pair.substring(equals + 1);
        fields.put(
            URLDecoder.decode(name, StandardCharsets.UTF_8),
            URLDecoder.decode(value, StandardCharsets.UTF_8));
      }
    } catch (IllegalArgumentException e) {
      throw new Refusal(
          ProblemType.MALFORMED_BODY,
          "The body is no form: a % is not followed by two hex digits.");
    }
    return fields;
  }

  private static Map<String, Object> json(String text) {
    try {
      return new JsonObject(text).getMap();
    } catch (DecodeException | ClassCastException e) {
      throw new Refusal(ProblemType.MALFORMED_BODY, "The body is not a JSON object.");
    }
  }
}
