package org.nodepool.view;

import io.vertx.core.buffer.Buffer;
import java.util.function.Supplier;

/**
 * A finished answer: its bytes, to be shared and never changed, and what tells it from others.
 * Thread-safe.
 */
public final class Representation {
  /** Below that gzip saves nothing worth the work. */
  private static final int ZIPPED_FROM = 1024;

  private final Buffer body;
  private final String contentType;
  private final String coding;
  private final String etag;
  private final String length;
  private final Supplier<Buffer> zipper;
  private volatile Representation zipped;
  private String zippedEtag;

  /** Whether many are sent these very bytes. */
  private final boolean isShared;

  private Representation(
      Buffer body,
      String contentType,
      String coding,
      String etag,
      Supplier<Buffer> zipper,
      boolean isShared) {
    this.isShared = isShared;
    this.body = body;
    this.contentType = contentType;
    this.coding = coding;
    this.etag = etag;
    this.length = Integer.toString(body.length());
    this.zipper = zipper;
  }

  /** Without an ETag. */
  public Representation(Buffer body, String contentType) {
    this(body, contentType, null, null, () -> Gzip.file(body), false);
  }

  /** JSON, its ETag from its bytes. */
  public static Representation of(Buffer json) {
    String etag = Tag.of(json.getBytes()).quoted();
    return new Representation(json, Json.CONTENT_TYPE, null, etag, () -> Gzip.file(json), false);
  }

  /** JSON that is kept for all who ask. */
  static Representation of(Buffer json, Tag tag) {
    return of(json, tag, () -> Gzip.file(json));
  }

  /** As {@link #of(Buffer, Tag)}, with a quicker way to its gzip form. */
  static Representation of(Buffer json, Tag tag, Supplier<Buffer> zipper) {
    return new Representation(json, Json.CONTENT_TYPE, null, tag.quoted(), zipper, true);
  }

  /**
   * In the form in which it is best sent to many: off the heap, if it is large. Bytes on the heap a
   * socket copies for each client, and keeps the copy until the client has taken it. Small answers
   * stay there: each version of a table may have hundreds, and only the garbage collector frees
   * what is off the heap.
   */
  Representation toBeKept() {
    if (!isLarge()) {
      return this;
    }
    Buffer direct = Bytes.outsideHeap(body);
    return new Representation(direct, contentType, coding, etag, () -> Gzip.file(direct), true);
  }

  private boolean isLarge() {
    return body.length() >= Table.GATHERED_FROM;
  }

  /** Whether it is large and one client's alone: its memory is free when the client has it. */
  public boolean isLargeUnshared() {
    return isLarge() && !isShared;
  }

  public Buffer body() {
    return body;
  }

  /** Of the body, in bytes. */
  public int length() {
    return body.length();
  }

  /** As a header has it. */
  public String contentLength() {
    return length;
  }

  public String contentType() {
    return contentType;
  }

  /** The value of Content-Encoding; null for none. */
  public String coding() {
    return coding;
  }

  /** A strong one, with its quotes: the same for the same bytes; null for none. */
  public String etag() {
    return etag;
  }

  /** That of what is sent to a client that takes gzip, or does not. */
  public String etag(boolean gzip) {
    return gzip && etag != null && isZipped() ? zippedEtag() : etag;
  }

  private boolean isZipped() {
    return body.length() > ZIPPED_FROM && coding == null;
  }

  private String zippedEtag() {
    String known = zippedEtag; // made twice at worst
    if (known == null) {
      known = etag.substring(0, etag.length() - 1) + "-gzip\"";
      zippedEtag = known;
    }
    return known;
  }

  /** For clients that take gzip: that, with an ETag of its own; itself where it is not worth it. */
  public Representation forGzip() {
    if (!isZipped()) {
      return this;
    }
    Representation known = zipped;
    return known != null ? known : zip();
  }

  private synchronized Representation zip() {
    if (zipped == null) {
      zipped = new Representation(zipper.get(), contentType, "gzip", etag(true), null, isShared);
    }
    return zipped;
  }
}
