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
 * Those who wait for an answer to become another one. Whoever asks the same shares one look at it,
 * when the rows of its kind have changed; nobody is woken whose answer is as it was. That a client
 * would wait spares the probe that another poll begins with: the next look is one, and what is no
 * news until then can be held. To be used on one context alone.
 */
final class Waiters {
  /** What a queued job waits for changes without a change of a row. */
  private static final long JOBS_MS = 1_000;

  /** Looks are more often. While all rows are read there is none, and that may take its time. */
  private static final long MISSED_LOOK_MS = 50;

  private static final Logger log = LoggerFactory.getLogger(Waiters.class);

  private final Vertx vertx;
  private final Picture picture;
  private final PollStats stats;
  private final BiFunction<PoolView, Query<?>, Future<Page>> answers;
  private final Function<Query<?>, Future<Page>> freshAnswers;
  private final Supplier<Future<PoolView>> probe;
  private final Map<Query<?>, Group> groups = new HashMap<>();
  private final Picture.Listener listener;
  private int count;

  /** Those who ask the same. */
  private static final class Group {
    final Query<?> query;
    final Set<Waiter> waiters = new LinkedHashSet<>();
    Table<?> seen;

    Group(Query<?> query) {
      this.query = query;
    }
  }

  /** One who waits. */
  private final class Waiter implements PoolReads.Wait {
    private final Group group;
    private final Predicate<Representation> isKnown;
    private final Promise<Page> answer = Promise.promise();
    private final long began = System.nanoTime();
    private final long timer;

    private Waiter(Group group, Predicate<Representation> isKnown, Duration limit) {
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
     * @param seen an answer
     * @param asOf nothing that was committed before is missing in it
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

    /** Whether he began to wait before. */
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
        } catch (Throwable e) { // whatever befalls one of them, the others are woken
          log.error("one of those who waited could not be answered", e);
        }
      }
    }

    /** The time is over; but he must not be told that nothing is new when nobody has looked. */
    private void finish() {
      long asOf = picture.asOf();
      Future<Page> last =
          isSince(asOf)
              ? answers.apply(picture.current(), group.query)
              : freshAnswers.apply(group.query);
      last.onComplete(this::settle);
    }

    /** Whether he was still waiting. */
    private boolean leave() {
      if (!group.waiters.remove(this)) {
        return false;
      }
      vertx.cancelTimer(timer);
      if (group.waiters.isEmpty()) {
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
   * @param freshAnswers that which a poll gets
   * @param probe what a poll begins with
   */
  Waiters(
      Vertx vertx,
      Picture picture,
      PollStats stats,
      BiFunction<PoolView, Query<?>, Future<Page>> answers,
      Function<Query<?>, Future<Page>> freshAnswers,
      Supplier<Future<PoolView>> probe) {
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
    vertx.setPeriodic(JOBS_MS, timer -> lookAtJobs());
    vertx.setPeriodic(MISSED_LOOK_MS, timer -> probeWhenNobodyLooks());
  }

  /**
   * Begins to wait.
   *
   * @param isKnown whether an answer is what he has
   * @param limit at least a millisecond
   */
  <T extends Resource> PoolReads.Wait begin(
      Query<T> query, Predicate<Representation> isKnown, Duration limit) {
    Group group = groups.computeIfAbsent(query, Group::new);
    Waiter waiter = new Waiter(group, isKnown, limit);
    group.waiters.add(waiter);
    count++;
    stats.waiting(1);
    if (count == 1) {
      picture.watch();
    }
    long asOf = picture.asOf();
    PoolView view = picture.current();
    if (view.canBeProbed()) {
      // what has changed already, no look will find
      answers.apply(view, query).onComplete(seen -> waiter.look(seen, asOf));
    } else {
      // looks are seldom
      freshAnswers.apply(query).onComplete(waiter::settleIfNews);
    }
    return waiter;
  }

  private void lookAtChanges() {
    long asOf = picture.asOf(); // before the view: that is then as new at least
    PoolView view = picture.current();
    for (Group group : List.copyOf(groups.values())) {
      Table<?> table = view.table(group.query.kind());
      if (table != group.seen) {
        group.seen = table;
        look(view, asOf, group);
      }
    }
  }

  private void lookAtJobs() {
    long asOf = picture.asOf();
    PoolView view = picture.current();
    for (Group group : List.copyOf(groups.values())) {
      if (group.query.kind() == Kind.JOB) {
        look(view, asOf, group);
      }
    }
  }

  /** So that whoever waits is told in time that the database is away. */
  private void probeWhenNobodyLooks() {
    boolean isLookedAt =
        System.nanoTime() - picture.asOf() <= TimeUnit.MILLISECONDS.toNanos(MISSED_LOOK_MS);
    if (count > 0 && !isLookedAt && picture.current().canBeProbed()) {
      probe.get().onFailure(this::fail);
    }
  }

  private void look(PoolView view, long asOf, Group group) {
    // whoever comes before there is an answer looks for himself
    List<Waiter> waiting = List.copyOf(group.waiters);
    answers
        .apply(view, group.query)
        .onComplete(seen -> waiting.forEach(waiter -> waiter.look(seen, asOf)));
  }

  private void fail(Throwable cause) {
    Future<Page> failed = Future.failedFuture(cause);
    List.copyOf(groups.values())
        .forEach(group -> List.copyOf(group.waiters).forEach(waiter -> waiter.settle(failed)));
  }

  /** The time of all is over. */
  void close() {
    picture.unsubscribe(listener);
    List.copyOf(groups.values())
        .forEach(group -> List.copyOf(group.waiters).forEach(Waiter::finish));
  }
}
