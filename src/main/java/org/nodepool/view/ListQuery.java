package org.nodepool.view;

import java.time.Clock;
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
  /** The whole list, in JSON. */
  public static <T extends Resource> ListQuery<T> all(Kind<T> kind) {
    return new ListQuery<>(kind, List.of(), kind.keys(), null, null, Format.JSON);
  }

  @Override
  public Page answer(Table<T> table, Clock clock) {
    boolean isPage = limit != null || marker != null;
    Stream<Entry<T>> rows = isPage ? table.inPageOrder() : table.inListOrder();
    List<Entry<T>> found =
        rows.filter(entry -> isAskedFor(entry.row()))
            .limit(limit == null ? Long.MAX_VALUE : limit + 1L)
            .toList();
    boolean goesOn = limit != null && found.size() > limit;
    List<Entry<T>> shown = goesOn ? found.subList(0, limit) : found;
    Long nextMarker = goesOn ? shown.get(limit - 1).row().id() : null;
    return new Page(written(shown, clock), nextMarker);
  }

  private boolean isAskedFor(T row) {
    return (marker == null || kind.isBehind(marker, row))
        && filters.stream().allMatch(filter -> filter.matches(row));
  }

  private boolean isOfWholeRows() {
    return format == Format.JSON && fields.size() == kind.keys().size();
  }

  @Override
  public boolean isOfWholeList() {
    return filters.isEmpty() && limit == null && marker == null && isOfWholeRows();
  }

  private Representation written(List<Entry<T>> entries, Clock clock) {
    return isOfWholeRows()
        ? Representation.of(Entry.array(entries))
        : format.write(fields, entries.stream().map(Entry::row).toList(), clock);
  }

  @Override
  public boolean isKept() {
    return format == Format.JSON;
  }
}
