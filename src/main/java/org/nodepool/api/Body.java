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
  private static final String WHOLE = "nodepool.body";
  private static final String FIELDS = "nodepool.fields";
  private static final String FORM = "application/x-www-form-urlencoded";
  private static final String JSON = "application/json";

  private Body() {}

  /** Each value is a string, or the JSON value that was given in its place. */
  static Map<String, Object> fields(RoutingContext ctx) {
    return ctx.get(FIELDS);
  }

  /**
   * Keeps the bytes of the body that arrive, for {@link #read}. Comes before a handler that may
   * take its time, such as the login: bytes that arrive when nobody listens are lost.
   */
  static void keep(RoutingContext ctx) {
    HttpServerRequest request = ctx.request();
    Buffer body = Buffer.buffer();
    Promise<Buffer> whole = Promise.promise();
    request.handler(
        chunk -> {
          if (body.length() + chunk.length() > LIMIT_BYTES) {
            whole.tryFail(tooLarge());
          }
          if (!whole.future().isComplete()) {
            body.appendBuffer(chunk);
          }
        });
    request.exceptionHandler(e -> {});
    request.endHandler(end -> whole.tryComplete(body));
    ctx.put(WHOLE, whole.future());
    ctx.next();
  }

  /** Waits for the whole body, refuses what it must, and leaves the fields to {@link Input}. */
  static void read(RoutingContext ctx) {
    HttpServerRequest request = ctx.request();
    if (declaredLength(request) > LIMIT_BYTES) {
      ctx.fail(tooLarge());
      return;
    }
    if ("100-continue".equalsIgnoreCase(request.getHeader(HttpHeaders.EXPECT))) {
      request.response().writeContinue();
    }
    Future<Buffer> whole = ctx.get(WHOLE);
    whole
        .map(body -> parse(body, request.getHeader(HttpHeaders.CONTENT_TYPE)))
        .onSuccess(
            fields -> {
              ctx.put(FIELDS, fields);
              ctx.next();
            })
        .onFailure(ctx::fail);
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
