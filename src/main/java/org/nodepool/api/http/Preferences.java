package org.nodepool.api.http;

import io.vertx.core.http.HttpHeaders;
import java.util.List;
import java.util.OptionalInt;

/** What a client would like: {@code Prefer} (RFC 7240). */
public final class Preferences {
  /** What an answer tells of it. */
  public static final CharSequence APPLIED = HttpHeaders.createOptimized("Preference-Applied");

  private Preferences() {}

  /** The value of {@link #APPLIED}. */
  public static String applied(int waitSeconds) {
    return "wait=" + waitSeconds;
  }

  /**
   * For how many seconds the client would wait for another answer; empty when it does not say so.
   * The first {@code wait} counts; one that is no number is none.
   *
   * @param most more than that is taken as that
   */
  public static OptionalInt waitSeconds(List<String> lines, int most) {
    if (lines.isEmpty()) {
      return OptionalInt.empty();
    }
    for (String element : HeaderList.elements(lines)) {
      String preference = HeaderList.split(element, ';').get(0);
      String[] pair = preference.split("=", 2);
      if (pair[0].strip().equalsIgnoreCase("wait")) {
        return pair.length == 1 ? OptionalInt.empty() : seconds(unquoted(pair[1].strip()), most);
      }
    }
    return OptionalInt.empty();
  }

  private static String unquoted(String value) {
    boolean isQuoted = value.length() > 1 && value.startsWith("\"") && value.endsWith("\"");
    return isQuoted ? value.substring(1, value.length() - 1) : value;
  }

  private static OptionalInt seconds(String digits, int most) {
    int seconds = 0;
    for (int i = 0; i < digits.length(); i++) {
      char digit = digits.charAt(i);
      if (digit < '0' || digit > '9') {
        return OptionalInt.empty();
      }
      seconds = (int) Math.min(most, 10L * seconds + digit - '0');
    }
    return digits.isEmpty() ? OptionalInt.empty() : OptionalInt.of(seconds);
  }
}
