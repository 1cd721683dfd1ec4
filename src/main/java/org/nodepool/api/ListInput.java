package org.nodepool.api;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.vertx.ext.web.RoutingContext;
import java.net.URLEncoder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.StringJoiner;
import java.util.stream.Stream;
import org.nodepool.model.Ids;
import org.nodepool.model.Problem;
import org.nodepool.model.Resource;
import org.nodepool.view.Filter;
import org.nodepool.view.Key;
import org.nodepool.view.Kind;
import org.nodepool.view.ListQuery;
import org.nodepool.view.SummaryQuery;

/**
 * Reads the query of a list. A parameter or value that is not understood is a {@link
 * Problem.BadValue}: to ignore a filter would be to answer another question.
 */
final class ListInput {
  private static final String FIELDS = "fields";
  private static final String LIMIT = "limit";
  private static final String MARKER = "marker";
  private static final String BY = "by";
  private static final long MAX_LIMIT = 10_000;

  private ListInput() {}

  /** The query of a list of that kind. */
  static <T extends Resource> ListQuery<T> list(RoutingContext ctx, Kind<T> kind) {
    Map<String, List<String>> given = Input.parameters(ctx);
    List<Filter<T>> filters = filters(given, kind, List.of(FIELDS, LIMIT, MARKER));
    return new ListQuery<>(
        kind, filters, fields(given, kind), limit(given), marker(given), Offer.format(ctx));
  }

  /** The query of a summary of that kind. */
  static <T extends Resource> SummaryQuery<T> summary(RoutingContext ctx, Kind<T> kind) {
    Map<String, List<String>> given = Input.parameters(ctx);
    List<Filter<T>> filters = filters(given, kind, List.of(BY));
    List<Key<T>> by = keys(BY, given.getOrDefault(BY, List.of("")), kind.filterKeys());
    return new SummaryQuery<>(kind, filters, by, Offer.format(ctx));
  }

  /** The path and query of the page behind that marker, with all else as in this request. */
  static String nextPage(RoutingContext ctx, long marker) {
    Map<String, List<String>> next = Input.parameters(ctx);
    next.put(MARKER, List.of(Long.toString(marker)));
    StringJoiner query = new StringJoiner("&");
    next.forEach(
        (name, values) -> values.forEach(value -> query.add(encode(name) + "=" + encode(value))));
    return Proxies.client(ctx).prefix() + ctx.currentRoute().getPath() + "?" + query;
  }

  private static <T extends Resource> List<Filter<T>> filters(
      Map<String, List<String>> given, Kind<T> kind, List<String> others) {
    Map<String, Key<T>> keys = byName(kind.filterKeys());
    List<String> allowed = Stream.concat(keys.keySet().stream(), others.stream()).toList();
    List<Filter<T>> filters = new ArrayList<>();
    given.forEach(
        (name, values) -> {
          Input.checkParameter(name, allowed);
          if (keys.containsKey(name)) {
            filters.add(Filter.of(keys.get(name), values));
          }
        });
    return filters;
  }

  /** In the object's order. */
  private static <T extends Resource> List<Key<T>> fields(
      Map<String, List<String>> given, Kind<T> kind) {
    if (!given.containsKey(FIELDS)) {
      return kind.keys();
    }
    List<Key<T>> asked = keys(FIELDS, given.get(FIELDS), kind.keys());
    return kind.keys().stream().filter(asked::contains).toList();
  }

  /** The keys named in lists with commas, as if these were one list; in the order asked. */
  private static <T> List<Key<T>> keys(String parameter, List<String> lists, List<Key<T>> allowed) {
    Map<String, Key<T>> keys = byName(allowed);
    return lists.stream()
        .flatMap(list -> Arrays.stream(list.split(",", -1)))
        .distinct()
        .map(name -> Optional.ofNullable(keys.get(name)).orElseThrow(() -> bad(parameter, keys)))
        .toList();
  }

  private static Problem.BadValue bad(String parameter, Map<String, ?> keys) {
    return new Problem.BadValue(
        "The parameter '%s' must be a list, with commas, of: %s."
            .formatted(parameter, String.join(", ", keys.keySet())));
  }

  private static <T> Map<String, Key<T>> byName(List<Key<T>> keys) {
    Map<String, Key<T>> byName = new LinkedHashMap<>();
    keys.forEach(key -> byName.put(key.name(), key));
    return byName;
  }

  private static Integer limit(Map<String, List<String>> given) {
    String rule = "a whole number from 1 to " + MAX_LIMIT;
    Long limit = number(given, LIMIT, rule);
    if (limit != null && limit > MAX_LIMIT) {
      throw badNumber(LIMIT, rule);
    }
    return limit == null ? null : limit.intValue();
  }

  private static Long marker(Map<String, List<String>> given) {
    return number(given, MARKER, "an id, the last one of the page before");
  }

  private static Long number(Map<String, List<String>> given, String name, String rule) {
    List<String> values = given.get(name);
    if (values == null) {
      return null;
    }
    return Optional.of(values.get(0))
        .filter(value -> values.size() == 1)
        .flatMap(Ids::parse)
        .orElseThrow(() -> badNumber(name, rule));
  }

  private static Problem.BadValue badNumber(String name, String rule) {
    return new Problem.BadValue(
        "The parameter '%s' must be %s, and given once.".formatted(name, rule));
  }

  private static String encode(String text) {
    return URLEncoder.encode(text, UTF_8).replace("+", "%20");
  }
}
