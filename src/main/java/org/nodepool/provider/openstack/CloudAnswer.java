package org.nodepool.provider.openstack;

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

/** A cloud's answer to one call, whatever it says. */
final class CloudAnswer {
  /** Longer ones are programs' listings. */
  private static final int LONGEST_REASON = 400;

  private final HttpResponse<Buffer> response;

  CloudAnswer(HttpResponse<Buffer> response) {
    this.response = response;
  }

  int status() {
    return response.statusCode();
  }

  /** Null when it has no such header. */
  String header(String name) {
    return response.getHeader(name);
  }

  /** Its body; empty when that is no JSON object. */
  JsonObject json() {
    try {
      JsonObject body = response.bodyAsJsonObject();
      return body == null ? new JsonObject() : body;
    } catch (DecodeException | ClassCastException e) {
      return new JsonObject();
    }
  }

  /** Whether the same request may be granted a little later. */
  boolean mayPass() {
    return status() == 429 || status() >= 500;
  }

  /** Why the cloud did not do it: its own words in one line, its status when it had none. */
  String reason() {
    String said = said().replaceAll("[\\p{Cntrl}\\s]+", " ").strip();
    return said.isEmpty()
        ? "status %d %s".formatted(status(), response.statusMessage())
        : cut(said);
  }

  /** How long the cloud asks to be left alone; null when it does not. */
  Duration pause() {
    return pause(header("Retry-After"), Instant.now());
  }

  private static String cut(String text) {
    return text.length() <= LONGEST_REASON ? text : text.substring(0, LONGEST_REASON - 1) + "…";
  }

  /** Identity and Compute answer in JSON, Image in HTML, proxies in anything. */
  private String said() {
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
