package org.nodepool.api;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.FunctionTimer;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MultiGauge;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.RoutingContext;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.ToDoubleFunction;
import org.nodepool.view.PoolReads;
import org.nodepool.view.Representation;

/**
 * The counts of the service, in the form of Prometheus: {@code /metrics}. One for all event loops;
 * thread-safe.
 */
public final class Metrics {
  private static final String CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

  private static final String ROUTE = "nodepool.route";
  private static final String HELD = "nodepool.held";

  /** What no line of the table is for. */
  private static final String NO_ROUTE = "none";

  private static final long DELAY_MS = 500;

  private final PrometheusMeterRegistry registry =
      new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
  private final Map<Answered, Requests> requests = new ConcurrentHashMap<>();
  private final MultiGauge jobs =
      MultiGauge.builder("nodepool.jobs").description("jobs there are").register(registry);

  /** Requests that are counted together; {@code isHeld}: they ask to be kept waiting. */
  private record Answered(String method, String route, int status, boolean isHeld) {}

  /**
   * Requests of one kind that were answered. A timer of the library would look at the clock once
   * more for each of them.
   */
  static final class Requests {
    private final LongAdder count = new LongAdder();
    private final LongAdder nanos = new LongAdder();

    private Requests() {}

    void answered(long tookNanos) {
      count.increment();
      nanos.add(tookNanos);
    }
  }

  /**
   * @param sources whose counts are shown
   */
  public Metrics(PoolReads.Sources sources) {
    count(
        "nodepool.probes",
        "reads that ask whether anything has changed",
        sources,
        s -> s.stats().probes() + s.pool().probes() + s.jobs().probes());
    count(
        "nodepool.refreshes",
        "times that the picture of the pool, or that of the jobs, was made newer",
        sources,
        s -> s.pool().refreshes() + s.jobs().refreshes());
    count(
        "nodepool.full.reads",
        "times that all rows were read for it",
        sources,
        s -> s.pool().fullReads() + s.jobs().fullReads());
    count(
        "nodepool.differences",
        "rows found changed of which the change log said nothing",
        sources,
        s -> s.pool().differences() + s.jobs().differences());
    gauge(
        "nodepool.waiters",
        "clients that wait for another answer",
        sources,
        s -> s.stats().waiters());
    gauge(
        "nodepool.database.under.way",
        "reads and transactions that have or wait for a connection of the pool",
        sources,
        s -> s.db().underWay());
    gauge(
        "nodepool.database.connections.max",
        "connections that the pool has at most",
        sources,
        s -> s.db().mostConnections());
  }

  private <T> void count(String name, String what, T of, ToDoubleFunction<T> value) {
    FunctionCounter.builder(name, of, value).description(what).register(registry);
  }

  private <T> void gauge(String name, String what, T of, ToDoubleFunction<T> value) {
    Gauge.builder(name, of, value).description(what).register(registry);
  }

  /** Shows how many connections there are. */
  void watch(Connections.Total connections) {
    gauge(
        "nodepool.connections", "connections that are open", connections, Connections.Total::open);
  }

  /** Measures from now on how late that event loop is. To be called on it. */
  void watch(Vertx vertx) {
    Timer delay =
        Timer.builder("nodepool.event.loop.delay")
            .description("how much later than it should an event loop does something")
            .tag("loop", Thread.currentThread().getName())
            .register(registry);
    long[] due = {System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(DELAY_MS)};
    vertx.setPeriodic(
        DELAY_MS,
        timer -> {
          long now = System.nanoTime();
          delay.record(Math.max(0, now - due[0]), TimeUnit.NANOSECONDS);
          due[0] = now + TimeUnit.MILLISECONDS.toNanos(DELAY_MS);
        });
  }

  /** Counts the request when it has been answered. */
  void begin(RoutingContext ctx) {
    long began = System.nanoTime();
    ctx.addEndHandler(
        ended -> {
          HttpServerResponse response = ctx.response();
          if (response.headWritten()) {
            String route = ctx.get(ROUTE);
            int status = response.getStatusCode();
            Requests such =
                route == null
                    ? unrouted(status)
                    : requests(
                        new Answered(
                            ctx.request().method().name(), route, status, ctx.get(HELD) != null));
            such.answered(System.nanoTime() - began);
          }
        });
  }

  /** The request is for that line of the table. */
  static void route(RoutingContext ctx, Routes.Operation operation) {
    ctx.put(ROUTE, operation.path());
  }

  /** The request asks to be kept waiting: its time says nothing of how quick the service is. */
  static void hold(RoutingContext ctx) {
    ctx.put(HELD, true);
  }

  /** The requests for that line of the table, for a caller that counts them itself. */
  Requests requests(String method, String route, int status, boolean isHeld) {
    return requests(new Answered(method, route, status, isHeld));
  }

  /** The requests that no line of the table is for. */
  Requests unrouted(int status) {
    // a client's own words are no label: there would be as many as it likes
    return requests(new Answered(NO_ROUTE, NO_ROUTE, status, false));
  }

  private Requests requests(Answered what) {
    return requests.computeIfAbsent(
        what,
        of -> {
          Requests made = new Requests();
          FunctionTimer.builder(
                  "nodepool.requests",
                  made,
                  all -> all.count.sum(),
                  all -> all.nanos.sum(),
                  TimeUnit.NANOSECONDS)
              .description("requests that were answered, and how long that took")
              .tags("method", of.method(), "route", of.route(), "status", "" + of.status())
              .tags("held", "" + of.isHeld())
              .register(registry);
          return made;
        });
  }

  /** {@code GET /metrics}; while the database is away the jobs are those that were last seen. */
  Future<Answer> get(RoutingContext ctx, PoolReads reads) {
    Input.noQuery(ctx);
    return reads
        .jobCounts()
        .map(
            counts -> {
              List<MultiGauge.Row<?>> rows =
                  counts.entrySet().stream()
                      .<MultiGauge.Row<?>>map(
                          count ->
                              MultiGauge.Row.of(
                                  Tags.of(
                                      "kind", count.getKey().kind().toString(),
                                      "state", count.getKey().state().toString()),
                                  count.getValue()))
                      .toList();
              jobs.register(rows, true);
              return counts;
            })
        .transform(
            done ->
                Future.succeededFuture(
                    Answer.of(
                        ctx, new Representation(Buffer.buffer(registry.scrape()), CONTENT_TYPE))));
  }
}
