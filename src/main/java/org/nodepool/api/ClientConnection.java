package org.nodepool.api;

import io.netty.channel.AdaptiveRecvByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.RecvByteBufAllocator;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.ssl.SslHandler;
import io.vertx.core.Context;
import io.vertx.core.Handler;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpVersion;
import io.vertx.core.net.impl.ConnectionBase;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * The connection of a client: what of a request has come, what is kept of it, and when the
 * connection ends. Lives on its event loop. Times are {@link System#nanoTime}.
 */
final class ClientConnection {
  /** Requests are small: a connection of whose request a part has come keeps no more than that. */
  private static final RecvByteBufAllocator READS =
      new AdaptiveRecvByteBufAllocator(64, 1024, 8192);

  /**
   * For so long what still comes is read and dropped, when an answer was the last one: a client
   * that is sending would lose the answer when its connection is closed (RFC 9112, 9.6).
   */
  private static final long LAST_NANOS = TimeUnit.SECONDS.toNanos(2);

  private static final long BEYOND_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final HttpConnection connection;
  private final boolean isBeyond;
  private final Channel channel;
  private final RequestMemory.Account memory;
  private final RequestDecoder decoder;

  /** The last one that has begun; null before the first. */
  private HttpServerRequest request;

  /** How many have begun. */
  private long begun;

  /** What is kept of the body of the last one, in bytes. */
  private int body;

  /** Whether the client of the last one was told to send its body. */
  private boolean isContinued;

  private long since = System.nanoTime();

  /** Whether it was idle when it was last looked at, and since when. */
  private boolean isIdle = true;

  /** Whether more may come, though an answer was the last one. */
  private boolean isSending;

  /** When it is closed, whatever comes; 0: not yet. */
  private long end;

  /** The buffer that the socket was taking, and how many bytes it had taken; null for none. */
  private Object unsent;

  private long taken;
  private long takenSince;

  /**
   * Before the first byte was read.
   *
   * @param isBeyond whether there are too many: it is told so when a request comes soon
   */
  ClientConnection(
      HttpConnection connection,
      HttpServerOptions options,
      RequestMemory memory,
      boolean isBeyond) {
    this.connection = connection;
    this.isBeyond = isBeyond;
    this.channel = ((ConnectionBase) connection).channel();
    this.memory = memory.open();
    this.decoder = new RequestDecoder(options, this.memory);
    channel.config().setRecvByteBufAllocator(READS);
    channel.pipeline().replace("httpDecoder", "httpDecoder", decoder);
  }

  /** Whether the request that begins next can be answered. */
  boolean canBegin() {
    return !isBeyond && end == 0 && decoder.failure(begun + 1) == null;
  }

  boolean isBeyond() {
    return isBeyond;
  }

  /** To be called once for each request. */
  void begin(HttpServerRequest begins, long now) {
    request = begins;
    begun++;
    since = now;
    isIdle = false;
    isContinued = false;
    decoder.begun();
    forgetBody();
  }

  /** Why the request that has begun cannot be read; null when it can. */
  RuntimeException failure() {
    return decoder.failure(begun);
  }

  /** Whether nobody can tell what the request is that has begun, and cannot be read. */
  boolean isNoRequest() {
    return decoder.isNoRequest();
  }

  /** Whether its last answer is on its way. */
  boolean isEnding() {
    return end != 0;
  }

  /** The next answer is the last one. */
  void end() {
    end = System.nanoTime() + LAST_NANOS;
  }

  /**
   * Goes on when all that has come of the request was looked at; of its body no more is read until
   * {@link #read} or an answer.
   */
  void whenLookedAt(Context context, Handler<Void> next) {
    if (!hasBody()) {
      next.handle(null);
      return;
    }
    decoder.look();
    request.pause();
    channel.config().setAutoRead(false);
    context.runOnContext(next);
  }

  private boolean hasBody() {
    String length = request.getHeader(HttpHeaders.CONTENT_LENGTH);
    return request.headers().contains(HttpHeaders.TRANSFER_ENCODING)
        || (length != null && !length.equals("0"));
  }

  /** Reads the body, for which there are handlers now. */
  void read() {
    since = System.nanoTime();
    if (awaitsContinue()) {
      isContinued = true;
      request.response().writeContinue();
    }
    flow();
  }

  private void flow() {
    request.resume();
    decoder.looked();
    channel.config().setAutoRead(!decoder.isHolding());
  }

  /** Whether the client sends the body when it is told to; in HTTP/1.0 there is no such thing. */
  private boolean awaitsContinue() {
    return !isContinued
        && request.version() == HttpVersion.HTTP_1_1
        && "100-continue".equalsIgnoreCase(request.getHeader(HttpHeaders.EXPECT));
  }

  /** Whether there is room for so many bytes more of the body. */
  boolean keeps(int bytes) {
    if (!memory.take(bytes)) {
      return false;
    }
    body += bytes;
    return true;
  }

  void forgetBody() {
    memory.giveBack(body);
    body = 0;
  }

  /** Why the body, which has come to its end, is not whole; null when it is. */
  Refusal bodyFailure() {
    return decoder.bodyFailure(begun);
  }

  /**
   * The head of the answer goes out. When the request has not come whole, or what follows cannot be
   * read, the answer is the last one: what still comes is dropped, and never taken for a request.
   */
  void answering() {
    if (!decoder.isWhole(begun) || decoder.isUnreadable() || awaitsContinue() || endsByClose()) {
      end();
    }
    if (isEnding()) {
      request.response().putHeader(HttpHeaders.CONNECTION, HttpHeaders.CLOSE);
      isSending = !decoder.isWhole(begun) || decoder.isUnreadable();
      decoder.drop();
    }
    if (hasBody()) {
      if (!request.isEnded()) {
        request.handler(null).exceptionHandler(null).endHandler(null);
      }
      flow();
    }
  }

  /** An answer of HTTP/1.0 whose length nobody knows yet. */
  private boolean endsByClose() {
    return request.version() == HttpVersion.HTTP_1_0
        && request.method() != HttpMethod.HEAD
        && !Set.of(204, 304).contains(request.response().getStatusCode())
        && !request.response().headers().contains(HttpHeaders.CONTENT_LENGTH);
  }

  void close() {
    connection.close();
  }

  /** Ends it now, past the handler of Vert.x, which would first wait until all is sent. */
  void cut() {
    channel.pipeline().firstContext().close();
  }

  /** It was closed. */
  void closed() {
    memory.close();
  }

  /** To be called each second or so; whether it is to be {@link #cut}. */
  boolean isToBeCut(long now, Connections.Patience patience) {
    if (isStalled(channel.unsafe().outboundBuffer(), now, patience)) {
      return true;
    }
    if (request == null) {
      return now - since > (isBeyond ? BEYOND_NANOS : patience.request().toNanos());
    }
    if (!request.response().ended()) {
      return decoder.isAwaited(begun) && now - since > patience.request().toNanos();
    }
    // an answer has ended as soon as all of it may go out
    if (unsent != null) {
      return false;
    }
    if (end != 0) {
      return isLastOver(now);
    }
    if (!isIdle) {
      isIdle = true;
      since = now;
      decoder.answered();
      forgetBody();
    }
    return now - since > patience.idle().toNanos();
  }

  /** The client is told that nothing follows, so that it closes first. */
  private boolean isLastOver(long now) {
    if (!isSending) {
      connection.close();
      return false;
    }
    if (channel instanceof DuplexChannel both
        && channel.pipeline().get(SslHandler.class) == null
        && !both.isOutputShutdown()) {
      both.shutdownOutput();
    }
    return now - end > 0;
  }

  /**
   * Decided by the bytes taken, not by how many wait: a part of a file counts as none, and a buffer
   * waits as a whole until its last byte is gone.
   *
   * @param out null when it is closed
   */
  private boolean isStalled(ChannelOutboundBuffer out, long now, Connections.Patience patience) {
    Object sending = out == null ? null : out.current();
    long bytes = sending == null ? 0 : out.currentProgress();
    if (sending == null || sending != unsent || bytes != taken) {
      unsent = sending;
      taken = bytes;
      takenSince = now;
      return false;
    }
    return now - takenSince > patience.stalled().toNanos();
  }
}
