package org.nodepool.api;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The media types that a client takes (RFC 9110, 12.5.1). Elements that cannot be read are ignored,
 * and so are all parameters but {@code q}. Without any element everything is fine.
 */
record Accept(List<Range> ranges) {
  private static final Pattern TYPE =
      Pattern.compile("\\*/\\*|[!#$%&'+.^_`|~0-9a-z-]+/(\\*|[!#$%&'+.^_`|~0-9a-z-]+)");

  /** Java's own client leaves out the zero before the point. */
  private static final Pattern QUALITY =
      Pattern.compile("0(\\.[0-9]{0,3})?|1(\\.0{0,3})?|\\.[0-9]{1,3}");

  /**
   * An element.
   *
   * @param type in lower case; it, or its second half, may be an asterisk
   * @param quality 0 for what the client does not take, up to 1
   */
  record Range(String type, double quality) {
    private boolean covers(String mediaType) {
      return type.equals("*/*")
          || type.equals(mediaType)
          || type.endsWith("/*") && mediaType.startsWith(type.substring(0, type.length() - 1));
    }

    private int precision() {
      return type.equals("*/*") ? 0 : type.endsWith("/*") ? 1 : 2;
    }
  }

  /** What these headers say together. */
  static Accept of(List<String> headers) {
    return new Accept(
        headers.stream()
            .flatMap(header -> split(header, ',').stream())
            .map(Accept::range)
            .flatMap(Optional::stream)
            .toList());
  }

  /**
   * The one of these that the client likes best, the first of several; empty when it takes none.
   *
   * @param mediaTypes in lower case, without parameters
   */
  Optional<String> best(List<String> mediaTypes) {
    return mediaTypes.stream()
        .filter(type -> quality(type) > 0)
        .reduce((best, next) -> quality(next) > quality(best) ? next : best);
  }

  /** The most precise element decides; of several the kindest. */
  private double quality(String mediaType) {
    if (ranges.isEmpty()) {
      return 1;
    }
    return ranges.stream()
        .filter(range -> range.covers(mediaType))
        .max(Comparator.comparingInt(Range::precision).thenComparingDouble(Range::quality))
        .map(Range::quality)
        .orElse(0.0);
  }

  private static Optional<Range> range(String element) {
    List<String> parts = split(element, ';');
    String type = parts.get(0).strip().toLowerCase(Locale.ROOT);
    if (!TYPE.matcher(type).matches()) {
      return Optional.empty();
    }
    for (String parameter : parts.subList(1, parts.size())) {
      String[] pair = parameter.strip().split("=", 2);
      if (pair[0].equalsIgnoreCase("q")) {
        return Optional.of(pair[pair.length - 1])
            .filter(QUALITY.asMatchPredicate())
            .map(quality -> new Range(type, Double.parseDouble(quality)));
      }
    }
    return Optional.of(new Range(type, 1));
  }

  /** At each separator that is not within a quoted string. */
  private static List<String> split(String text, char separator) {
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
