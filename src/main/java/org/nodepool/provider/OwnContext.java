package org.nodepool.provider;

import io.vertx.core.AsyncResult;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.VerticleBase;
import io.vertx.core.Vertx;
import io.vertx.core.WorkerExecutor;
import java.util.function.Function;
import java.util.function.Supplier;

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
   * @param executors makes what {@code make} is given; closed with the provider
   * @param make makes the provider, on its context
   */
  static OwnContext of(
      Vertx vertx, Supplier<WorkerExecutor> executors, Function<WorkerExecutor, Driver.Made> make) {
    OwnContext made = new OwnContext(executors, make);
    made.deployed = vertx.deployVerticle(made);
    return made;
  }

  @Override
  public Future<?> start() {
    executor = executors.get();
    provider = make.apply(executor);
    return Future.succeededFuture();
  }

  @Override
  public Future<?> stop() {
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
        v -> Future.<Void>succeededFuture().compose(w -> call.apply(provider)).onComplete(called));
    return called.future();
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

  /** Closes it, whatever it does. Does not fail. */
  Future<Void> close() {
    return deployed.compose(vertx::undeploy).otherwiseEmpty();
  }
}
