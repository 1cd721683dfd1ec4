package org.nodepool.view;

import io.vertx.core.AsyncResult;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.nodepool.model.Resource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The polls that wait for another answer than their client has. Polls of the same query share one
 * look at it, when the rows of its kind have changed; a poll whose answer is as it was goes on
 * waiting. A long poll begins without a probe of its own: the picture's next look is one, and until
 * then the client can be kept waiting. To be used on one context alone.
 */
final class LongPolls<V extends View> {
  /** Looks are more often. While all rows are read there is none, and that may take its time. */
  private static final long MISSED_LOOK_MS = 50;

  private static final Logger log = LoggerFactory.getLogger(LongPolls.class);

  private final Vertx vertx;
  private final Picture<V> picture;
  private final PollStats stats;
  private final BiFunction<V, Query<?>, Future<Page>> answers;
  private final Function<Query<?>, Future<Page>> freshAnswers;
  private final Supplier<Future<V>> probe;
  private final Map<Query<?>, PollGroup> groups = new HashMap<>();
  private final Picture.Listener listener;
  private int count;

  /** The polls of one query. */
  private final class PollGroup {
    final Query<?> query;
    final Set<Pending> pending = new LinkedHashSet<>();
    Table<?> seen;

    PollGroup(Query<?> query) {
      this.query = query;
    }
  }

  /** A poll that is not answered yet. */
  private final class Pending implements PoolReads.LongPoll {
    private final PollGroup group;
    private final Predicate<Representation> isKnown;
    private final Promise<Page> answer = Promise.promise();
    private final long began = System.nanoTime();
    private final long timer;

    private Pending(PollGroup group, Predicate<Representation> isKnown, Duration limit) {
      this.group = group;
      this.isKnown = isKnown;
      this.timer = vertx.setTimer(limit.toMillis(), fired -> finish());
    }

    @Override
    public Future<Page> answer() {
      return answer.future();
    }

    @Override
    public void end() {
      leave();
    }

    /**
     * @param asOf nothing that was committed before is missing in {@code seen}
     */
    private void look(AsyncResult<Page> seen, long asOf) {
      if (isNews(seen)) {
        if (isSince(asOf)) {
          settle(seen);
        } else {
          freshAnswers.apply(group.query).onComplete(this::settleIfNews);
        }
      }
    }

    private boolean isNews(AsyncResult<Page> seen) {
      return seen.failed() || !isKnown.test(seen.result().representation());
    }

    /** Whether the poll began before that. */
    private boolean isSince(long asOf) {
      return asOf - began >= 0;
    }

    private void settleIfNews(AsyncResult<Page> seen) {
      if (isNews(seen)) {
        settle(seen);
      }
    }

    private void settle(AsyncResult<Page> seen) {
      if (leave()) {
        try {
          answer.handle(seen);
        } catch (Throwable e) { // one that fails must not keep the others waiting
          log.error("a long poll could not be answered", e);
        }
      }
    }

    /** The time is over; "nothing is new" may be told only after a look. */
    private void finish() {
      long asOf = picture.asOf();
      Future<Page> last =
          isSince(asOf)
              ? answers.apply(picture.current(), group.query)
              : freshAnswers.apply(group.query);
      last.onComplete(this::settle);
    }

    /** Whether the poll was still waiting. */
    private boolean leave() {
      if (!group.pending.remove(this)) {
        return false;
      }
      vertx.cancelTimer(timer);
      if (group.pending.isEmpty()) {
        groups.remove(group.query);
      }
      count--;
      stats.waiting(-1);
      if (count == 0) {
        picture.unwatch();
      }
      return true;
    }
  }

  /**
   * @param answers the answer to a query as it is in a view
   * @param freshAnswers the answer to a query after a probe
   * @param probe the view after a probe
   */
  LongPolls(
      Vertx vertx,
      Picture<V> picture,
      PollStats stats,
      BiFunction<V, Query<?>, Future<Page>> answers,
      Function<Query<?>, Future<Page>> freshAnswers,
      Supplier<Future<V>> probe) {
    this.vertx = vertx;
    this.picture = picture;
    this.stats = stats;
    this.answers = answers;
    this.freshAnswers = freshAnswers;
    this.probe = probe;
    Context context = vertx.getOrCreateContext();
    this.listener =
        new Picture.Listener() {
          @Override
          public void changed() {
            context.runOnContext(v -> lookAtChanges());
          }

          @Override
          public void failed(Throwable cause) {
            context.runOnContext(v -> fail(cause));
          }
        };
    picture.subscribe(listener);
    vertx.setPeriodic(MISSED_LOOK_MS, timer -> probeWhenNobodyLooks());
  }

  /**
   * Begins to wait.
   *
   * @param isKnown whether the client has an answer
   * @param limit at least a millisecond
   */
  <T extends Resource> PoolReads.LongPoll begin(
      Query<T> query, Predicate<Representation> isKnown, Duration limit) {
    PollGroup group = groups.computeIfAbsent(query, PollGroup::new);
    Pending poll = new Pending(group, isKnown, limit);
    group.pending.add(poll);
    count++;
    stats.waiting(1);
    if (count == 1) {
      picture.watch();
    }
    long asOf = picture.asOf();
    V view = picture.current();
    if (view.canBeProbed()) {
      // no look will find a change that is in the view already
      answers.apply(view, query).onComplete(seen -> poll.look(seen, asOf));
    } else {
      // looks are seldom
      freshAnswers.apply(query).onComplete(poll::settleIfNews);
    }
    return poll;
  }

  private void lookAtChanges() {
    long asOf = picture.asOf(); // before the view: that is then as new at least
    V view = picture.current();
    for (PollGroup group : List.copyOf(groups.values())) {
      Table<?> table = view.table(group.query.kind());
      if (table != group.seen) {
        group.seen = table;
        look(view, asOf, group);
      }
    }
  }

  /** For answers that change without a change of a row. */
  void lookAtAll() {
    long asOf = picture.asOf();
    V view = picture.current();
    List.copyOf(groups.values()).forEach(group -> look(view, asOf, group));
  }

  /** So that clients are told in time that the database is away. */
  private void probeWhenNobodyLooks() {
    boolean isLookedAt =
        System.nanoTime() - picture.asOf() <= TimeUnit.MILLISECONDS.toNanos(MISSED_LOOK_MS);
    if (count > 0 && !isLookedAt && picture.current().canBeProbed()) {
      probe.get().onFailure(this::fail);
    }
  }

  private void look(V view, long asOf, PollGroup group) {
    // a poll that comes before there is an answer looks for itself
    List<Pending> waiting = List.copyOf(group.pending);
    answers
        .apply(view, group.query)
        .onComplete(seen -> waiting.forEach(poll -> poll.look(seen, asOf)));
  }

  private void fail(Throwable cause) {
    Future<Page> failed = Future.failedFuture(cause);
    List.copyOf(groups.values())
        .forEach(group -> List.copyOf(group.pending).forEach(poll -> poll.settle(failed)));
  }

  /** Ends all as if their time were over. */
  void close() {
    picture.unsubscribe(listener);
    List.copyOf(groups.values())
        .forEach(group -> List.copyOf(group.pending).forEach(Pending::finish));
  }
}
