package org.nodepool.view;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;
import java.util.function.ToIntFunction;
import java.util.stream.Stream;
import org.nodepool.model.Resource;

/**
 * Rows in an order, cut into {@link Block}s. Immutable: a change makes another sequence, which has
 * all blocks but those that the change touches.
 */
final class Sequence<T extends Resource> {
  private final Comparator<T> order;
  private final List<Block<T>> blocks;

  /**
   * @param order no two rows are equal by it
   */
  static <T extends Resource> Sequence<T> empty(Comparator<T> order) {
    return new Sequence<>(order, List.of());
  }

  private Sequence(Comparator<T> order, List<Block<T>> blocks) {
    this.order = order;
    this.blocks = blocks;
  }

  List<Block<T>> blocks() {
    return blocks;
  }

  Stream<Entry<T>> entries() {
    return blocks.stream().flatMap(block -> block.entries().stream());
  }

  /**
   * The entry that is looked for; null when there is none.
   *
   * @param towards negative for a row before it, 0 for its own, positive for one behind it
   */
  Entry<T> find(ToIntFunction<T> towards) {
    int block = blockOf(towards);
    if (block < 0) {
      return null;
    }
    List<Entry<T>> entries = blocks.get(block).entries();
    int low = 0;
    int high = entries.size() - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      int where = towards.applyAsInt(entries.get(middle).row());
      if (where == 0) {
        return entries.get(middle);
      }
      if (where < 0) {
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    return null;
  }

  /** The last block that does not begin behind it; negative when all do. */
  private int blockOf(ToIntFunction<T> towards) {
    int low = 0;
    int high = blocks.size() - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      if (towards.applyAsInt(blocks.get(middle).first().row()) <= 0) {
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    return high;
  }

  private int blockOf(T row) {
    return Math.max(0, blockOf(other -> order.compare(other, row)));
  }

  /** What happens to one block. */
  private static final class Edit<T extends Resource> {
    final TreeMap<T, Entry<T>> added;
    final TreeMap<T, Entry<T>> removed;

    Edit(Comparator<T> order) {
      added = new TreeMap<>(order);
      removed = new TreeMap<>(order);
    }
  }

  /**
   * Without these rows and with those.
   *
   * @param removed all of them are in it
   * @param added none of them is, but for those that are removed
   */
  Sequence<T> with(Collection<Entry<T>> removed, Collection<Entry<T>> added) {
    TreeMap<Integer, Edit<T>> edits = new TreeMap<>();
    for (Entry<T> entry : removed) {
      edits
          .computeIfAbsent(blockOf(entry.row()), block -> new Edit<>(order))
          .removed
          .put(entry.row(), entry);
    }
    for (Entry<T> entry : added) {
      edits
          .computeIfAbsent(blockOf(entry.row()), block -> new Edit<>(order))
          .added
          .put(entry.row(), entry);
    }
    List<Block<T>> result = new ArrayList<>(blocks.size() + 1);
    for (int i = 0; i < Math.max(1, blocks.size()); i++) {
      Edit<T> edit = edits.get(i);
      if (edit != null) {
        append(result, edited(i, edit));
      } else if (!blocks.isEmpty()) {
        append(result, blocks.get(i));
      }
    }
    return new Sequence<>(order, List.copyOf(result));
  }

  /** The entries of that block after the edit, in order. */
  private List<Entry<T>> edited(int block, Edit<T> edit) {
    TreeMap<T, Entry<T>> entries = new TreeMap<>(order);
    if (!blocks.isEmpty()) {
      blocks.get(block).entries().forEach(entry -> entries.put(entry.row(), entry));
    }
    entries.keySet().removeAll(edit.removed.keySet());
    entries.putAll(edit.added);
    return List.copyOf(entries.values());
  }

  /** A block that was the first one may not begin like one. */
  private static <T extends Resource> void append(List<Block<T>> blocks, Block<T> block) {
    if (blocks.isEmpty() || block.first().beginsBlock()) {
      blocks.add(block);
    } else {
      append(blocks, block.entries());
    }
  }

  /** Cut where blocks begin; what comes before the first such place belongs to the block before. */
  private static <T extends Resource> void append(List<Block<T>> blocks, List<Entry<T>> entries) {
    List<Entry<T>> open = new ArrayList<>();
    if (!entries.isEmpty() && !entries.get(0).beginsBlock() && !blocks.isEmpty()) {
      open.addAll(blocks.remove(blocks.size() - 1).entries());
    }
    for (Entry<T> entry : entries) {
      if (entry.beginsBlock() && !open.isEmpty()) {
        blocks.add(new Block<>(open));
        open.clear();
      }
      open.add(entry);
    }
    if (!open.isEmpty()) {
      blocks.add(new Block<>(open));
    }
  }
}
