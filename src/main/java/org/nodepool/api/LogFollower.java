package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.file.AsyncFile;
import io.vertx.core.file.FileSystemException;
import io.vertx.core.file.OpenOptions;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.RoutingContext;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.nodepool.jobs.JobWaits;

/**
 * Sends a log while it is written, to its end when its job has ended, and no faster than the client
 * takes it. Lives on the context of its request, so its fields need no locks.
 */
final class LogFollower {
  private static final int CHUNK_BYTES = 64 * 1024;
  private static final long PERIOD_MS = 500;

  private final RoutingContext ctx;
  private final Vertx vertx;
  private final HttpServerResponse response;
  private final Path path;
  private final JobWaits.JobWait end;
  private AsyncFile file;
  private long sent;
  private long timer = -1;
  private boolean hasJobEnded;
  private boolean isClosed;

  /**
   * @param end of the job whose log it is
   */
  LogFollower(RoutingContext ctx, Path path, JobWaits.JobWait end) {
    this.ctx = ctx;
    this.vertx = ctx.vertx();
    this.response = ctx.response();
    this.path = path;
    this.end = end;
  }

  /** Begins; ends the response by itself. */
  void follow() {
    if (response.closed()) { // while the log was looked for
      close();
      return;
    }
    end.over().onSuccess(v -> hasJobEnded = true);
    ctx.addEndHandler(ended -> close());
    response.setChunked(true).write(Buffer.buffer()); // the head
    next(false);
  }

  /**
   * Sends what there is.
   *
   * @param isLast whether what there is now is all there will be
   */
  private void next(boolean isLast) {
    read()
        .compose(
            bytes ->
                bytes.length() == 0
                    ? Future.succeededFuture(false)
                    : response.write(bytes).map(sending(bytes)))
        .onSuccess(isMore -> goOn(isMore, isLast))
        .onFailure(this::failed);
  }

  private boolean sending(Buffer bytes) {
    sent += bytes.length();
    return true;
  }

  private void goOn(boolean isMore, boolean isLast) {
    if (isClosed) {
      return;
    }
    if (isMore) {
      next(isLast);
    } else if (isLast) {
      response.end();
    } else {
      // a worker writes its last line right after the end of its job
      boolean isLastLook = hasJobEnded;
      timer = vertx.setTimer(PERIOD_MS, fired -> next(isLastLook));
    }
  }

  /** What follows what was sent; nothing at the end, or as long as there is no file. */
  private Future<Buffer> read() {
    return opened()
        .compose(opened -> opened.read(Buffer.buffer(), 0, sent, CHUNK_BYTES))
        .recover(
            e ->
                e instanceof FileSystemException && e.getCause() instanceof NoSuchFileException
                    ? Future.succeededFuture(Buffer.buffer())
                    : Future.failedFuture(e));
  }

  private Future<AsyncFile> opened() {
    if (file != null) {
      return Future.succeededFuture(file);
    }
    OpenOptions reading = new OpenOptions().setRead(true).setWrite(false).setCreate(false);
    return vertx.fileSystem().open(path.toString(), reading).map(this::keep);
  }

  private AsyncFile keep(AsyncFile opened) {
    file = opened;
    if (isClosed) {
      file.close();
    }
    return file;
  }

  /** A client that went away needs no answer. */
  private void failed(Throwable cause) {
    if (!isClosed) {
      ctx.fail(cause);
    }
  }

  private void close() {
    isClosed = true;
    end.forget();
    vertx.cancelTimer(timer);
    if (file != null) {
      file.close();
    }
  }
}
