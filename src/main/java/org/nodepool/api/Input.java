package org.nodepool.api;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.vertx.ext.web.RoutingContext;
import java.math.BigInteger;
import java.net.URLDecoder;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.nodepool.model.Ids;
import org.nodepool.model.Problem;

/** What a caller gave: the only place that looks at paths, queries and fields. */
final class Input {
  static final String PROVIDER_HINT = "the name of a provider in nodepool.yaml";

  /** The parameter of a deletion. */
  static final String RECORD_ONLY = "record_only";

  private static final Pattern SECONDS = Pattern.compile("[0-9]+");

  private Input() {}

  /** The id in the path; any text that is none is an id that does not exist. */
  static long id(RoutingContext ctx, String what) {
    String text = ctx.pathParam("id");
    return Ids.parse(text).orElseThrow(() -> Problem.NotFound.row(what, text));
  }

  /** A field of the body; null when it is not there. */
  static String optionalField(RoutingContext ctx, String name) {
    Map<String, Object> fields = Body.fields(ctx);
    Object value = fields.get(name);
    if (value == null && !fields.containsKey(name)) {
      return null;
    }
    if (value instanceof String text) {
      return text;
    }
    throw new Problem.BadValue("The field '%s' must be a string.".formatted(name));
  }

  /** A field of the body; fails with {@link Problem.FieldMissing}, which gives the hint. */
  static String field(RoutingContext ctx, String name, String hint) {
    String value = optionalField(ctx, name);
    if (value == null) {
      throw new Problem.FieldMissing(name, hint);
    }
    return value;
  }

  /** A parameter that is true, or false as when it is not there; the last of several counts. */
  static boolean flag(RoutingContext ctx, String name) {
    List<String> values = parameters(ctx).get(name);
    if (values == null) {
      return false;
    }
    String value = values.get(values.size() - 1);
    if (!value.equals("true") && !value.equals("false")) {
      throw new Problem.BadValue("The parameter '%s' must be true or false.".formatted(name));
    }
    return value.equals("true");
  }

  /** A parameter that is a time in whole seconds, cut to the limit; 0 when it is not there. */
  static Duration seconds(RoutingContext ctx, String name, Duration limit) {
    List<String> values = parameters(ctx).getOrDefault(name, List.of("0"));
    if (values.size() > 1 || !SECONDS.matcher(values.get(0)).matches()) {
      throw new Problem.BadValue(
          "The parameter '%s' must be a number of whole seconds, and given once.".formatted(name));
    }
    BigInteger seconds = new BigInteger(values.get(0));
    return Duration.ofSeconds(seconds.min(BigInteger.valueOf(limit.toSeconds())).longValue());
  }

  /** Refuses any query: to ignore a filter would be to answer another question. */
  static void noQuery(RoutingContext ctx) {
    onlyQuery(ctx);
  }

  /** Refuses a query with any other parameter than these. */
  static void onlyQuery(RoutingContext ctx, String... names) {
    List<String> allowed = List.of(names);
    parameters(ctx).keySet().forEach(name -> checkParameter(name, allowed));
  }

  /** Refuses the name of a parameter that is none of these. */
  static void checkParameter(String name, List<String> allowed) {
    if (!allowed.contains(name)) {
      throw new Problem.BadValue(
          "There is no parameter '%s' here; allowed: %s."
              .formatted(name, allowed.isEmpty() ? "none" : String.join(", ", allowed)));
    }
  }

  /**
   * The values by name, in the order given. Read by hand: the library's reader splits at semicolons
   * too, knows no difference of case, and leaves out what comes after the 1024th.
   */
  static Map<String, List<String>> parameters(RoutingContext ctx) {
    Map<String, List<String>> parameters = new LinkedHashMap<>();
    String query = Optional.ofNullable(ctx.request().query()).orElse("");
    for (String pair : query.split("&")) {
      if (!pair.isEmpty()) {
        String[] parts = pair.split("=", 2);
        String value = parts.length == 1 ? "" : decode(parts[1]);
        parameters.computeIfAbsent(decode(parts[0]), name -> new ArrayList<>()).add(value);
      }
    }
    return parameters;
  }

  /** Percent-encoded UTF-8; bytes that need not be as they are may be as they are. */
  private static String decode(String text) {
    try {
      byte[] bytes = URLDecoder.decode(text, ISO_8859_1).getBytes(ISO_8859_1);
      return UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (IllegalArgumentException | CharacterCodingException e) {
      throw new Problem.BadValue("The query cannot be decoded; it must be percent-encoded UTF-8.");
    }
  }
}
