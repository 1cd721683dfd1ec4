package org.nodepool;

import static java.util.regex.Pattern.CASE_INSENSITIVE;

import io.vertx.core.json.DecodeException;
import io.vertx.core.json.Json;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.json.schema.Draft;
import io.vertx.json.schema.JsonSchema;
import io.vertx.json.schema.JsonSchemaOptions;
import io.vertx.json.schema.OutputFormat;
import io.vertx.json.schema.OutputUnit;
import io.vertx.json.schema.Validator;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/**
 * Holds answers against an OpenAPI document: status, headers, media type and body must be what the
 * operation lists. The clients of the tests hold every answer against {@link #SERVED}.
 *
 * <p>What the document can only say in words is known here: HEAD is GET without a body, OPTIONS and
 * 405 have a complete Allow, a path that is not listed is not found, and without {@code fields} a
 * list has the first of its schemas. Thread-safe.
 */
final class Contract {
  /** Headers that are promises: they are there where they are listed, and nowhere else. */
  private static final List<String> PROMISES =
      List.of("Location", "Link", "WWW-Authenticate", "Allow", "Retry-After");

  /** What means the same with and without an escape: letters, digits and {@code -._~}. */
  private static final Pattern UNRESERVED =
      Pattern.compile(
          "%(4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a]|3[0-9]|2[de]|5f|7e)", CASE_INSENSITIVE);

  private static final Set<String> METHODS =
      Set.of("get", "put", "post", "delete", "options", "head", "patch", "trace");

  /** The document of the class path, which the service serves. */
  static final JsonObject DOCUMENT = document();

  static final Contract SERVED = new Contract(DOCUMENT);

  private static final Pattern FIELDS = Pattern.compile("[?&]fields=");

  private record Header(boolean required, Validator schema) {}

  /** The schema of an answer, and the narrower one of an answer without {@code fields}. */
  private record Media(Validator schema, Validator whole) {}

  /** {@code content}: by media type; of text null. */
  private record Response(Map<String, Media> content, Map<String, Header> headers) {}

  /** {@code operations}: by method in upper case, the responses by status. */
  private record Path(
      Pattern pattern, int parameters, Map<String, Map<Integer, Response>> operations) {
    String allow() {
      Set<String> methods = new TreeSet<>(operations.keySet());
      methods.add("OPTIONS");
      if (methods.contains("GET")) {
        methods.add("HEAD");
      }
      return String.join(", ", methods);
    }
  }

  private final JsonObject document;
  private final List<Path> paths;

  /** By status: what any request may be answered, before anybody has looked what it asks for. */
  private final Map<Integer, Response> toAny;

  private final Response badRequest;
  private final Response notFound;
  private final Response methodNotAllowed;
  private final Response options;
  private final Validator event;

  Contract(JsonObject document) {
    this.document = document;
    JsonObject whole = (JsonObject) resolved(document);
    this.paths =
        whole.getJsonObject("paths").stream()
            .map(path -> path(path.getKey(), (JsonObject) path.getValue()))
            // a path without parameters goes before one that has them
            .sorted(Comparator.comparingInt(Path::parameters))
            .toList();
    JsonObject responses = whole.getJsonObject("components").getJsonObject("responses");
    this.toAny =
        Map.of(
            414, response(responses.getJsonObject("UriTooLong")),
            421, response(responses.getJsonObject("Misdirected")),
            431, response(responses.getJsonObject("TooManyFields")),
            505, response(responses.getJsonObject("HttpVersionNotSupported")));
    this.badRequest = response(responses.getJsonObject("BadRequest"));
    this.notFound = response(responses.getJsonObject("NotFound"));
    this.methodNotAllowed = response(responses.getJsonObject("MethodNotAllowed"));
    this.options = response(responses.getJsonObject("Options"));
    this.event = schema("Event");
  }

  /**
   * Fails unless this is an answer that the document lists for such a request.
   *
   * @param target as in the first line of a request
   * @param answer a body that is null is not known, and not looked at
   */
  void check(String method, String target, Http.Answer answer) {
    if (answer.status() / 100 == 1) { // not yet the answer
      return;
    }
    List<String> faults = new ArrayList<>();
    Path path = find(target);
    Response expected = expected(path, method, answer.status());
    if (expected == null) {
      faults.add("the status is not listed");
    } else {
      checkHeaders(expected, answer, faults);
      checkBody(expected, method, target, answer, faults);
    }
    String allow = answer.header("Allow");
    if (allow != null && path != null && !allow.equals(path.allow())) {
      faults.add("Allow is not " + path.allow());
    }
    if (!faults.isEmpty()) {
      throw new AssertionError(
          "%s %s was answered against the contract: %s\n%d %s\n%s"
              .formatted(
                  method,
                  target,
                  String.join("; ", faults),
                  answer.status(),
                  answer.headers().map(),
                  answer.body()));
    }
  }

  /** Fails unless it is an event as the document has it. */
  void checkEvent(JsonObject json) {
    List<String> faults = faults(event, json);
    if (!faults.isEmpty()) {
      throw new AssertionError(
          "an event against the contract: %s\n%s".formatted(String.join("; ", faults), json));
    }
  }

  /** The schema of that name. */
  Validator schema(String name) {
    return validator(new JsonObject().put("$ref", "#/components/schemas/" + name));
  }

  /** A schema of this document, which may have references into it. */
  Validator validator(JsonObject schema) {
    return Validator.create(
        JsonSchema.of((JsonObject) resolved(schema)),
        new JsonSchemaOptions()
            .setBaseUri("urn:nodepool:contract")
            .setDraft(Draft.DRAFT202012)
            .setOutputFormat(OutputFormat.Basic));
  }

  /** What is wrong with a JSON value; empty when it fits. */
  static List<String> faults(Validator schema, Object json) {
    OutputUnit result = schema.validate(json);
    if (result.getValid()) {
      return List.of();
    }
    return result.getErrors().stream()
        .map(e -> e.getInstanceLocation() + ": " + e.getError())
        .distinct()
        .toList();
  }

  /** Each operation as {@code METHOD /path/:parameter}. */
  List<String> operations() {
    List<String> operations = new ArrayList<>();
    for (var path : document.getJsonObject("paths")) {
      String declared = path.getKey().replaceAll("\\{(\\w+)}", ":$1");
      ((JsonObject) path.getValue())
          .fieldNames().stream()
              .filter(METHODS::contains)
              .forEach(method -> operations.add(method.toUpperCase() + " " + declared));
    }
    return operations;
  }

  private Response expected(Path path, String method, int status) {
    if (toAny.containsKey(status)) {
      return toAny.get(status);
    }
    if (path == null) {
      // 400: what cannot be decoded is no path
      return status == 404 ? notFound : status == 400 ? badRequest : null;
    }
    Map<Integer, Response> operation =
        path.operations().get(method.equals("HEAD") ? "GET" : method);
    if (operation != null) {
      return operation.get(status);
    }
    if (status == 400) {
      return badRequest;
    }
    return method.equals("OPTIONS")
        ? (status == 204 ? options : null)
        : (status == 405 ? methodNotAllowed : null);
  }

  private static void checkHeaders(Response expected, Http.Answer answer, List<String> faults) {
    expected
        .headers()
        .forEach(
            (name, header) -> {
              List<String> values = answer.headers().allValues(name);
              if (header.required() && values.isEmpty()) {
                faults.add(name + " is missing");
              }
              for (String value : values) {
                faults(header.schema(), value).forEach(fault -> faults.add(name + fault));
              }
            });
    for (String name : PROMISES) {
      if (answer.header(name) != null && !expected.headers().containsKey(name)) {
        faults.add(name + " is not listed");
      }
    }
  }

  private static void checkBody(
      Response expected, String method, String target, Http.Answer answer, List<String> faults) {
    String type = answer.header("Content-Type");
    if (type != null) {
      type = type.split(";", 2)[0];
    }
    if (expected.content().isEmpty() ? type != null : !expected.content().containsKey(type)) {
      faults.add("the Content-Type " + type + " is not listed");
      return;
    }
    if (answer.body() == null) {
      return;
    }
    if (expected.content().isEmpty() || method.equals("HEAD")) {
      if (!answer.body().isEmpty()) {
        faults.add("there is a body");
      }
      return;
    }
    Media media = expected.content().get(type);
    if (media == null) { // text
      return;
    }
    Validator schema = FIELDS.matcher(target).find() ? media.schema() : media.whole();
    try {
      if (type.equals("application/problem+json")) {
        checkInstance(target, answer, faults);
      }
      faults.addAll(faults(schema, Json.decodeValue(answer.body())));
    } catch (DecodeException e) {
      faults.add("the body is no JSON");
    }
  }

  /** RFC 9457: the request's path, as it was sent. */
  private static void checkInstance(String target, Http.Answer answer, List<String> faults) {
    String path = target.replaceFirst("^https?://[^/?#]*", "").replaceFirst("(?s)[?#].*", "");
    Object instance = answer.json().getValue("instance");
    // what is no HTTP has no path
    boolean isNoHttp =
        List.of(400, 414, 431, 503, 505).contains(answer.status()) && "/".equals(instance);
    if (!path.isEmpty() && !path.equals(instance) && !isNoHttp) {
      faults.add("instance is not " + path);
    }
  }

  private Path find(String target) {
    String path = normal(target);
    return paths.stream().filter(p -> p.pattern().matcher(path).matches()).findFirst().orElse(null);
  }

  /** The path of a target, as a server sees it (RFC 3986, 6.2.2). */
  private static String normal(String target) {
    String path = target.replaceFirst("^https?://[^/?#]*", "").replaceFirst("(?s)[?#].*", "");
    path = UNRESERVED.matcher(path).replaceAll(Contract::decoded).replaceAll("/+", "/");
    Deque<String> segments = new ArrayDeque<>();
    for (String segment : path.split("/", -1)) {
      if (segment.equals("..")) {
        segments.pollLast();
      } else if (!segment.equals(".")) {
        segments.addLast(segment);
      }
    }
    return String.join("/", segments);
  }

  private static String decoded(MatchResult escape) {
    return Character.toString(Integer.parseInt(escape.group(1), 16));
  }

  private Path path(String template, JsonObject item) {
    Map<String, Map<Integer, Response>> operations = new LinkedHashMap<>();
    for (var entry : item) {
      if (METHODS.contains(entry.getKey())) {
        Map<Integer, Response> responses = new LinkedHashMap<>();
        for (var response : ((JsonObject) entry.getValue()).getJsonObject("responses")) {
          responses.put(
              Integer.valueOf(response.getKey()), response((JsonObject) response.getValue()));
        }
        operations.put(entry.getKey().toUpperCase(), responses);
      }
    }
    // a slash more at the end is the same path
    Pattern pattern =
        Pattern.compile(template.replace(".", "\\.").replaceAll("\\{\\w+}", "[^/]+") + "/?");
    return new Path(pattern, template.split("\\{").length, operations);
  }

  private Response response(JsonObject response) {
    Map<String, Media> content = new LinkedHashMap<>();
    for (var media : response.getJsonObject("content", new JsonObject())) {
      JsonObject schema = ((JsonObject) media.getValue()).getJsonObject("schema");
      content.put(media.getKey(), media.getKey().endsWith("json") ? media(schema) : null);
    }
    Map<String, Header> headers = new LinkedHashMap<>();
    for (var entry : response.getJsonObject("headers", new JsonObject())) {
      JsonObject header = (JsonObject) entry.getValue();
      headers.put(
          entry.getKey(),
          new Header(
              header.getBoolean("required", false), validator(header.getJsonObject("schema"))));
    }
    return new Response(content, headers);
  }

  private Media media(JsonObject schema) {
    JsonArray either = schema.getJsonArray("anyOf");
    return new Media(
        validator(schema), validator(either == null ? schema : either.getJsonObject(0)));
  }

  /** A copy in which what a reference points to is in the reference's place. */
  private Object resolved(Object json) {
    if (json instanceof JsonArray array) {
      JsonArray copy = new JsonArray();
      array.forEach(item -> copy.add(resolved(item)));
      return copy;
    }
    if (!(json instanceof JsonObject object)) {
      return json;
    }
    if (object.getValue("$ref") instanceof String reference) {
      return resolved(target(reference));
    }
    JsonObject copy = new JsonObject();
    object.forEach(entry -> copy.put(entry.getKey(), resolved(entry.getValue())));
    return copy;
  }

  private JsonObject target(String reference) {
    JsonObject target = document;
    for (String key : reference.substring("#/".length()).split("/")) {
      target = target.getJsonObject(key);
      if (target == null) {
        throw new AssertionError("nothing is at " + reference);
      }
    }
    return target;
  }

  private static JsonObject document() {
    try (InputStream in = Contract.class.getResourceAsStream("/openapi.json")) {
      return new JsonObject(new String(in.readAllBytes(), StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
