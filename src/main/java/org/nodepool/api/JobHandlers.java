package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.file.FileProps;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.RoutingContext;
import java.nio.file.NoSuchFileException;
import org.nodepool.jobs.JobLogs;
import org.nodepool.jobs.Jobs;
import org.nodepool.model.Job;
import org.nodepool.model.Problem;
import org.nodepool.store.JobTable;
import org.nodepool.view.Kind;
import org.nodepool.view.PoolReads;

/** {@code /v1/jobs}. */
final class JobHandlers {
  private static final String JOB = "job";

  private final PoolReads reads;
  private final JobTable table;
  private final Jobs jobs;
  private final JobLogs logs;

  JobHandlers(PoolReads reads, JobTable table, Jobs jobs, JobLogs logs) {
    this.reads = reads;
    this.table = table;
    this.jobs = jobs;
    this.logs = logs;
  }

  Future<Answer> list(RoutingContext ctx) {
    return reads.jobs(ListInput.list(ctx, Kind.JOB)).map(page -> Answer.page(ctx, page));
  }

  Future<Answer> summary(RoutingContext ctx) {
    return reads.jobs(ListInput.summary(ctx, Kind.JOB)).map(page -> Answer.page(ctx, page));
  }

  Future<Answer> get(RoutingContext ctx) {
    Input.noQuery(ctx);
    return reads.job(Input.id(ctx, JOB)).map(Answer::of);
  }

  Future<Answer> cancel(RoutingContext ctx) {
    Input.noQuery(ctx);
    return jobs.cancel(Input.id(ctx, JOB)).map(Answer::cancelled);
  }

  Future<Answer> retry(RoutingContext ctx) {
    Input.noQuery(ctx);
    return jobs.retry(Input.id(ctx, JOB)).map(Answer::retried);
  }

  Future<Answer> attempts(RoutingContext ctx) {
    Input.noQuery(ctx);
    return reads.attempts(Input.id(ctx, JOB)).map(Answer::of);
  }

  /** The log as it is when the file is opened: a build goes on writing it. */
  Future<Answer> log(RoutingContext ctx) {
    Input.noQuery(ctx);
    return table
        .get(Input.id(ctx, JOB))
        .compose(
            job -> {
              checkHasLog(job);
              return size(ctx, job).map(size -> response -> send(ctx, response, job, size));
            });
  }

  private Future<Long> size(RoutingContext ctx, Job job) {
    return ctx.vertx()
        .fileSystem()
        .props(logs.file(job).toString())
        .map(FileProps::size)
        .recover(
            e ->
                Future.failedFuture(
                    e.getCause() instanceof NoSuchFileException && job.finished() != null
                        ? new Problem.Gone("The log was removed.")
                        : new Problem.WrongState("The log cannot be read now.")));
  }

  private void checkHasLog(Job job) {
    if (job.host() == null) {
      throw new Problem.WrongState("Job %d has not begun; it has no log yet.".formatted(job.id()));
    }
    if (!logs.isHere(job)) {
      throw new Problem.WrongState(
          "The log of job %d is kept on host %s.".formatted(job.id(), job.host()));
    }
  }

  private void send(RoutingContext ctx, HttpServerResponse response, Job job, long size) {
    response.putHeader(HttpHeaders.CONTENT_TYPE, "text/plain; charset=utf-8");
    if (ctx.request().method() == HttpMethod.HEAD) {
      response.putHeader(HttpHeaders.CONTENT_LENGTH, Long.toString(size)).end();
    } else {
      response.sendFile(logs.file(job).toString(), 0, size).onFailure(ctx::fail);
    }
  }
}
