package org.nodepool.api.http;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a web page is from (RFC 6454). Two are equal however they were written.
 *
 * @param scheme {@code http} or {@code https}
 * @param host in lower case
 * @param port the scheme's own when none was written
 */
public record Origin(String scheme, String host, int port) {
  private static final Pattern ORIGIN = Pattern.compile("(https?)://([^/?#@\\s]+)");
  private static final Pattern AUTHORITY =
      Pattern.compile("(\\[[0-9a-f:.]+\\]|[^\\[\\]:@/?#\\s]+)(?::(\\d{0,5}))?");

  /** As the header of that name has it; empty for any other text, such as {@code null}. */
  public static Optional<Origin> of(String text) {
    Matcher origin = ORIGIN.matcher(text.toLowerCase(Locale.ROOT));
    return origin.matches() ? at(origin.group(1), origin.group(2)) : Optional.empty();
  }

  /** Whether that is the value of a Host for this origin. */
  public boolean isOf(String host) {
    return at(scheme, host.toLowerCase(Locale.ROOT)).filter(this::equals).isPresent();
  }

  private static Optional<Origin> at(String scheme, String text) {
    Matcher authority = AUTHORITY.matcher(text);
    if (!authority.matches()) {
      return Optional.empty();
    }
    String given = authority.group(2);
    int port =
        given == null || given.isEmpty()
            ? scheme.equals("https") ? 443 : 80
            : Integer.parseInt(given);
    return Optional.of(new Origin(scheme, authority.group(1), port));
  }
}
