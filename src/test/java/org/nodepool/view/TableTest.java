package org.nodepool.view;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.nodepool.model.DibImage;
import org.nodepool.model.State;

/** Which answers a table remembers. */
class TableTest {
  @Test
  void five_hundred_answers_are_remembered_whatever_else_is_asked() {
    Table<DibImage> table = tableOf(10, "name");

    assertThat(remembered(table, 2_000)).isEqualTo(500);
  }

  @Test
  void sixteen_mebibytes_of_answers_are_remembered_whatever_else_is_asked() {
    Table<DibImage> table = tableOf(300, "n".repeat(5_000));
    int bytes = answer(table, 0).representation().length();

    assertThat(bytes).isGreaterThan(1_500_000);
    assertThat(remembered(table, 40)).isEqualTo((16 << 20) / bytes);
  }

  @Test
  void one_that_has_changed_remembers_nothing_of_before() {
    Table<DibImage> table = tableOf(10, "name");
    String before = answer(table, 0).representation().etag();

    Table<DibImage> changed = table.with(Map.of(10L, row(10, "other")));

    assertThat(answer(changed, 0).representation().etag()).isNotEqualTo(before);
  }

  /** How many of so many queries get the very same answer when they are asked again. */
  private static long remembered(Table<DibImage> table, int queries) {
    List<Page> first = LongStream.range(0, queries).mapToObj(i -> answer(table, -i)).toList();
    return LongStream.range(0, queries)
        .filter(i -> answer(table, -i) == first.get((int) i))
        .count();
  }

  /** A page of the rows with greater ids. */
  private static Page answer(Table<DibImage> table, long marker) {
    return table.answer(
        new ListQuery<>(
            Kind.DIB_IMAGE, List.of(), Kind.DIB_IMAGE.keys(), null, marker, Format.JSON),
        Clock.systemUTC());
  }

  private static Table<DibImage> tableOf(long rows, String name) {
    return Table.empty(Kind.DIB_IMAGE)
        .with(
            LongStream.rangeClosed(1, rows)
                .boxed()
                .collect(Collectors.toMap(id -> id, id -> row(id, name))));
  }

  private static DibImage row(long id, String name) {
    return new DibImage(id, name, null, 1L, State.READY, 1L);
  }
}
