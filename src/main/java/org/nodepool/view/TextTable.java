package org.nodepool.view;

import io.vertx.core.buffer.Buffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A table for people: the keys as its header, columns aligned by code points, null as a dash.
 * Characters that cannot be seen, or would move others, are escaped.
 */
final class TextTable {
  static final String CONTENT_TYPE = "text/plain; charset=utf-8";

  private static final String GAP = "  ";
  private static final long DAY_SECONDS = 24 * 60 * 60;

  private TextTable() {}

  /**
   * The table of these rows.
   *
   * @param now what ages count from
   */
  static <T> Buffer of(List<Key<T>> keys, List<T> rows, Instant now) {
    List<List<String>> lines = new ArrayList<>(rows.size() + 1);
    lines.add(keys.stream().map(Key::name).toList());
    for (T row : rows) {
      lines.add(keys.stream().map(key -> cell(key, row, now)).toList());
    }
    return Buffer.buffer(aligned(lines));
  }

  private static String aligned(List<List<String>> lines) {
    int columns = lines.get(0).size();
    int[] widths = new int[columns];
    for (List<String> line : lines) {
      for (int i = 0; i < columns; i++) {
        widths[i] = Math.max(widths[i], width(line.get(i)));
      }
    }
    StringBuilder table = new StringBuilder();
    for (List<String> line : lines) {
      StringBuilder text = new StringBuilder();
      for (int i = 0; i < columns; i++) {
        String cell = line.get(i);
        text.append(cell).append(" ".repeat(widths[i] - width(cell))).append(GAP);
      }
      table.append(text.toString().stripTrailing()).append('\n');
    }
    return table.toString();
  }

  private static int width(String text) {
    return text.codePointCount(0, text.length());
  }

  private static <T> String cell(Key<T> key, T row, Instant now) {
    Object value = key.of(row);
    if (value == null) {
      return "-";
    }
    return switch (key.type()) {
      case SINCE -> age((Long) value, now);
      case SUBNODES -> Integer.toString(((List<?>) value).size());
      default -> escaped(value.toString());
    };
  }

  /** {@code DD:HH:MM:SS}, with more digits for the days if they need them; zeros in the future. */
  private static String age(long time, Instant now) {
    long seconds = Math.max(0, now.getEpochSecond() - time);
    long ofDay = seconds % DAY_SECONDS;
    return String.format(
        Locale.ROOT,
        "%02d:%02d:%02d:%02d",
        seconds / DAY_SECONDS,
        ofDay / 3600,
        ofDay / 60 % 60,
        ofDay % 60);
  }

  private static String escaped(String text) {
    if (text.codePoints().noneMatch(TextTable::isInvisible)) {
      return text;
    }
    StringBuilder escaped = new StringBuilder();
    text.codePoints()
        .forEach(c -> escaped.append(isInvisible(c) ? escape(c) : Character.toString(c)));
    return escaped.toString();
  }

  private static boolean isInvisible(int codePoint) {
    return switch (Character.getType(codePoint)) {
      case Character.CONTROL,
              Character.FORMAT,
              Character.LINE_SEPARATOR,
              Character.PARAGRAPH_SEPARATOR ->
          true;
      default -> false;
    };
  }

  private static String escape(int codePoint) {
    return switch (codePoint) {
      case '\n' -> "\\n";
      case '\r' -> "\\r";
      case '\t' -> "\\t";
      default -> "\\u{%x}".formatted(codePoint);
    };
  }
}
