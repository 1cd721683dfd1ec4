package org.nodepool.api.http;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** The elements of headers that are lists with commas (RFC 9110, 5.6.1). */
final class HeaderList {
  /** Java's own client leaves out the zero before the point. */
  private static final Pattern QUALITY =
      Pattern.compile("0(\\.[0-9]{0,3})?|1(\\.0{0,3})?|\\.[0-9]{1,3}");

  /**
   * An element that a client likes more or less (RFC 9110, 12.4.2).
   *
   * @param name in lower case, without parameters
   * @param quality 0 for what the client does not take, up to 1
   */
  record Weighted(String name, double quality) {}

  private HeaderList() {}

  /** The elements of all lines together, blank ones too, with blanks around them. */
  static List<String> elements(List<String> lines) {
    return lines.stream().flatMap(line -> split(line, ',').stream()).toList();
  }

  /** An element and its {@code q}; empty when that cannot be read. Other parameters are ignored. */
  static Optional<Weighted> weighted(String element) {
    List<String> parts = split(element, ';');
    String name = parts.get(0).strip().toLowerCase(Locale.ROOT);
    for (String parameter : parts.subList(1, parts.size())) {
      String[] pair = parameter.strip().split("=", 2);
      if (pair[0].equalsIgnoreCase("q")) {
        return Optional.of(pair[pair.length - 1])
            .filter(QUALITY.asMatchPredicate())
            .map(quality -> new Weighted(name, Double.parseDouble(quality)));
      }
    }
    return Optional.of(new Weighted(name, 1));
  }

  /** At each separator that is not within a quoted string. */
  static List<String> split(String text, char separator) {
    List<String> parts = new ArrayList<>();
    int start = 0;
    boolean isQuoted = false;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == separator && !isQuoted) {
        parts.add(text.substring(start, i));
        start = i + 1;
      } else if (c == '"') {
        isQuoted = !isQuoted;
      } else if (c == '\\' && isQuoted) {
        i++; // whatever follows means itself
      }
    }
    parts.add(text.substring(start));
    return parts;
  }
}
