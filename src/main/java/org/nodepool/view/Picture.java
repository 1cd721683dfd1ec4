package org.nodepool.view;

import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.VerticleBase;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import org.nodepool.changes.ChangeKeeper;
import org.nodepool.changes.PoolLog;
import org.nodepool.changes.SeenChanges;
import org.nodepool.changes.SeenChanges.Gap;
import org.nodepool.store.Database;
import org.nodepool.store.JobHistory;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the newest {@link View} of some tables that this process has. It is made newer when
 * somebody asks for it ({@link #refreshed}), out of the change log, and every half minute out of
 * all rows: a change that fires no trigger is seen then. Without the change log, all rows are read
 * each time. It works on an event loop of its own; its public methods are for any thread.
 */
public final class Picture<V extends View> extends VerticleBase implements ChangeKeeper.Reader {
  private static final Logger log = LoggerFactory.getLogger(Picture.class);

  /** A change is noticed by those who wait for it after half of that, on average. */
  private static final long WATCH_MS = 26;

  private static final int LOOKS_WITHOUT_LOG = 30;

  private static final long READ_ALL_MS = 30_000;

  /** A picture that could not be made newer for so long holds nobody up. */
  private static final long STALE_NANOS = TimeUnit.MINUTES.toNanos(1);

  private final Database db;
  private final Painter<V> painter;
  private final Consumer<Boolean> onLooked;
  private final List<Listener> listeners = new CopyOnWriteArrayList<>();
  private final LongAdder probes = new LongAdder();
  private final LongAdder refreshes = new LongAdder();
  private final LongAdder fullReads = new LongAdder();
  private final LongAdder differences = new LongAdder();

  private volatile V current;
  private volatile long asOf = System.nanoTime();
  private volatile Context own;

  // what follows is for the own context alone

  private PoolLog rows;

  /** Reads all rows beside, each half minute: nobody waits for that. */
  private PoolLog others;

  /** The rows that it has read, until the next refresh; null when there are none. */
  private PoolLog.Rows read;

  private Promise<V> next;
  private boolean isRefreshing;

  /** Whether the next refresh reads all rows, whatever the log says. */
  private boolean mustReadAll = true;

  private int watchers;
  private long watchTimer;
  private int looks;
  private boolean isLooking;

  private final Set<Gap> neverFilled = new HashSet<>();

  private Picture(Database db, Painter<V> painter, Consumer<Boolean> onLooked) {
    this.db = db;
    this.painter = painter;
    this.onLooked = onLooked;
    this.current = painter.empty();
  }

  /**
   * Nodes and images.
   *
   * @param onLooked is told, whenever all rows were read, whether changes are logged
   */
  public static Picture<PoolView> ofPool(Database db, Consumer<Boolean> onLooked) {
    return new Picture<>(db, new PoolPainter(), onLooked);
  }

  /**
   * The jobs that are shown.
   *
   * @param onLooked as in {@link #ofPool}
   */
  public static Picture<JobView> ofJobs(
      Database db, JobHistory history, Consumer<Boolean> onLooked) {
    return new Picture<>(db, new JobPainter(history), onLooked);
  }

  @Override
  public Future<?> start() {
    own = context;
    rows = new PoolLog(db, painter.sources(true));
    others = rows.beside(painter.sources(false));
    vertx.setTimer(readAllPause(), timer -> readAllAgain());
    return rows.open().otherwiseEmpty();
  }

  /**
   * Reads all rows for the first time: whoever asks after that is answered at once. Completes also
   * when they cannot be read.
   */
  public Future<Void> begin() {
    Promise<Void> begun = Promise.promise();
    own.runOnContext(v -> refreshed().<Void>mapEmpty().otherwiseEmpty().onComplete(begun));
    return begun.future();
  }

  /** The newest view; it may be old, and is empty before the first was read. */
  V current() {
    return current;
  }

  /**
   * By {@link System#nanoTime}: nothing that was committed before is missing in what {@link
   * #current} gives afterwards. Probes of the event loops that answer do not count. Before the
   * first view, when the picture was made.
   */
  long asOf() {
    return asOf;
  }

  /** Is told of changes, on the picture's own thread. */
  interface Listener {
    /** There is another view. */
    void changed();

    /** It could not be made newer. */
    void failed(Throwable cause);
  }

  void subscribe(Listener listener) {
    listeners.add(listener);
  }

  void unsubscribe(Listener listener) {
    listeners.remove(listener);
  }

  /** From now on changes are looked for, whether anybody asks or not; until {@link #unwatch}. */
  void watch() {
    own.runOnContext(
        v -> {
          watchers++;
          if (watchers == 1) {
            watchTimer = vertx.setPeriodic(WATCH_MS, timer -> look());
            look();
          }
        });
  }

  void unwatch() {
    own.runOnContext(
        v -> {
          watchers--;
          if (watchers == 0) {
            vertx.cancelTimer(watchTimer);
          }
        });
  }

  /** Without a log all rows have to be read, which is not done as often. */
  private void look() {
    looks++;
    if (isRefreshing || isLooking || (!current.canBeProbed() && looks % LOOKS_WITHOUT_LOG != 0)) {
      return;
    }
    if (!current.canBeProbed()) {
      refreshed().onFailure(this::failed);
      return;
    }
    isLooking = true;
    probes.increment();
    long began = System.nanoTime();
    rows.isAll(current.seen())
        .compose(isAll -> isAll ? confirm(began) : refreshed().mapEmpty())
        .onFailure(this::failed)
        .onComplete(done -> isLooking = false);
  }

  /** The view was right then; a newer one may have been published meanwhile. */
  private Future<Void> confirm(long began) {
    if (began - asOf > 0) {
      asOf = began;
    }
    return Future.succeededFuture();
  }

  private void failed(Throwable cause) {
    listeners.forEach(listener -> listener.failed(cause));
  }

  /** How often it looked for changes while somebody watched. */
  public long probes() {
    return probes.sum();
  }

  /** How often it was made newer. */
  public long refreshes() {
    return refreshes.sum();
  }

  /** How often all rows were read for that. */
  public long fullReads() {
    return fullReads.sum();
  }

  /** How many rows were found to be different without a word of it in the change log. */
  public long differences() {
    return differences.sum();
  }

  /**
   * A view out of what is read from now on; shared by those who ask meanwhile. Completes on the
   * caller's context. Fails with {@link org.nodepool.model.Problem.Unavailable} when the database
   * is away.
   *
   * @param caller the context that asks
   */
  Future<V> refreshed(Context caller) {
    Promise<V> answer = Promise.promise();
    own.runOnContext(
        v -> refreshed().onComplete(done -> caller.runOnContext(w -> answer.handle(done))));
    return answer.future();
  }

  private Future<V> refreshed() {
    if (next == null) {
      next = Promise.promise();
    }
    Future<V> mine = next.future();
    if (!isRefreshing) {
      refresh();
    }
    return mine;
  }

  private void refresh() {
    Promise<V> answer = next;
    next = null;
    isRefreshing = true;
    long began = System.nanoTime();
    newer()
        .onComplete(
            done -> {
              isRefreshing = false;
              if (done.succeeded()) {
                refreshes.increment();
                publish(done.result(), began);
              } else {
                mustReadAll = true;
              }
              answer.handle(done);
              if (next != null) {
                refresh();
              }
            });
  }

  private void publish(V view, long began) {
    V before = current;
    current = view;
    asOf = began;
    if (view != before) {
      listeners.forEach(Listener::changed);
    }
  }

  private Future<V> newer() {
    PoolLog.Rows beside = read;
    read = null;
    if (mustReadAll || !current.canBeProbed()) {
      return readAll();
    }
    Future<V> base =
        beside == null
            ? Future.succeededFuture(current)
            : Future.succeededFuture(beside).map(this::replaced);
    return base.compose(this::caughtUp)
        .compose(view -> view == null ? readAll() : Future.succeededFuture(view));
  }

  /** With what was changed since; null when all rows are to be read. */
  private Future<V> caughtUp(V base) {
    return rows.since(base.seen()).map(changes -> changes == null ? null : changed(base, changes));
  }

  private Future<V> readAll() {
    return rows.all(current.seen()).map(this::replaced);
  }

  private V replaced(PoolLog.Rows all) {
    V before = current;
    fullReads.increment();
    Painter.Whole<V> whole = painter.whole(before, all, settled(all.seen()));
    onLooked.accept(all.seen() != null);
    // with nothing new in the log, nor in its gaps, the rows should be as they were
    if (before.canBeProbed() && before.seen().isAsFarAs(all.seen())) {
      differences.add(whole.differences());
      if (whole.differences() > 0) {
        log.warn("{} rows were changed without a trigger", whole.differences());
      }
    }
    mustReadAll = false;
    return whole.view();
  }

  /** Null when all rows are to be read. */
  private V changed(V base, PoolLog.Changes changes) {
    SeenChanges seen = settled(changes.seen());
    return changes.changes().isEmpty() && seen.equals(base.seen())
        ? base
        : painter.changed(base, changes, seen);
  }

  private void readAllAgain() {
    readBeside()
        .compose(v -> refreshed())
        .onFailure(e -> log.debug("no look at all rows", e))
        .onComplete(done -> vertx.setTimer(readAllPause(), timer -> readAllAgain()));
  }

  /** Without a log there is nothing to add to what was read beside. */
  private Future<Void> readBeside() {
    if (mustReadAll || !current.canBeProbed()) {
      mustReadAll = true;
      return Future.succeededFuture();
    }
    return others
        .all(current.seen())
        .<Void>map(
            all -> {
              read = all;
              mustReadAll = mustReadAll || all.seen() == null;
              return null;
            })
        .otherwise(
            e -> {
              log.debug("all rows are not read beside", e);
              mustReadAll = true;
              return null;
            });
  }

  /** Not all processes at once. */
  private static long readAllPause() {
    return READ_ALL_MS - ThreadLocalRandom.current().nextLong(READ_ALL_MS / 10);
  }

  /** Without the gaps that are proved, from the next refresh on. */
  private SeenChanges settled(SeenChanges seen) {
    if (seen == null || neverFilled.isEmpty()) {
      return seen;
    }
    neverFilled.retainAll(new HashSet<>(seen.gaps()));
    return seen.without(neverFilled);
  }

  @Override
  public SeenChanges seen() {
    boolean isUpToDate = System.nanoTime() - asOf < STALE_NANOS;
    return isUpToDate ? current.seen() : null;
  }

  @Override
  public void neverFilled(List<Gap> gaps) {
    own.runOnContext(
        v -> {
          neverFilled.addAll(gaps);
          refreshed();
        });
  }
}
