package org.nodepool.view;

import io.netty.buffer.ByteBuf;
import io.vertx.core.buffer.Buffer;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.nodepool.model.Resource;

/**
 * All rows of one kind at one moment, and the answers that they give: each is made for the first
 * query that asks for it, and shared by all equal ones as long as the table is the newest.
 * Immutable, but for the answers that it keeps; thread-safe.
 */
public final class Table<T extends Resource> {
  /** How many answers, and how many bytes of them, are kept; any others are made each time. */
  private static final int MOST_ANSWERS = 500;

  private static final long MOST_BYTES = 16 << 20;

  /** An answer of so many rows holds nobody up. */
  private static final int FEW = 100;

  /**
   * A body of fewer bytes is copied together: the socket would take longer to gather it. From here
   * on an answer counts as large.
   */
  static final int GATHERED_FROM = 16 << 10;

  private static final ByteBuf OPENING = Bytes.direct(new byte[] {'['});
  private static final ByteBuf CLOSING = Bytes.direct(new byte[] {']'});
  private static final ByteBuf DEFLATED_CLOSING = Gzip.end(new byte[] {']'});

  private final Kind<T> kind;
  private final Sequence<T> list;
  private final Sequence<T> byId;
  private final Map<Query<T>, Page> answers = new ConcurrentHashMap<>();
  private final AtomicLong answersBytes = new AtomicLong();
  private volatile Page whole;

  static <T extends Resource> Table<T> empty(Kind<T> kind) {
    return new Table<>(
        kind,
        Sequence.empty(kind.listOrder()),
        Sequence.empty(Comparator.comparingLong(Resource::id)));
  }

  private Table(Kind<T> kind, Sequence<T> list, Sequence<T> byId) {
    this.kind = kind;
    this.list = list;
    this.byId = byId;
  }

  /** In the order of the list. */
  public Stream<T> rows() {
    return list.entries().map(Entry::row);
  }

  /** How many rows there are. */
  int size() {
    return list.blocks().stream().mapToInt(block -> block.entries().size()).sum();
  }

  Stream<Entry<T>> inListOrder() {
    return list.entries();
  }

  /** By id, which a row that comes or goes does not disturb. */
  Stream<Entry<T>> inPageOrder() {
    return kind.isNewestFirst() ? list.entries() : byId.entries(); // a list that is by id already
  }

  /** The row with that id; empty when there is none. */
  public Optional<T> find(long id) {
    return Optional.ofNullable(entry(id)).map(Entry::row);
  }

  private Entry<T> entry(long id) {
    return byId.find(row -> Long.compare(row.id(), id));
  }

  /**
   * The differences to these rows: by id the row, or null when it is not among them.
   *
   * @param rows all there are, in any order
   */
  Map<Long, T> differences(List<T> rows) {
    Map<Long, T> different = new HashMap<>();
    rows().forEach(row -> different.put(row.id(), null));
    for (T row : rows) {
      if (find(row.id()).filter(row::equals).isPresent()) {
        different.remove(row.id());
      } else {
        different.put(row.id(), row);
      }
    }
    return different;
  }

  /**
   * The table with these rows; itself when they are as they were.
   *
   * @param rows by id; null for one that is gone
   */
  Table<T> with(Map<Long, T> rows) {
    List<Entry<T>> removed = new ArrayList<>();
    List<Entry<T>> added = new ArrayList<>();
    rows.forEach(
        (id, row) -> {
          Entry<T> before = entry(id);
          if (before != null && before.row().equals(row)) {
            return;
          }
          if (before != null) {
            removed.add(before);
          }
          if (row != null) {
            added.add(new Entry<>(kind, row));
          }
        });
    return removed.isEmpty() && added.isEmpty()
        ? this
        : new Table<>(kind, list.with(removed, added), byId.with(removed, added));
  }

  /**
   * The answer to a query; fails with what the query fails with.
   *
   * @param clock what the ages of a text table count from
   */
  Page answer(Query<T> query, Clock clock) {
    if (query.isOfWholeList()) {
      return whole();
    }
    if (!query.isKept()) {
      return query.answer(this, clock);
    }
    Page known = answers.get(query);
    if (known != null) {
      return known;
    }
    Page made = query.answer(this, clock);
    return answers.size() < MOST_ANSWERS && hasRoomFor(made) ? kept(query, made) : made;
  }

  /**
   * The answer when it is there, or made in no time; null when it is better made elsewhere, by
   * {@link #answer}. Fails with what the query fails with.
   */
  Page atOnce(Query<T> query, Clock clock) {
    if (query.isOfWholeList() || query instanceof OneQuery<?> || size() <= FEW) {
      return answer(query, clock);
    }
    return query.isKept() ? answers.get(query) : null;
  }

  private boolean hasRoomFor(Page page) {
    return answersBytes.get() + page.representation().length() <= MOST_BYTES;
  }

  private Page kept(Query<T> query, Page made) {
    Page kept = new Page(made.representation().toBeKept(), made.nextMarker());
    Page other = answers.putIfAbsent(query, kept);
    if (other != null) {
      return other; // made on another event loop meanwhile
    }
    answersBytes.addAndGet(kept.representation().length());
    return kept;
  }

  /** One row. */
  Optional<Page> one(long id) {
    return Optional.ofNullable(entry(id)).map(Entry::page);
  }

  /** All rows, in the order of the list, in JSON. */
  Page whole() {
    if (whole == null) {
      whole = new Page(written());
    }
    return whole;
  }

  private Representation written() {
    List<Block<T>> blocks = list.blocks();
    if (blocks.isEmpty()) {
      return Representation.of(Buffer.buffer("[]"), Tag.ZERO);
    }
    Tag tag = blocks.stream().map(Block::tag).reduce(Tag.ZERO, Tag::plus);
    List<ByteBuf> parts = new ArrayList<>(blocks.size() + 2);
    parts.add(OPENING);
    parts.add(blocks.get(0).json().slice(1, blocks.get(0).length() - 1));
    blocks.stream().skip(1).map(Block::json).forEach(parts::add);
    parts.add(CLOSING);
    Buffer gathered = Bytes.joined(parts);
    Buffer body = gathered.length() < GATHERED_FROM ? Bytes.outsideHeap(gathered) : gathered;
    return Representation.of(body, tag, () -> Gzip.file(deflated(), body));
  }

  private List<ByteBuf> deflated() {
    List<ByteBuf> parts = new ArrayList<>(list.blocks().size() + 1);
    for (Block<T> block : list.blocks()) {
      parts.add(block.deflated(parts.isEmpty()));
    }
    parts.add(DEFLATED_CLOSING);
    return parts;
  }
}
