package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.MultiMap;
import io.vertx.core.file.FileProps;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpMethod;
import io.vertx.ext.web.RoutingContext;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.nodepool.api.http.ByteRange;
import org.nodepool.jobs.JobLogs;
import org.nodepool.jobs.JobWaits;
import org.nodepool.jobs.Jobs;
import org.nodepool.model.Job;
import org.nodepool.model.Problem;
import org.nodepool.view.Kind;
import org.nodepool.view.OneQuery;
import org.nodepool.view.PoolReads;

/** {@code /v1/jobs}. */
final class JobHandlers {
  private static final String JOB = "job";
  private static final String WAIT = "wait";
  private static final String FAIL = "fail";
  private static final String FOLLOW = "follow";
  private static final Duration LONGEST_WAIT = Duration.ofHours(1);

  private final PoolReads reads;
  private final Polls polls;
  private final Jobs jobs;
  private final JobLogs logs;
  private final JobWaits waits;

  JobHandlers(PoolReads reads, Polls polls, Jobs jobs, JobLogs logs, JobWaits waits) {
    this.reads = reads;
    this.polls = polls;
    this.jobs = jobs;
    this.logs = logs;
    this.waits = waits;
  }

  Future<Answer> get(RoutingContext ctx) {
    Input.onlyQuery(ctx, WAIT, FAIL);
    Duration wait = Input.seconds(ctx, WAIT, LONGEST_WAIT);
    boolean fail = Input.flag(ctx, FAIL);
    long id = Input.id(ctx, JOB);
    if (wait.isZero() && !fail) {
      return polls.answer(ctx, new OneQuery<>(Kind.JOB, id));
    }
    return ended(ctx, id, wait)
        .map(job -> Answer.untagged(ctx, fail ? status(job) : 200, Kind.JOB.one(job)));
  }

  /** The job when it has ended, or as it is when the time is over. */
  private Future<Job> ended(RoutingContext ctx, long id, Duration wait) {
    if (wait.isZero()) {
      return reads.job(id);
    }
    // before the job is read: its end may be written right after
    Metrics.hold(ctx);
    JobWaits.JobWait waiter = waits.begin(id, wait);
    ctx.addEndHandler(ended -> waiter.forget());
    return reads
        .job(id)
        .recover(
            e ->
                e instanceof Problem.Unavailable
                    ? Future.succeededFuture()
                    : Future.failedFuture(e))
        .compose(
            job ->
                job != null && job.finished() != null
                    ? Future.succeededFuture(job)
                    : waiter.over().compose(v -> reads.job(id)));
  }

  /** For clients that look at nothing else. */
  private static int status(Job job) {
    return switch (job.state()) {
      case FAILED -> 424;
      case CANCELLED -> 409;
      default -> 200;
    };
  }

  Future<Answer> cancel(RoutingContext ctx) {
    Input.noQuery(ctx);
    return shown(ctx).compose(job -> jobs.cancel(job.id())).map(job -> Answer.cancelled(ctx, job));
  }

  Future<Answer> retry(RoutingContext ctx) {
    Input.noQuery(ctx);
    return shown(ctx)
        .compose(job -> jobs.retry(job.id()))
        .map(ticket -> Answer.retried(ctx, ticket));
  }

  /** The job; fails for one that is not shown any more, whether it is there or not. */
  private Future<Job> shown(RoutingContext ctx) {
    return reads.job(Input.id(ctx, JOB));
  }

  Future<Answer> attempts(RoutingContext ctx) {
    Input.noQuery(ctx);
    return reads.attempts(Input.id(ctx, JOB)).map(page -> Answer.page(ctx, page));
  }

  /** The log as it is when the file is opened, a part of it, or all that it becomes. */
  Future<Answer> log(RoutingContext ctx) {
    Input.onlyQuery(ctx, FOLLOW);
    boolean follow = Input.flag(ctx, FOLLOW);
    return shown(ctx)
        .map(this::withLog)
        .compose(job -> logs.find(job).compose(file -> log(ctx, job, file, follow)));
  }

  private Job withLog(Job job) {
    if (job.host() == null) {
      throw new Problem.WrongState("Job %d has not begun; it has no log yet.".formatted(job.id()));
    }
    if (!logs.isHere(job)) {
      throw new Problem.WrongState(
          "The log of job %d is kept on host %s.".formatted(job.id(), job.host()));
    }
    return job;
  }

  private Future<Answer> log(RoutingContext ctx, Job job, Path file, boolean follow) {
    if (follow && job.finished() == null) {
      return Future.succeededFuture(response -> follow(ctx, job, file));
    }
    return ctx.vertx()
        .fileSystem()
        .props(file.toString())
        .map(FileProps::size)
        .recover(
            e ->
                Future.failedFuture(
                    e.getCause() instanceof NoSuchFileException && job.finished() != null
                        ? new Problem.Gone("The log was removed.")
                        : new Problem.WrongState("The log cannot be read now.")))
        .map(
            size ->
                follow
                    ? response -> follow(ctx, job, file)
                    : part(ctx, file, size, range(ctx, size)));
  }

  private void follow(RoutingContext ctx, Job job, Path file) {
    ctx.response()
        .putHeader(HttpHeaders.CONTENT_TYPE, Answer.TEXT)
        .putHeader(ResponseHead.ACCEL_BUFFERING, "no");
    if (ctx.request().method() == HttpMethod.HEAD) {
      ctx.response().end();
    } else {
      Metrics.hold(ctx);
      new LogFollower(ctx, file, waits.begin(job.id(), null)).follow();
    }
  }

  /** The part that was asked for; empty for the whole. HEAD has no parts. */
  private static Optional<ByteRange> range(RoutingContext ctx, long size) {
    MultiMap headers = ctx.request().headers();
    if (ctx.request().method() == HttpMethod.HEAD || headers.contains("If-Range")) {
      return Optional.empty();
    }
    Optional<ByteRange> range = ByteRange.of(headers.getAll("Range"), size);
    if (range.filter(part -> !part.isSatisfiable()).isPresent()) {
      ctx.response()
          .putHeader(HttpHeaders.ACCEPT_RANGES, "bytes")
          .putHeader(HttpHeaders.CONTENT_RANGE, range.get().contentRange(size));
      throw new Refusal(
          ProblemType.RANGE_NOT_SATISFIABLE,
          "The header Range asks for bytes that there are not; there are %d.".formatted(size));
    }
    return range;
  }

  private static Answer part(RoutingContext ctx, Path file, long size, Optional<ByteRange> range) {
    return response -> {
      response
          .putHeader(HttpHeaders.CONTENT_TYPE, Answer.TEXT)
          .putHeader(HttpHeaders.ACCEPT_RANGES, "bytes");
      if (ctx.request().method() == HttpMethod.HEAD) {
        response.putHeader(HttpHeaders.CONTENT_LENGTH, Long.toString(size)).end();
        return;
      }
      range.ifPresent(
          part ->
              response
                  .setStatusCode(206)
                  .putHeader(HttpHeaders.CONTENT_RANGE, part.contentRange(size)));
      ByteRange sent = range.orElse(new ByteRange(0, size));
      response.sendFile(file.toString(), sent.offset(), sent.length()).onFailure(ctx::fail);
    };
  }
}
