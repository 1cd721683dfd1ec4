package org.nodepool.view;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.nodepool.model.DibImage;
import org.nodepool.model.State;

/** Rows in blocks, against a plain sorted map. */
class SequenceTest {
  @Property(tries = 60)
  void any_changes_leave_it_in_order_and_cut_as_if_it_were_made_at_once(
      @ForAll long seed, @ForAll @IntRange(min = 1, max = 400) int ids) {
    Random random = new Random(seed);
    Map<Long, Entry<DibImage>> model = new TreeMap<>();
    Sequence<DibImage> sequence = Sequence.empty(DibImage.LIST_ORDER);
    for (int step = 0; step < 12; step++) {
      List<Entry<DibImage>> removed = new ArrayList<>();
      List<Entry<DibImage>> added = new ArrayList<>();
      Map<Long, Boolean> touched = new HashMap<>();
      for (int i = random.nextInt(ids); i >= 0; i--) {
        long id = 1 + random.nextInt(ids);
        if (touched.put(id, true) == null) {
          Entry<DibImage> before = model.remove(id);
          if (before != null) {
            removed.add(before);
          }
          if (before == null || random.nextInt(3) > 0) {
            Entry<DibImage> after = entry(id, "name-" + random.nextInt(4));
            added.add(after);
            model.put(id, after);
          }
        }
      }
      sequence = sequence.with(removed, added);
    }

    assertThat(sequence.entries().toList()).isEqualTo(sorted(model.values()));
    assertThat(cuts(sequence)).isEqualTo(cuts(atOnce(model.values())));
    for (long id = 1; id <= ids; id++) {
      Entry<DibImage> wanted = model.get(id);
      if (wanted != null) {
        DibImage row = wanted.row();
        assertThat(sequence.find(other -> DibImage.LIST_ORDER.compare(other, row)))
            .isSameAs(wanted);
      }
    }
  }

  @Test
  void one_change_among_ten_thousand_rows_leaves_all_blocks_but_a_few_as_they_are() {
    List<Entry<DibImage>> entries = new ArrayList<>();
    for (long id = 1; id <= 10_000; id++) {
      entries.add(entry(id, "name"));
    }
    Sequence<DibImage> before = atOnce(entries);
    Entry<DibImage> changed = entry(5_000, "name");

    Sequence<DibImage> after = before.with(List.of(entries.get(4_999)), List.of(changed));

    List<Block<DibImage>> other = new ArrayList<>(after.blocks());
    other.removeAll(before.blocks());
    assertThat(before.blocks()).hasSizeBetween(100, 250);
    assertThat(other).hasSize(1);
  }

  private static Entry<DibImage> entry(long id, String name) {
    return new Entry<>(Kind.DIB_IMAGE, new DibImage(id, name, null, 1L, State.READY, 1L));
  }

  private static Sequence<DibImage> atOnce(Collection<Entry<DibImage>> entries) {
    List<Entry<DibImage>> shuffled = new ArrayList<>(entries);
    Collections.shuffle(shuffled, new Random(1));
    return Sequence.empty(DibImage.LIST_ORDER).with(List.of(), shuffled);
  }

  private static List<Entry<DibImage>> sorted(Collection<Entry<DibImage>> entries) {
    return entries.stream()
        .sorted((a, b) -> DibImage.LIST_ORDER.compare(a.row(), b.row()))
        .collect(Collectors.toList());
  }

  private static List<List<Entry<DibImage>>> cuts(Sequence<DibImage> sequence) {
    return sequence.blocks().stream().map(Block::entries).toList();
  }
}
