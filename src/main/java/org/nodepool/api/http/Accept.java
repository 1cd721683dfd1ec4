package org.nodepool.api.http;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The media types that a client takes (RFC 9110, 12.5.1). Elements that cannot be read are ignored,
 * and so are all parameters but {@code q}. Without any element everything is fine.
 */
public final class Accept {
  private static final Pattern TYPE =
      Pattern.compile("\\*/\\*|[!#$%&'+.^_`|~0-9a-z-]+/(\\*|[!#$%&'+.^_`|~0-9a-z-]+)");

  /** What most clients that poll say. */
  private static final Accept ANYTHING = new Accept(List.of());

  final List<Range> ranges;

  private Accept(List<Range> ranges) {
    this.ranges = ranges;
  }

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

  /** What these lines of the header say together. */
  public static Accept of(List<String> headers) {
    if (headers.isEmpty() || (headers.size() == 1 && headers.get(0).equals("*/*"))) {
      return ANYTHING;
    }
    return new Accept(
        HeaderList.elements(headers).stream()
            .map(Accept::range)
            .flatMap(Optional::stream)
            .toList());
  }

  /**
   * The one of these that the client likes best, the first of several; empty when it takes none.
   *
   * @param mediaTypes in lower case, without parameters
   */
  public Optional<String> best(List<String> mediaTypes) {
    if (ranges.isEmpty()) {
      return Optional.of(mediaTypes.get(0));
    }
    return mediaTypes.stream()
        .filter(type -> quality(type) > 0)
        .reduce((best, next) -> quality(next) > quality(best) ? next : best);
  }

  /** The most precise element decides; of several the kindest. */
  private double quality(String mediaType) {
    return ranges.stream()
        .filter(range -> range.covers(mediaType))
        .max(Comparator.comparingInt(Range::precision).thenComparingDouble(Range::quality))
        .map(Range::quality)
        .orElse(0.0);
  }

  private static Optional<Range> range(String element) {
    return HeaderList.weighted(element)
        .filter(weighted -> TYPE.matcher(weighted.name()).matches())
        .map(weighted -> new Range(weighted.name(), weighted.quality()));
  }
}
