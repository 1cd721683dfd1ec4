package org.nodepool.provider;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.web.client.HttpResponse;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Map;
import java.util.stream.Stream;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;

/**
 * What a cloud said when it did not do what it was asked.
 *
 * @param reason its own words in one line; its status when it had none
 * @param pause how long it asks to be left alone; null when it does not
 */
record Refusal(int status, String reason, Duration pause) {
  /** Longer ones are programs' listings. */
  private static final int LONGEST_REASON = 400;

  static Refusal of(HttpResponse<Buffer> response) {
    String said = said(response).replaceAll("[\\p{Cntrl}\\s]+", " ").strip();
    String reason = said.isEmpty() ? status(response) : cut(said);
    return new Refusal(
        response.statusCode(), reason, pause(response.getHeader("Retry-After"), Instant.now()));
  }

  /** Whether the same request may be granted a little later. */
  boolean mayPass() {
    return status == 429 || status >= 500;
  }

  private static String status(HttpResponse<Buffer> response) {
    return "status %d %s".formatted(response.statusCode(), response.statusMessage());
  }

  private static String cut(String text) {
    return text.length() <= LONGEST_REASON ? text : text.substring(0, LONGEST_REASON - 1) + "…";
  }

  /** Identity and Compute answer in JSON, Image in HTML, proxies in anything. */
  private static String said(HttpResponse<Buffer> response) {
    Buffer body = response.bodyAsBuffer();
    if (body == null) {
      return "";
    }
    String text = body.toString();
    return text.stripLeading().startsWith("{") ? fromJson(text) : fromHtml(text);
  }

  /**
   * {@code {"error": {"message": …}}}, whatever the outer key is called; {@code {"message": …}} of
   * Glance, with HTML in it.
   */
  private static String fromJson(String text) {
    try {
      JsonObject answer = new JsonObject(text);
      return Stream.concat(Stream.of(answer), answer.stream().map(Map.Entry::getValue))
          .filter(JsonObject.class::isInstance)
          .map(object -> ((JsonObject) object).getValue("message"))
          .filter(String.class::isInstance)
          .map(message -> fromHtml((String) message))
          .findFirst()
          .orElse("");
    } catch (DecodeException e) {
      return text;
    }
  }

  /** The heading only repeats the status. */
  private static String fromHtml(String text) {
    Document page = Jsoup.parse(text);
    page.select("h1").remove();
    return page.body().text();
  }

  /** Seconds or a date, by RFC 9110 section 10.2.3; null when it is neither. */
  static Duration pause(String retryAfter, Instant now) {
    if (retryAfter == null) {
      return null;
    }
    String text = retryAfter.strip();
    if (text.matches("[0-9]{1,9}")) {
      return Duration.ofSeconds(Long.parseLong(text));
    }
    try {
      Instant then = ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
      return then.isAfter(now) ? Duration.between(now, then) : Duration.ZERO;
    } catch (DateTimeException e) {
      return null;
    }
  }
}
