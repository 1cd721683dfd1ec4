package org.nodepool.view;

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
import java.util.function.BiFunction;
import java.util.function.Predicate;
import org.nodepool.model.Resource;

/**
 * Those who wait for an answer to become another one. Whoever asks the same shares one look at it,
 * when the rows of its kind have changed; nobody is woken whose answer is as it was. To be used on
 * one context alone.
 */
final class Waiters {
  /** What a queued job waits for changes without a change of a row. */
  private static final long JOBS_MS = 1_000;

  private final Vertx vertx;
  private final Picture picture;
  private final PollStats stats;
  private final BiFunction<PoolView, Query<?>, Future<Page>> answers;
  private final Map<Query<?>, Group> groups = new HashMap<>();
  private final Picture.Listener listener;
  private int count;

  /** Those who ask the same. */
  private static final class Group {
    final Set<Waiter> waiters = new LinkedHashSet<>();
    Table<?> seen;
  }

  /** One who waits. */
  private final class Waiter implements PoolReads.Wait {
    private final Query<?> query;
    private final Predicate<Representation> isKnown;
    private final Promise<Page> other = Promise.promise();
    private final long timer;

    private Waiter(Query<?> query, Predicate<Representation> isKnown, Duration limit) {
      this.query = query;
      this.isKnown = isKnown;
      this.timer = vertx.setTimer(limit.toMillis(), fired -> end());
    }

    @Override
    public Future<Page> other() {
      return other.future();
    }

    @Override
    public void end() {
      if (leave()) {
        other.complete(null);
      }
    }

    private void look(Page page) {
      if (!isKnown.test(page.representation()) && leave()) {
        other.complete(page);
      }
    }

    private void fail(Throwable cause) {
      if (leave()) {
        other.fail(cause);
      }
    }

    /** Whether he was still waiting. */
    private boolean leave() {
      vertx.cancelTimer(timer);
      Group group = groups.get(query);
      if (group == null || !group.waiters.remove(this)) {
        return false;
      }
      if (group.waiters.isEmpty()) {
        groups.remove(query);
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
   */
  Waiters(
      Vertx vertx,
      Picture picture,
      PollStats stats,
      BiFunction<PoolView, Query<?>, Future<Page>> answers) {
    this.vertx = vertx;
    this.picture = picture;
    this.stats = stats;
    this.answers = answers;
    Context context = vertx.getOrCreateContext();
    this.listener =
        new Picture.Listener() {
          @Override
          public void changed(PoolView view) {
            context.runOnContext(v -> look(view));
          }

          @Override
          public void failed(Throwable cause) {
            context.runOnContext(v -> fail(cause));
          }
        };
    picture.subscribe(listener);
    vertx.setPeriodic(JOBS_MS, timer -> lookAtJobs());
  }

  /**
   * Begins to wait.
   *
   * @param isKnown whether an answer is what he has
   * @param limit at least a millisecond
   */
  <T extends Resource> PoolReads.Wait begin(
      Query<T> query, Predicate<Representation> isKnown, Duration limit) {
    Waiter waiter = new Waiter(query, isKnown, limit);
    Group group = groups.computeIfAbsent(query, q -> new Group());
    group.waiters.add(waiter);
    count++;
    stats.waiting(1);
    if (count == 1) {
      picture.watch();
    }
    // what has changed since he was answered, nobody will tell him
    PoolView view = picture.current();
    answers.apply(view, query).onSuccess(waiter::look).onFailure(waiter::fail);
    return waiter;
  }

  private void look(PoolView view) {
    Map.copyOf(groups)
        .forEach(
            (query, group) -> {
              Table<?> table = view.table(query.kind());
              if (table != group.seen) {
                group.seen = table;
                look(view, query, group);
              }
            });
  }

  private void lookAtJobs() {
    PoolView view = picture.current();
    Map.copyOf(groups)
        .forEach(
            (query, group) -> {
              if (query.kind() == Kind.JOB) {
                look(view, query, group);
              }
            });
  }

  private void look(PoolView view, Query<?> query, Group group) {
    // whoever comes before there is an answer knows a newer one
    List<Waiter> waiting = List.copyOf(group.waiters);
    answers
        .apply(view, query)
        .onSuccess(page -> waiting.forEach(waiter -> waiter.look(page)))
        .onFailure(e -> waiting.forEach(waiter -> waiter.fail(e)));
  }

  private void fail(Throwable cause) {
    List.copyOf(groups.values())
        .forEach(group -> List.copyOf(group.waiters).forEach(waiter -> waiter.fail(cause)));
  }

  /** Nobody waits any more. */
  void close() {
    picture.unsubscribe(listener);
    List.copyOf(groups.values()).forEach(group -> List.copyOf(group.waiters).forEach(Waiter::end));
  }
}
