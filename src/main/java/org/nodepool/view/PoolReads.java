package org.nodepool.view;

import static java.util.stream.Collectors.counting;
import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.toMap;

import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.nodepool.changes.PoolLog;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.JobKind;
import org.nodepool.model.Problem;
import org.nodepool.model.ProviderCall;
import org.nodepool.model.ProviderLook;
import org.nodepool.model.Resource;
import org.nodepool.model.Worker;
import org.nodepool.store.AttemptTable;
import org.nodepool.store.Database;
import org.nodepool.store.ProviderCallTable;
import org.nodepool.store.ProviderLookTable;
import org.nodepool.store.WorkerTable;

/**
 * Answers every read of the pool, from database state that was read after the request arrived: a
 * probe, shared by all polls of the same moment, says whether the picture is still right. One for
 * each event loop, to be used on it alone. Every future fails with {@link Problem.Unavailable},
 * within two seconds, when the database is away.
 */
public final class PoolReads {
  /**
   * The sources of all answers; safe for use by any thread.
   *
   * @param jobs apart from the pool, so that who polls that does not wait for very many jobs
   * @param workers that could run the jobs
   * @param providers of the configuration as it is now, in the order of the file
   * @param clock the time from which tables show ages, and by which pauses end
   */
  public record Sources(
      Database db,
      Picture<PoolView> pool,
      Picture<JobView> jobs,
      AttemptTable attempts,
      WorkerTable workers,
      ProviderCallTable providerCalls,
      ProviderLookTable providerLooks,
      Supplier<List<PoolProvider>> providers,
      Clock clock,
      PollStats stats) {}

  /** The phase of a queued job changes without a change of a row. */
  private static final long PHASES_MS = 1_000;

  private static final Comparator<Job> BY_ID = Comparator.comparingLong(Job::id);

  private final Sources sources;
  private final Context context;
  private final PoolLog log;
  private final AnswerMaker makers;
  private final Side<PoolView> pool;
  private final Side<JobView> jobs;
  private final SharedRead<List<Worker>> workers;

  /** What is read of one picture. */
  private final class Side<V extends View> {
    final Picture<V> picture;
    final SharedRead<V> fresh;
    final LongPolls<V> longPolls;

    Side(Vertx vertx, Picture<V> picture) {
      this.picture = picture;
      this.fresh = new SharedRead<>(vertx, this::probe);
      this.longPolls =
          new LongPolls<>(
              vertx,
              picture,
              sources.stats(),
              (view, query) -> PoolReads.this.answer(view, query, System.nanoTime(), makers::make),
              PoolReads.this::answer,
              fresh::get);
    }

    private Future<V> probe() {
      V view = picture.current();
      if (!view.canBeProbed()) {
        return picture.refreshed(context);
      }
      sources.stats().probed();
      return log.isAll(view.seen())
          .compose(isAll -> isAll ? Future.succeededFuture(view) : picture.refreshed(context));
    }

    void answer(Query<?> query, long asked, Receiver receiver) {
      fresh.get(
          read -> {
            if (read.failed()) {
              receiver.failed(read.cause());
            } else if (isExplained(read.result(), query)) {
              PoolReads.this
                  .answer(read.result(), query, asked, makers::forClient)
                  .onSuccess(receiver::answered)
                  .onFailure(receiver::failed);
            } else {
              PoolReads.this.answer(read.result(), query, receiver);
            }
          });
    }

    Future<Page> answer(Query<?> query, long asked) {
      return fresh
          .get()
          .compose(view -> PoolReads.this.answer(view, query, asked, makers::forClient));
    }
  }

  /** The jobs that {@code explained} was made of. */
  private Table<Job> stored;

  private List<Job> unfinished = List.of();
  private List<Worker> knownWorkers;
  private Instant explainedAt;
  private Table<Job> explained;

  /** To be made on the event loop that it is for. */
  public PoolReads(Vertx vertx, Sources sources) {
    this.sources = sources;
    this.context = vertx.getOrCreateContext();
    this.log = PoolLog.prober(sources.db());
    this.makers = new AnswerMaker(vertx);
    this.pool = new Side<>(vertx, sources.pool());
    this.jobs = new Side<>(vertx, sources.jobs());
    this.workers = new SharedRead<>(vertx, sources.workers()::list);
    vertx.setPeriodic(PHASES_MS, timer -> jobs.longPolls.lookAtAll());
  }

  /** Connects. Does not fail. */
  public Future<Void> open() {
    return log.open().otherwiseEmpty();
  }

  private Side<?> side(Kind<?> kind) {
    return kind == Kind.JOB ? jobs : pool;
  }

  /** The answer to a query; fails with what the query fails with. */
  public Future<Page> answer(Query<?> query) {
    return side(query.kind()).answer(query, System.nanoTime());
  }

  /** Is told one of both, once. */
  public interface Receiver {
    void answered(Page page);

    void failed(Throwable cause);
  }

  /**
   * As {@link #answer(Query)}, without a future for each of thousands of polls.
   *
   * @param asked when the request came, by {@link System#nanoTime}
   */
  public void answer(Query<?> query, long asked, Receiver receiver) {
    side(query.kind()).answer(query, asked, receiver);
  }

  private <T extends Resource> void answer(View view, Query<T> query, Receiver receiver) {
    Page page;
    try {
      page = view.table(query.kind()).answer(query, sources.clock());
    } catch (Throwable e) { // a problem, or a fault of ours: the client must be told
      receiver.failed(e);
      return;
    }
    receiver.answered(page);
  }

  private <T extends Resource> Future<Page> answer(
      View view, Query<T> query, long asked, Function<Callable<Page>, Future<Page>> maker) {
    Future<Table<T>> table =
        isExplained(view, query)
            ? explained(view.table(Kind.JOB), asked).map(known -> ofKind(known))
            : Future.succeededFuture(view.table(query.kind()));
    return table.compose(
        rows -> {
          Page known = rows.atOnce(query, sources.clock());
          return known == null
              ? maker.apply(() -> rows.answer(query, sources.clock()))
              : Future.succeededFuture(known);
        });
  }

  /** Whether the answer tells what a queued job waits for. */
  private boolean isExplained(View view, Query<?> query) {
    return query.kind() == Kind.JOB && waits(view.table(Kind.JOB), query);
  }

  @SuppressWarnings("unchecked") // what is explained are jobs
  private static <T extends Resource> Table<T> ofKind(Table<Job> jobs) {
    return (Table<T>) jobs;
  }

  /** Whether what is asked for may show what a queued job waits for. */
  private boolean waits(Table<Job> jobs, Query<?> query) {
    if (query instanceof OneQuery<?> one) {
      return jobs.find(one.id()).filter(job -> job.state() == JobState.QUEUED).isPresent();
    }
    return unfinished(jobs).stream().anyMatch(job -> job.state() == JobState.QUEUED);
  }

  private List<Job> unfinished(Table<Job> jobs) {
    if (jobs != stored) {
      stored = jobs;
      unfinished = jobs.rows().filter(job -> job.finished() == null).sorted(BY_ID).toList();
      explained = null;
    }
    return unfinished;
  }

  /** The jobs as people see them: one that is queued says what it waits for. */
  private Future<Table<Job>> explained(Table<Job> jobs, long asked) {
    return inTime(asked, workers.get()).map(known -> explained(jobs, known));
  }

  /** The limit counts from the request, also for a second read that it waits for. */
  private static <T> Future<T> inTime(long asked, Future<T> read) {
    long left = SharedRead.LIMIT_MS - TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - asked);
    return left <= 0
        ? SharedRead.tooLate()
        : read.timeout(left, TimeUnit.MILLISECONDS)
            .recover(
                e -> e instanceof TimeoutException ? SharedRead.tooLate() : Future.failedFuture(e));
  }

  private Table<Job> explained(Table<Job> jobs, List<Worker> known) {
    List<Job> open = unfinished(jobs);
    Instant now = sources.clock().instant();
    boolean isKnown =
        explained != null
            && known.equals(knownWorkers)
            && now.getEpochSecond() == explainedAt.getEpochSecond();
    if (!isKnown) {
      QueuedJobs queuedJobs = new QueuedJobs(open, known, now);
      Map<Long, Job> queued = new HashMap<>();
      open.stream()
          .filter(job -> job.state() == JobState.QUEUED)
          .forEach(job -> queued.put(job.id(), queuedJobs.explained(job)));
      explained = jobs.with(queued);
      knownWorkers = known;
      explainedAt = now;
    }
    return explained;
  }

  /** A kind and a state that jobs have. */
  public record JobCount(JobKind kind, JobState state) {}

  /** How many jobs there are of each kind and state that there is one of. */
  public Future<Map<JobCount, Long>> jobCounts() {
    return jobs.fresh
        .get()
        .map(
            view ->
                view.jobs()
                    .rows()
                    .collect(groupingBy(job -> new JobCount(job.kind(), job.state()), counting())));
  }

  /** The job as people see it; fails with {@link Problem.NotFound}. */
  public Future<Job> job(long id) {
    long asked = System.nanoTime();
    return jobs.fresh
        .get()
        .compose(
            view ->
                waits(view.jobs(), new OneQuery<>(Kind.JOB, id))
                    ? explained(view.jobs(), asked)
                    : Future.succeededFuture(view.jobs()))
        .map(known -> known.find(id).orElseThrow(() -> Problem.NotFound.row("job", id)));
  }

  /** A poll that waits for another answer than its client has. */
  public interface LongPoll {
    /**
     * The other answer, or, when the time is over, whichever there is. Fails with what the query
     * fails with.
     */
    Future<Page> answer();

    /** Ends it without an answer: the client is gone. */
    void end();
  }

  /**
   * Begins to wait for another answer than one that is known; there may be one already.
   *
   * @param limit at least a millisecond
   */
  public <T extends Resource> LongPoll begin(
      Query<T> query, Predicate<Representation> isKnown, Duration limit) {
    return side(query.kind()).longPolls.begin(query, isKnown, limit);
  }

  /** The attempts at that job, the first one first. */
  public Future<Page> attempts(long jobId) {
    // then the job: of one that is removed meanwhile there is no empty list
    return inTime(
        System.nanoTime(),
        sources
            .attempts()
            .of(jobId)
            .compose(
                rows ->
                    job(jobId)
                        .map(
                            job ->
                                new Page(Representation.of(Json.array(Kind.ATTEMPT_KEYS, rows))))));
  }

  /** The providers that are configured, each with the newest call to it and the last look at it. */
  public Future<Page> providers() {
    return sources
        .providerCalls()
        .list()
        .compose(
            calls ->
                sources
                    .providerLooks()
                    .list()
                    .map(looks -> new Page(shown(sources.providers().get(), calls, looks))));
  }

  private static Representation shown(
      List<PoolProvider> providers, List<ProviderCall> calls, List<ProviderLook> looks) {
    Map<String, ProviderCall> last = calls.stream().collect(toMap(ProviderCall::provider, c -> c));
    Map<String, ProviderLook> found =
        looks.stream().collect(toMap(ProviderLook::provider, l -> l, ProviderLook::plus));
    return Representation.of(Json.providers(providers, last, found));
  }

  /**
   * The servers of a provider that no row knows, as the last look found them, of all hosts; fails
   * with {@link Problem.NotFound} when it is not configured.
   */
  public Future<Page> alienServers(String provider) {
    return configured(provider)
        .compose(sources.providerLooks()::alienServers)
        .map(looks -> new Page(Representation.of(Json.aliens("alien_servers", looks))));
  }

  /** As {@link #alienServers}, of its images. */
  public Future<Page> alienImages(String provider) {
    return configured(provider)
        .compose(sources.providerLooks()::alienImages)
        .map(looks -> new Page(Representation.of(Json.aliens("alien_images", looks))));
  }

  private Future<String> configured(String provider) {
    return sources.providers().get().stream().anyMatch(known -> known.name().equals(provider))
        ? Future.succeededFuture(provider)
        : Future.failedFuture(
            new Problem.NotFound("Provider %s is not in nodepool.yaml.".formatted(provider)));
  }

  /** Answers the polls that wait. */
  public void close() {
    pool.longPolls.close();
    jobs.longPolls.close();
  }
}
