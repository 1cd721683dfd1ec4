package org.nodepool.view;

import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.nodepool.model.Resource;

/**
 * A list, or one page of it.
 *
 * @param filters every row shown passes all of them
 * @param fields the keys to show
 * @param limit how many rows at most; null for all
 * @param marker only rows behind this id are shown; null for all. With either the rows are in order
 *     of pages, with none in order of the list
 */
public record ListQuery<T extends Resource>(
    Kind<T> kind,
    List<Filter<T>> filters,
    List<Key<T>> fields,
    Integer limit,
    Long marker,
    Format format)
    implements Query<T> {

  @Override
  public Page answer(List<T> rows, Instant now) {
    List<T> found = found(rows).toList();
    boolean goesOn = limit != null && found.size() > limit;
    List<T> shown = goesOn ? found.subList(0, limit) : found;
    Long nextMarker = goesOn ? shown.get(limit - 1).id() : null;
    return new Page(format.write(fields, shown, now), nextMarker);
  }

  private Stream<T> found(List<T> rows) {
    Stream<T> matching =
        rows.stream().filter(row -> filters.stream().allMatch(filter -> filter.matches(row)));
    if (limit == null && marker == null) {
      return matching.sorted(kind.listOrder());
    }
    return matching
        .filter(row -> marker == null || kind.isBehind(marker, row))
        .sorted(kind.pageOrder());
  }
}
