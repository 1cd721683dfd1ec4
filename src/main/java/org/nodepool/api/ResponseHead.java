package org.nodepool.api;

import io.vertx.core.MultiMap;
import io.vertx.core.http.HttpHeaders;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The headers that every answer has, in the case that people know. Thread-safe. */
final class ResponseHead {
  static final CharSequence CACHE_CONTROL = HttpHeaders.createOptimized("Cache-Control");
  static final CharSequence CONTENT_ENCODING = HttpHeaders.createOptimized("Content-Encoding");
  static final CharSequence CONTENT_LENGTH = HttpHeaders.createOptimized("Content-Length");
  static final CharSequence CONTENT_TYPE = HttpHeaders.createOptimized("Content-Type");
  static final CharSequence ETAG = HttpHeaders.createOptimized("ETag");
  static final CharSequence VARY = HttpHeaders.createOptimized("Vary");
  static final CharSequence NO_CACHE = HttpHeaders.createOptimized("no-cache");

  /** "no" to a proxy (nginx's) that would keep back what is streamed. */
  static final String ACCEL_BUFFERING = "X-Accel-Buffering";

  /**
   * A browser that shows text is to do nothing else with it, and no page is to put it in a frame.
   */
  private static final CharSequence NOTHING_ACTIVE =
      HttpHeaders.createOptimized("default-src 'none'; frame-ancestors 'none'");

  private static final CharSequence DATE = HttpHeaders.createOptimized("Date");
  private static final CharSequence OPTIONS = HttpHeaders.createOptimized("X-Content-Type-Options");
  private static final CharSequence NOSNIFF = HttpHeaders.createOptimized("nosniff");

  /** By what the library calls them. */
  private static final Map<String, String> USUAL =
      Stream.of(
              "Accept-Ranges",
              "Allow",
              "Cache-Control",
              "Connection",
              "Content-Encoding",
              "Content-Length",
              "Content-Range",
              "Content-Type",
              "ETag",
              "Location",
              "Retry-After",
              "Transfer-Encoding",
              "Vary")
          .collect(Collectors.toMap(name -> name.toLowerCase(Locale.ROOT), name -> name));

  private static final DateTimeFormatter HTTP_DATE =
      DateTimeFormatter.ofPattern("EEE, dd MMM yyyy HH:mm:ss 'GMT'", Locale.ROOT);

  /** The text of a second. */
  private record Date(long second, CharSequence text) {}

  private static final AtomicReference<Date> DATE_NOW = new AtomicReference<>(new Date(0, ""));

  private ResponseHead() {}

  /** Adds those that every answer has; to be done once. */
  static void begin(MultiMap headers) {
    headers.add(DATE, date()).add(OPTIONS, NOSNIFF);
  }

  /** Adds what an answer has that nothing better is said of. */
  static void complete(MultiMap headers) {
    Map<String, List<String>> renamed = new HashMap<>();
    for (Map.Entry<String, String> header : headers) {
      String usual = USUAL.get(header.getKey());
      if (usual != null) {
        renamed.put(usual, headers.getAll(usual));
      }
    }
    renamed.forEach(headers::set);
    if (!headers.contains(CACHE_CONTROL)) {
      headers.add(CACHE_CONTROL, NO_CACHE);
    }
    if (headers.contains(CONTENT_TYPE) && !"application/json".equals(headers.get(CONTENT_TYPE))) {
      headers.add("Content-Security-Policy", NOTHING_ACTIVE);
    }
    begin(headers);
  }

  /** Made once a second. */
  private static CharSequence date() {
    long second = System.currentTimeMillis() / 1000;
    Date last = DATE_NOW.get();
    if (last.second() != second) {
      String text = HTTP_DATE.format(ZonedDateTime.now(ZoneOffset.UTC));
      last = new Date(second, HttpHeaders.createOptimized(text));
      DATE_NOW.set(last);
    }
    return last.text();
  }
}
