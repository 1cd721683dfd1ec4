package org.nodepool.api;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.DecoderResult;
import io.netty.handler.codec.http.DefaultHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMessage;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.netty.util.AsciiString;
import io.netty.util.ReferenceCountUtil;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.impl.VertxHttpRequestDecoder;
import io.vertx.core.http.impl.headers.HeadersMultiMap;
import java.util.List;
import java.util.Set;
import org.nodepool.model.Problem;

/**
 * Reads requests from the bytes of a connection, and bounds what it makes of them: the fields of a
 * head, their bytes, and the memory of all heads that are read or wait ({@link RequestMemory}).
 * What it cannot read it passes on as a request with a {@link #failure}, so that the client gets an
 * answer, and drops all that follows. Requests are counted from one. Lives on the connection's
 * event loop.
 */
final class RequestDecoder extends VertxHttpRequestDecoder {
  /** RFC 9112, 3: all should take that much. */
  static final int MOST_LINE_BYTES = 8_000;

  static final int MOST_HEAD_BYTES = 8 * 1024;
  private static final int MOST_FIELDS = 100;

  /** About what the objects of a request take, and those of a field, besides their texts. */
  private static final int REQUEST_BYTES = 300;

  private static final int FIELD_BYTES = 128;

  /** Of tiny chunks there may be thousands, before anybody has looked at the login. */
  private static final int MOST_PARTS_LOOKED_AT = 32;

  private static final Set<String> VERSIONS = Set.of("HTTP/1.0", "HTTP/1.1");

  private final RequestMemory.Account memory;

  /** What the head takes of the request that has begun last. */
  private int bytesOfBegun;

  /** What the head takes of a request that has not begun; there is one at most. */
  private int bytesOfWaiting;

  private boolean isInHead;

  /** What the head takes that is being read, and how many fields it has. */
  private int head;

  private int fields;

  /** The bytes that are kept because they are no whole line. */
  private int rest;

  private long requestsRead;
  private long requestsBegun;
  private long requestsWhole;

  /** Why the last request cannot be read; null when it can. */
  private RuntimeException failure;

  /** Whether of the last request, which cannot be read, nothing is known. */
  private boolean isNoRequest;

  /** Why the body of the last request cannot be read; null when it can. */
  private Refusal bodyFailure;

  private boolean isDropping;
  private boolean isLooking;

  /** How many parts of a body were read since {@link #look}. */
  private int parts;

  /** Where there is something left to read; null when there is nothing. */
  private ChannelHandlerContext held;

  RequestDecoder(HttpServerOptions options, RequestMemory.Account memory) {
    super(options);
    this.memory = memory;
  }

  /** The next request has begun, and so the one before is over. */
  void begun() {
    memory.giveBack(bytesOfBegun);
    bytesOfBegun = bytesOfWaiting;
    bytesOfWaiting = 0;
    requestsBegun++;
    goOnSoon();
  }

  /** The last request that has begun was answered. */
  void answered() {
    memory.giveBack(bytesOfBegun);
    bytesOfBegun = 0;
  }

  /** Why that request cannot be read; null when it can. */
  RuntimeException failure(long request) {
    return request == requestsRead ? failure : null;
  }

  boolean isNoRequest() {
    return isNoRequest;
  }

  /** Why the body of that request cannot be read; null when it can, or has not come whole. */
  Refusal bodyFailure(long request) {
    return request == requestsRead ? bodyFailure : null;
  }

  /** Whether that request has come to its end. */
  boolean isWhole(long request) {
    return requestsWhole >= request;
  }

  /** Until {@link #looked} no more than the beginning of a body is looked at. */
  void look() {
    isLooking = true;
    parts = 0;
  }

  /** Whether the client has not sent all of that request, though nobody keeps it from that. */
  boolean isAwaited(long request) {
    return !isWhole(request) && !isLooking;
  }

  /** The look is over. */
  void looked() {
    isLooking = false;
    goOn();
  }

  /** Whether there is something left to read that has to wait; more of it is not to be taken. */
  boolean isHolding() {
    return held != null;
  }

  /** Not in the middle of what the library does for the request. */
  private void goOnSoon() {
    if (held != null) {
      held.executor().execute(this::goOn);
    }
  }

  /** Reads what is left, or drops it. */
  private void goOn() {
    ChannelHandlerContext left = held;
    if (left != null && !left.isRemoved() && !isHeld()) {
      held = null;
      left.channel().config().setAutoRead(!isLooking);
      try {
        channelRead(left, Unpooled.EMPTY_BUFFER);
        channelReadComplete(left);
      } catch (Exception e) { // which the methods declare
        left.fireExceptionCaught(e);
      }
    }
  }

  /** What follows a request that waits is not read before that begins: it could be anything. */
  private boolean isHeld() {
    boolean isMuch = requestsWhole < requestsRead && parts >= MOST_PARTS_LOOKED_AT;
    return !isDropping && (requestsRead > requestsBegun || (isLooking && isMuch));
  }

  /**
   * The library takes more from the socket when nothing came of a read; what is held could grow.
   */
  @Override
  public void channelReadComplete(ChannelHandlerContext ctx) throws Exception {
    if (isHolding()) {
      ctx.fireChannelReadComplete();
    } else {
      super.channelReadComplete(ctx);
    }
  }

  /** From now on what comes is dropped. */
  void drop() {
    isDropping = true;
    giveBackUnread();
    goOnSoon();
  }

  private void giveBackUnread() {
    memory.giveBack(head + rest);
    head = 0;
    rest = 0;
  }

  /** Whether nothing that still comes can be read. */
  boolean isUnreadable() {
    return failure != null || bodyFailure != null;
  }

  @Override
  protected HttpMessage createMessage(String[] firstLine) {
    if (firstLine[2].regionMatches(true, 0, "HTTP/", 0, 5) && !VERSIONS.contains(firstLine[2])) {
      throw new Refusal(ProblemType.HTTP_VERSION_NOT_SUPPORTED, "This is a server of HTTP/1.1.");
    }
    isInHead = true;
    fields = 0;
    hold(REQUEST_BYTES);
    return super.createMessage(firstLine);
  }

  /** Of each field, those of a trailer among them. */
  @Override
  protected AsciiString splitHeaderName(byte[] line, int start, int length) {
    fields++;
    if (fields > MOST_FIELDS) {
      throw new TooLongHttpHeaderException();
    }
    if (isInHead) {
      hold(FIELD_BYTES);
    }
    return super.splitHeaderName(line, start, length);
  }

  private void hold(int bytes) {
    if (!memory.take(bytes)) {
      throw noRoom();
    }
    head += bytes;
  }

  @Override
  protected void decode(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) throws Exception {
    if (isUnreadable() || isDropping) {
      in.skipBytes(in.readableBytes());
      return;
    }
    if (isHeld()) {
      held = ctx;
      ctx.channel().config().setAutoRead(false);
      return;
    }
    int had = out.size();
    int readable = in.readableBytes();
    super.decode(ctx, in, out);
    HttpObject first = out.size() > had ? (HttpObject) out.get(had) : null;
    RuntimeException wrong = null;
    if (first instanceof HttpMessage message && !message.decoderResult().isSuccess()) {
      wrong = isCodingKnown(message) ? readable(message.decoderResult().cause()) : unknownCoding();
    } else if (first instanceof HttpMessage message && !isCodingKnown(message)) {
      wrong = unknownCoding();
    } else if (isInHead || requestsRead == requestsWhole) {
      int kept = first instanceof HttpMessage ? 0 : in.readableBytes();
      wrong = isRoom(isInHead ? readable - in.readableBytes() : 0, kept);
    }
    if (wrong != null) {
      fail(wrong, in, out, had);
      return;
    }
    if (first instanceof HttpMessage) {
      headHasCome();
    }
    parts += out.size() - had;
    for (int i = had; i < out.size(); i++) {
      out.set(i, body((HttpObject) out.get(i)));
    }
  }

  /** Counts what was read of a head, and what is kept; null when there is room for it. */
  private RuntimeException isRoom(int read, int kept) {
    if (!memory.take(read)) {
      return noRoom();
    }
    head += read;
    if (kept > rest && !memory.take(kept - rest)) {
      return noRoom();
    }
    if (kept < rest) {
      memory.giveBack(rest - kept);
    }
    rest = kept;
    return null;
  }

  private void headHasCome() {
    requestsRead++;
    bytesOfWaiting = head;
    head = 0;
    isInHead = false;
  }

  /** In place of what was read, and of all that follows, is a request that has a failure. */
  private void fail(RuntimeException why, ByteBuf in, List<Object> out, int had) {
    failure = why;
    // one of ours, as far as it could be read, or nothing that is known
    HttpObject asked = out.size() > had ? (HttpObject) out.get(had) : null;
    isNoRequest = asked == null || asked.getClass() != DefaultHttpRequest.class;
    while (out.size() > had) {
      ReferenceCountUtil.release(out.remove(out.size() - 1));
    }
    in.skipBytes(in.readableBytes());
    giveBackUnread();
    headHasCome();
    requestsWhole++;
    if (isNoRequest) {
      asked =
          new DefaultHttpRequest(
              HttpVersion.HTTP_1_1, HttpMethod.GET, "/", HeadersMultiMap.httpHeaders());
    }
    asked.setDecoderResult(DecoderResult.SUCCESS); // the library would end the connection
    out.add(asked);
    out.add(LastHttpContent.EMPTY_LAST_CONTENT);
  }

  /** A body that cannot be read to its end ends where that is noticed. */
  private HttpObject body(HttpObject read) {
    if (!read.decoderResult().isSuccess()) {
      ReferenceCountUtil.release(read);
      bodyFailure =
          new Refusal(
              ProblemType.MALFORMED_BODY, "The chunks of the body are not as HTTP has them.");
      requestsWhole++;
      return LastHttpContent.EMPTY_LAST_CONTENT;
    }
    if (read instanceof LastHttpContent) {
      requestsWhole++;
    }
    return read;
  }

  static Problem noRoom() {
    return new Problem.Unavailable(
        "Too much is being sent to the service at this time. Nothing was changed.");
  }

  /**
   * A body in a coding that nobody here knows would be read as the next request: a way to smuggle
   * one past a proxy (RFC 9112, 6.1). All lines of the header count as one.
   */
  private static boolean isCodingKnown(HttpMessage message) {
    List<String> codings = message.headers().getAll(HttpHeaderNames.TRANSFER_ENCODING);
    return codings.isEmpty() || (codings.size() == 1 && codings.get(0).equalsIgnoreCase("chunked"));
  }

  private static Refusal unknownCoding() {
    return new Refusal(
        ProblemType.MALFORMED_BODY, "The Transfer-Encoding must be chunked, or none.");
  }

  private static RuntimeException readable(Throwable cause) {
    if (cause instanceof Refusal || cause instanceof Problem) {
      return (RuntimeException) cause;
    }
    if (cause instanceof TooLongHttpLineException) {
      return new Refusal(
          ProblemType.URI_TOO_LONG,
          "The first line may have %d bytes at most.".formatted(MOST_LINE_BYTES));
    }
    if (cause instanceof TooLongHttpHeaderException) {
      return new Refusal(
          ProblemType.TOO_MANY_FIELDS,
          "The headers may have %d bytes and %d fields at most."
              .formatted(MOST_HEAD_BYTES, MOST_FIELDS));
    }
    return new Refusal(ProblemType.BAD_VALUE, "The request is not valid HTTP.");
  }
}
