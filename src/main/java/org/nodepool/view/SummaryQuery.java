package org.nodepool.view;

import static java.util.stream.Collectors.counting;
import static java.util.stream.Collectors.groupingBy;

import java.time.Clock;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.nodepool.model.Resource;

/**
 * How many rows there are of each combination of values, in order of the values.
 *
 * @param filters every row counted passes all of them
 * @param by the keys whose values make a group; at least one, none twice
 */
public record SummaryQuery<T extends Resource>(
    Kind<T> kind, List<Filter<T>> filters, List<Key<T>> by, Format format) implements Query<T> {

  /** Values in the order of {@code by}; each may be null. */
  private record Group(List<Object> values, Long count) {}

  @Override
  public Page answer(Table<T> table, Clock clock) {
    Map<List<Object>, Long> counts =
        table
            .rows()
            .filter(row -> filters.stream().allMatch(filter -> filter.matches(row)))
            .collect(groupingBy(this::values, counting()));
    List<Group> groups =
        counts.entrySet().stream()
            .map(entry -> new Group(entry.getKey(), entry.getValue()))
            .sorted(order())
            .toList();
    return new Page(format.write(keys(), groups, clock));
  }

  @Override
  public boolean isOfWholeList() {
    return false;
  }

  @Override
  public boolean isKept() {
    return format == Format.JSON;
  }

  private List<Object> values(T row) {
    return by.stream().map(key -> key.of(row)).toList();
  }

  private Comparator<Group> order() {
    return IntStream.range(0, by.size())
        .mapToObj(
            i -> Comparator.comparing((Group g) -> g.values().get(i), by.get(i).type().order()))
        .reduce(Comparator::thenComparing)
        .orElseThrow();
  }

  private List<Key<Group>> keys() {
    List<Key<Group>> keys = new ArrayList<>();
    for (int i = 0; i < by.size(); i++) {
      int index = i;
      keys.add(new Key<>(by.get(i).json(), by.get(i).type(), group -> group.values().get(index)));
    }
    keys.add(Key.of("count", Type.WHOLE_NUMBER, Group::count));
    return keys;
  }
}
