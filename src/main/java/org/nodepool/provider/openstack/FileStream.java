package org.nodepool.provider.openstack;

import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.file.AsyncFile;
import io.vertx.core.file.OpenOptions;
import io.vertx.core.streams.ReadStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.provider.ImageStore;

/**
 * A file on its way out, as fast as it is taken and never faster. It fails with {@link
 * ProviderFailure} when it is to stop, or when nothing has been taken for too long. To be used on
 * one context alone.
 */
final class FileStream implements ReadStream<Buffer> {
  private static final int BUFFER_BYTES = 256 << 10;
  private static final long LOOK_MS = 250;

  private final Vertx vertx;
  private final AsyncFile file;
  private final long sizeBytes;
  private final ImageStore.Observer observer;
  private final Duration patience;
  private final long watch;
  private Handler<Buffer> onData;
  private Handler<Void> onEnd;
  private Handler<Throwable> onFailure = e -> {};
  private long given;
  private long firstGiven;
  private long lastGiven = System.nanoTime();
  private boolean isOver;

  private FileStream(
      Vertx vertx,
      AsyncFile file,
      long sizeBytes,
      ImageStore.Observer observer,
      Duration patience) {
    this.vertx = vertx;
    this.file = file;
    this.sizeBytes = sizeBytes;
    this.observer = observer;
    this.patience = patience;
    this.watch = vertx.setPeriodic(LOOK_MS, timer -> look());
  }

  /**
   * @param sizeBytes how much of it is sent
   * @param patience how long nothing may be taken
   */
  static Future<FileStream> open(
      Vertx vertx, Path path, long sizeBytes, ImageStore.Observer observer, Duration patience) {
    return vertx
        .fileSystem()
        .open(path.toString(), new OpenOptions().setRead(true).setWrite(false).setCreate(false))
        .map(
            file -> {
              file.setReadBufferSize(BUFFER_BYTES).setReadLength(sizeBytes);
              return new FileStream(vertx, file, sizeBytes, observer, patience);
            })
        .recover(
            e ->
                Future.failedFuture(
                    new ProviderFailure("The file of the dib image cannot be read.")));
  }

  /** Whether all of it has been handed on. */
  boolean isGiven() {
    return given == sizeBytes;
  }

  /** Whether anything has been handed on. */
  boolean isBegun() {
    return given > 0;
  }

  /** How long ago the first byte was handed on. */
  Duration sinceFirstByte() {
    return Duration.ofMillis(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - firstGiven));
  }

  private void look() {
    if (observer.isStopped()) {
      fail(new ProviderFailure("The upload was stopped."));
    } else if (!isGiven() && System.nanoTime() - lastGiven > patience.toNanos()) {
      fail(
          new ProviderFailure(
              "The cloud took nothing for %s, %d of %d bytes were sent."
                  .formatted(patience, given, sizeBytes)));
    }
  }

  /** Ends it, and with it what it is sent by; nothing when it has ended. */
  void fail(Throwable cause) {
    if (!isOver) {
      isOver = true;
      vertx.cancelTimer(watch);
      file.handler(null).close();
      onFailure.handle(cause);
    }
  }

  private void give(Buffer data) {
    lastGiven = System.nanoTime();
    if (given == 0) {
      firstGiven = lastGiven;
    }
    given += data.length();
    observer.sent((double) given / sizeBytes);
    onData.handle(data);
  }

  private void end() {
    if (!isGiven()) {
      fail(
          new ProviderFailure(
              "The file of the dib image became shorter while it was sent: it ended after %d of %d"
                      .formatted(given, sizeBytes)
                  + " bytes."));
      return;
    }
    // the watch goes on: it may still have to stop while the answer is awaited
    onEnd.handle(null);
  }

  @Override
  public FileStream handler(Handler<Buffer> handler) {
    onData = handler;
    if (!isOver) {
      file.handler(handler == null ? null : this::give);
    }
    return this;
  }

  @Override
  public FileStream endHandler(Handler<Void> handler) {
    onEnd = handler;
    if (!isOver) {
      file.endHandler(handler == null ? null : v -> end());
    }
    return this;
  }

  @Override
  public FileStream exceptionHandler(Handler<Throwable> handler) {
    onFailure = handler == null ? e -> {} : handler;
    if (!isOver) {
      file.exceptionHandler(this::fail);
    }
    return this;
  }

  @Override
  public FileStream pause() {
    if (!isOver) {
      file.pause();
    }
    return this;
  }

  @Override
  public FileStream resume() {
    return fetch(Long.MAX_VALUE);
  }

  @Override
  public FileStream fetch(long amount) {
    if (!isOver) {
      file.fetch(amount);
    }
    return this;
  }
}
