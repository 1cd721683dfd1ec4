package org.nodepool.jobs;

import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import org.nodepool.model.Event;
import org.nodepool.model.Job;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.JobTable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells those who wait for jobs to end, whichever process runs them: at once when this one has
 * written it, else within half a second, by one query for all who wait. While the database is away
 * they go on waiting. Thread-safe.
 */
public final class JobWaits {
  private static final Logger log = LoggerFactory.getLogger(JobWaits.class);

  private static final long PERIOD_MS = 500;

  /** One client that waits for one job. */
  public final class JobWait {
    private final long job;
    private final Context context = vertx.getOrCreateContext();
    private final Promise<Void> over = Promise.promise();

    private final OptionalLong limit;

    private JobWait(long job, Duration limit) {
      this.job = job;
      this.limit =
          limit == null
              ? OptionalLong.empty()
              : OptionalLong.of(vertx.setTimer(limit.toMillis(), fired -> end()));
    }

    /**
     * Completes, on the context that began to wait, when the job has ended or is gone, or {@link
     * #end} was called; never after {@link #forget}.
     */
    public Future<Void> over() {
      return over.future();
    }

    /** Ends the waiting, whatever the job does. */
    public void end() {
      if (leave()) {
        context.runOnContext(v -> over.complete());
      }
    }

    /** Nobody waits any more. */
    public void forget() {
      leave();
    }

    /** Whether it was still waiting. */
    private boolean leave() {
      limit.ifPresent(vertx::cancelTimer);
      return waiters.remove(this);
    }
  }

  private final Vertx vertx;
  private final JobTable jobs;
  private final Set<JobWait> waiters = ConcurrentHashMap.newKeySet();
  private final AtomicBoolean isLooking = new AtomicBoolean();
  private final long timer;
  private volatile boolean isClosed;

  /**
   * @param changes what this process commits
   */
  public JobWaits(Vertx vertx, JobTable jobs, ChangeLog changes) {
    this.vertx = vertx;
    this.jobs = jobs;
    this.timer = vertx.setPeriodic(PERIOD_MS, fired -> look());
    changes.subscribe(this::heard);
  }

  /**
   * Begins to wait. What was written before need not be noticed at once: whoever waits looks at the
   * job himself, after this.
   *
   * @param limit at least a millisecond; null for none
   */
  public JobWait begin(long job, Duration limit) {
    JobWait waiter = new JobWait(job, limit);
    waiters.add(waiter);
    if (isClosed) {
      waiter.end();
    }
    return waiter;
  }

  /** Ends all waiting, also what begins later: the service stops. */
  public void close() {
    isClosed = true;
    vertx.cancelTimer(timer);
    waiters.forEach(JobWait::end);
  }

  private void heard(Event event) {
    if (event.data() instanceof Job job && (job.finished() != null || event.state() == null)) {
      waiters.stream().filter(waiter -> waiter.job == job.id()).forEach(JobWait::end);
    }
  }

  private void look() {
    // who comes while the answer is on its way was not asked for
    List<JobWait> asking = List.copyOf(waiters);
    if (asking.isEmpty() || !isLooking.compareAndSet(false, true)) {
      return;
    }
    jobs.stillUnfinished(asking.stream().map(waiter -> waiter.job).collect(Collectors.toSet()))
        .onSuccess(
            unfinished ->
                asking.stream()
                    .filter(waiter -> !unfinished.contains(waiter.job))
                    .forEach(JobWait::end))
        .onFailure(e -> log.debug("no look at the jobs that are waited for", e))
        .onComplete(done -> isLooking.set(false));
  }
}
