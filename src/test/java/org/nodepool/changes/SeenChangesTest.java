package org.nodepool.changes;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.LongStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.nodepool.changes.SeenChanges.Gap;
import org.nodepool.changes.SeenChanges.Ids;

class SeenChangesTest {
  @Property
  void the_gaps_are_the_ids_below_the_greatest_that_were_not_seen(
      @ForAll @IntRange(min = 1, max = 60) int count, @ForAll Random random) {
    List<Long> order = new ArrayList<>(LongStream.rangeClosed(1, count).boxed().toList());
    Collections.shuffle(order, random);
    TreeSet<Long> all = new TreeSet<>();
    SeenChanges seen = SeenChanges.NONE;
    while (!order.isEmpty()) {
      List<Long> some = order.subList(0, 1 + random.nextInt(order.size()));
      List<Long> now = some.stream().sorted().toList();
      all.addAll(now);
      some.clear();
      seen = seen.with(now, Ids.ALL);

      assertThat(seen.greatest()).isEqualTo(all.last());
      assertThat(ids(seen))
          .isEqualTo(
              LongStream.rangeClosed(1, all.last())
                  .filter(id -> !all.contains(id))
                  .boxed()
                  .toList());
      assertThat(seen.least()).isEqualTo(ids(seen).stream().findFirst().orElse(all.last() + 1));
    }
    assertThat(seen.gaps()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "1, 4000, true",
    "1, 4001, false",
    "32, 125, true",
    "32, 126, false",
    "33, 400, true",
    "33, 401, false"
  })
  void so_many_gaps_can_be_asked_for_at_once(long ids, int count, boolean isAskable) {
    List<Gap> gaps =
        LongStream.range(0, count)
            .map(gap -> gap * (ids + 1))
            .mapToObj(to -> new Gap(to + 1, to + ids))
            .toList();

    assertThat(SeenChanges.NONE.with(count * (ids + 1), gaps).isAskable()).isEqualTo(isAskable);
  }

  @Property
  void ids_that_the_server_does_not_give_out_are_no_gaps(
      @ForAll @IntRange(min = 1, max = 9) int step,
      @ForAll @IntRange(min = 1, max = 9) int offset,
      @ForAll Random random) {
    Ids possible = new Ids(step, offset);
    List<Long> given = new ArrayList<>();
    for (long id = offset; given.size() < 30; id += step) {
      given.add(id);
    }
    long first = given.get(0);
    SeenChanges base = new SeenChanges(first, List.of(), 0, 0);
    List<Long> committed = given.stream().filter(id -> id > first && random.nextBoolean()).toList();

    SeenChanges seen = base.with(committed, possible);

    List<Long> missing =
        given.stream()
            .filter(id -> id > first && id < seen.greatest() && !committed.contains(id))
            .toList();
    assertThat(ids(seen).stream().filter(possible::has).toList()).isEqualTo(missing);
    assertThat(seen.gaps()).allMatch(gap -> possible.isAnyIn(gap.from(), gap.to()));
    assertThat(possible.count(first, given.get(29))).isEqualTo(30);
    assertThat(possible.count(first + 1, given.get(29) - 1)).isEqualTo(28);
  }

  @Test
  void what_was_pruned_before_all_rows_were_read_is_not_missed_afterwards() {
    SeenChanges before = new SeenChanges(5_000, List.of(new Gap(1, 99)), 0, 100);
    assertThat(before.leastToBeMissed()).isEqualTo(5_001);

    SeenChanges after = before.readAt(0, 20_000).with(List.of(20_000L, 20_001L), Ids.ALL);
    assertThat(after.gaps()).containsExactly(new Gap(1, 99), new Gap(5_001, 19_999));
    assertThat(after.leastToBeMissed()).isEqualTo(20_002);

    SeenChanges later = after.with(List.of(20_005L), Ids.ALL);
    assertThat(later.leastToBeMissed()).isEqualTo(20_002);
    assertThat(later.without(Set.of(new Gap(20_002, 20_004))).leastToBeMissed()).isEqualTo(20_006);
  }

  private static List<Long> ids(SeenChanges seen) {
    List<Long> ids = new ArrayList<>();
    for (Gap gap : seen.gaps()) {
      LongStream.rangeClosed(gap.from(), gap.to()).forEach(ids::add);
    }
    return ids;
  }
}
