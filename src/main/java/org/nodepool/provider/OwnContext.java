package org.nodepool.provider;

import io.vertx.core.AsyncResult;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.VerticleBase;
import io.vertx.core.Vertx;
import io.vertx.core.WorkerExecutor;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.Supplier;
import org.nodepool.model.AttemptEnd.ProviderAway;

/**
 * A provider on a context of its own, a verticle's. Thread-safe: a call is made on that context,
 * and its future completes on the caller's.
 */
final class OwnContext extends VerticleBase {
  private final Supplier<WorkerExecutor> executors;
  private final Function<WorkerExecutor, Driver.Made> make;
  private Future<String> deployed;
  private int calls;
  private boolean isRetired;
  private volatile boolean isClosed;

  /** Calls that have not ended. */
  private final Set<Promise<?>> underWay = ConcurrentHashMap.newKeySet();

  // for the own context alone
  private WorkerExecutor executor;
  private Driver.Made provider;

  private OwnContext(
      Supplier<WorkerExecutor> executors, Function<WorkerExecutor, Driver.Made> make) {
    this.executors = executors;
    this.make = make;
  }

  /**
   * A provider that is made from now on; a call waits for that.
   *
   * @param root a context that is no verticle's: to the caller's the provider would be a child, and
   *     end with it
   * @param executors makes what {@code make} is given; closed with the provider
   * @param make makes the provider, on its context
   */
  static OwnContext of(
      Context root,
      Supplier<WorkerExecutor> executors,
      Function<WorkerExecutor, Driver.Made> make) {
    OwnContext made = new OwnContext(executors, make);
    Promise<String> deployed = Promise.promise();
    made.deployed = deployed.future();
    root.runOnContext(v -> root.owner().deployVerticle(made).onComplete(deployed));
    return made;
  }

  @Override
  public Future<?> start() {
    executor = executors.get();
    try {
      provider = make.apply(executor);
      return Future.succeededFuture();
    } catch (RuntimeException e) {
      return executor.close().transform(closed -> Future.failedFuture(e));
    }
  }

  /**
   * What is under way fails: the pauses between its tries would end where nothing runs any more.
   */
  @Override
  public Future<?> stop() {
    for (Promise<?> called : Set.copyOf(underWay)) {
      called.tryFail(new ProviderAway("The service is being stopped.", null));
    }
    return provider.close().eventually(executor::close);
  }

  /** Whether it was made, or is being made. */
  boolean isUsable() {
    return !deployed.failed();
  }

  /** Makes that call. To be called before {@link #closeAfterLastCall}. */
  <T> Future<T> call(Function<Provider, Future<T>> call) {
    Context caller = Vertx.currentContext();
    Promise<T> answer = Promise.promise();
    begin();
    deployed
        .compose(id -> onContext(call))
        .onComplete(
            done -> {
              end();
              hand(done, answer, caller);
            });
    return answer.future();
  }

  private <T> Future<T> onContext(Function<Provider, Future<T>> call) {
    Promise<T> called = Promise.promise();
    context.runOnContext(
        v -> {
          underWay.add(called);
          Future.<Void>succeededFuture()
              .compose(w -> call.apply(provider))
              .onSuccess(called::tryComplete)
              .onFailure(called::tryFail);
        });
    return called.future().onComplete(done -> underWay.remove(called));
  }

  private static <T> void hand(AsyncResult<T> done, Promise<T> answer, Context caller) {
    if (caller == null) {
      answer.handle(done);
    } else {
      caller.runOnContext(v -> answer.handle(done));
    }
  }

  private synchronized void begin() {
    calls++;
  }

  private synchronized void end() {
    calls--;
    closeIfUnused();
  }

  /** Closes it as soon as no call is under way. */
  synchronized void closeAfterLastCall() {
    isRetired = true;
    closeIfUnused();
  }

  private void closeIfUnused() {
    if (isRetired && calls == 0) {
      close();
    }
  }

  /** Whether it was closed, or is being closed. */
  boolean isClosed() {
    return isClosed;
  }

  /** Closes it, whatever it does. Does not fail. */
  Future<Void> close() {
    isClosed = true;
    return deployed.compose(vertx::undeploy).otherwiseEmpty();
  }
}
