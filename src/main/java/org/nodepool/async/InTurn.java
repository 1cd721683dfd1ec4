package org.nodepool.async;

import io.vertx.core.Future;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * Asynchronous steps one after the other, in the order of a list: each begins when the one before
 * has succeeded, on the context that completed it. The first that fails ends them, and its failure
 * is that of the whole.
 */
public final class InTurn {
  private InTurn() {}

  /** Does it for each. */
  public static <T> Future<Void> each(Iterable<? extends T> all, Function<T, Future<?>> step) {
    Future<?> done = Future.succeededFuture();
    for (T one : all) {
      done = done.compose(v -> step.apply(one));
    }
    return done.mapEmpty();
  }

  /** What it gives for each, in the same order. */
  public static <T, R> Future<List<R>> collect(
      Iterable<? extends T> all, Function<T, Future<R>> step) {
    List<R> results = new ArrayList<>();
    return each(all, (T one) -> step.apply(one).map(results::add)).map(results);
  }

  /** Does it for each until it gives false for one; whether it never did. */
  public static <T> Future<Boolean> whileTrue(
      Iterable<? extends T> all, Function<T, Future<Boolean>> step) {
    Future<Boolean> done = Future.succeededFuture(true);
    for (T one : all) {
      done = done.compose(goesOn -> goesOn ? step.apply(one) : Future.succeededFuture(false));
    }
    return done;
  }
}
