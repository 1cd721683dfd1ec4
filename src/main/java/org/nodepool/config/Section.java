package org.nodepool.config;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One mapping of a YAML file, read key by key into typed values. A wrong value is a mistake under
 * its dotted key; the caller then gets a stand-in. A fallback is what an absent key means; an empty
 * value ({@code key:}) is the same as an absent key only where the fallback is null.
 */
final class Section {
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}");
  private static final String NAME_RULE =
      "a name: a letter or digit, then at most 99 letters, digits, dots, underscores or hyphens";
  private static final String STAND_IN = "mistaken";
  private static final Duration MIN_DURATION = Duration.ofMillis(1);
  private static final Duration MAX_DURATION = Duration.ofDays(36_500);
  private static final long MAX_SECONDS = MAX_DURATION.toSeconds();
  private static final Pattern SIZE =
      Pattern.compile("(?<number>[0-9]{1,19}) *(?<unit>B|[KMGT](iB)?)?");
  private static final String SIZE_UNITS = "BKMGT";
  private static final long MAX_BYTES = 1024L << 40;
  private static final int MAX_SHOWN = 120;

  private final YamlFile file;
  private final String path;
  private final Map<?, ?> values;
  private final Set<Object> asked = new HashSet<>();

  /** The path is dotted, empty for the whole file. */
  Section(YamlFile file, String path, Map<?, ?> values) {
    this.file = file;
    this.path = path;
    this.values = values;
  }

  static boolean isName(String text) {
    return NAME.matcher(text).matches();
  }

  /** Whether {@link #name} would find one. */
  boolean hasName(String key) {
    return values.get(key) instanceof String name && isName(name);
  }

  /** As they stand in the file; a key need not be text. */
  Map<?, ?> values() {
    return values;
  }

  boolean has(String key) {
    return values.containsKey(key);
  }

  /** Whether {@code off} stands where a section could. */
  boolean isOff(String key) {
    asked.add(key);
    return Boolean.FALSE.equals(values.get(key));
  }

  /** Whether nothing is given, or blank text. */
  boolean isAbsent(String key) {
    Object value = value(key, null);
    return value == null || value instanceof String text && text.isBlank();
  }

  void mistake(Object key, String what) {
    file.mistake(dotted(key), what);
  }

  void warning(Object key, String what) {
    file.warning(dotted(key), what);
  }

  /** Without control characters. Never blank: that is a mistake, or null if the fallback is. */
  String text(String key, String fallback) {
    Object value = value(key, fallback);
    if (value == null && fallback == null) {
      return null;
    }
    if (!(value instanceof String text)) {
      return mistaken(key, "must be text" + inQuotes(value) + ", is " + shown(value), fallback);
    }
    if (text.isBlank()) {
      return fallback == null ? null : mistaken(key, "must not be blank", fallback);
    }
    if (text.chars().anyMatch(Character::isISOControl)) {
      return mistaken(key, "must not have control characters, is " + shown(text), fallback);
    }
    return text;
  }

  /** As {@link #text}, but the key must be there. */
  String required(String key) {
    if (isAbsent(key)) {
      return mistaken(key, "is required", STAND_IN);
    }
    return text(key, STAND_IN);
  }

  /** Any text but the empty one, or null. It appears in no mistake. */
  String secret(String key) {
    Object value = value(key, null);
    if (value == null) {
      return null;
    }
    if (!(value instanceof String text)) {
      return mistaken(key, "must be text" + inQuotes(value) + ", is " + kind(value), null);
    }
    return text.isEmpty() ? mistaken(key, "must not be empty", null) : text;
  }

  /** The key must be there. */
  String name(String key) {
    if (!has(key)) {
      return mistaken(key, "is required", STAND_IN);
    }
    String text = text(key, STAND_IN);
    if (!isName(text)) {
      return mistaken(key, "must be " + NAME_RULE + ", is " + shown(text), STAND_IN);
    }
    return text;
  }

  /**
   * Any single value, as Python's {@code str} writes it: {@code True}, {@code 14.04}. An empty one
   * is the fallback, and a mistake when that is null. It appears in no mistake.
   */
  String scalar(String key, String fallback) {
    Object value = values.get(key);
    asked.add(key);
    if (value == null && fallback != null) {
      return fallback;
    }
    String text = python(value);
    if (text == null) {
      return mistaken(key, "must be one text or number, is " + kind(value), STAND_IN);
    }
    if (text.indexOf('\0') >= 0) {
      return mistaken(key, "must not have a NUL character", STAND_IN);
    }
    return text;
  }

  int integer(String key, int fallback, int min, int max, String what) {
    Object value = value(key, fallback);
    if (value instanceof Integer number && min <= number && number <= max) {
      return number;
    }
    return mistaken(
        key, "must be %s, %d to %d, is %s".formatted(what, min, max, shown(value)), fallback);
  }

  /** Null when the key is absent or empty. */
  Integer integer(String key, int min, int max, String what) {
    return value(key, null) == null ? null : (Integer) integer(key, min, min, max, what);
  }

  /** Null when the key is absent or empty. */
  Boolean bool(String key) {
    return value(key, null) == null ? null : (Boolean) bool(key, false);
  }

  boolean bool(String key, boolean fallback) {
    Object value = value(key, fallback);
    return value instanceof Boolean bool
        ? bool
        : mistaken(key, "must be true or false, is " + shown(value), fallback);
  }

  /** A number of seconds, with a fraction if it likes; zero or more. */
  Duration seconds(String key, Duration fallback) {
    return seconds(key, fallback, Duration.ZERO, "0");
  }

  /** The same, but not zero. Null when the key is absent or empty and the fallback is null. */
  Duration positiveSeconds(String key, Duration fallback) {
    return seconds(key, fallback, Duration.ofNanos(1), "more than 0");
  }

  private Duration seconds(String key, Duration fallback, Duration min, String shownMin) {
    Object value = value(key, null);
    if (value == null && (fallback == null || !has(key))) {
      return fallback;
    }
    if (value instanceof Number number && Math.abs(number.doubleValue()) <= MAX_SECONDS) {
      Duration seconds = Duration.ofNanos(Math.round(number.doubleValue() * 1e9));
      if (seconds.compareTo(min) >= 0) {
        return seconds;
      }
    }
    return mistaken(
        key,
        "must be seconds, %s to %d, is %s".formatted(shownMin, MAX_SECONDS, shown(value)),
        fallback);
  }

  String choice(String key, String fallback, List<String> allowed) {
    Object value = value(key, fallback);
    return value instanceof String text && allowed.contains(text)
        ? text
        : mistaken(
            key, "must be one of " + String.join(", ", allowed) + ", is " + shown(value), fallback);
  }

  /** A list of some of these, each once, at least one; all when the key is absent. */
  List<String> choices(String key, List<String> all) {
    Object value = value(key, all);
    if (value instanceof List<?> given
        && !given.isEmpty()
        && all.containsAll(given)
        && new HashSet<>(given).size() == given.size()) {
      return given.stream().map(String.class::cast).toList();
    }
    return mistaken(
        key,
        "must be a list of %s, each at most once and not none, is %s"
            .formatted(String.join(", ", all), shown(value)),
        all);
  }

  /** Bytes: a number of them, or one with a unit of powers of 1024, as in {@code 1 GiB}. */
  long size(String key, String fallback) {
    Object value = value(key, fallback);
    Long bytes = bytes(value);
    return bytes != null
        ? bytes
        : mistaken(
            key,
            "must be a size such as 500 MiB or 1 GiB, 0 to 1024 TiB, is " + shown(value),
            bytes(fallback));
  }

  /** Null when it is no size. */
  private static Long bytes(Object value) {
    boolean isWhole = value instanceof Integer || value instanceof Long;
    Matcher size = SIZE.matcher(value instanceof String || isWhole ? value.toString() : "");
    if (!size.matches()) {
      return null;
    }
    String unit = size.group("unit");
    int power = unit == null ? 0 : SIZE_UNITS.indexOf(unit.charAt(0));
    BigInteger bytes = new BigInteger(size.group("number")).shiftLeft(10 * power);
    return bytes.compareTo(BigInteger.valueOf(MAX_BYTES)) <= 0 ? bytes.longValue() : null;
  }

  /** ISO-8601, a millisecond to ten years. */
  Duration duration(String key, String fallback) {
    Object value = value(key, fallback);
    try {
      Duration duration = Duration.parse(value instanceof String text ? text : "");
      if (duration.compareTo(MIN_DURATION) >= 0 && duration.compareTo(MAX_DURATION) <= 0) {
        return duration;
      }
    } catch (DateTimeParseException e) {
      // told below
    }
    return mistaken(
        key,
        "must be a duration such as PT90M, PT0.001S to P36500D, is " + shown(value),
        Duration.parse(fallback));
  }

  /** Absolute and normalised; null only if the fallback is. */
  Path path(String key, String fallback) {
    String text = text(key, fallback);
    try {
      return text == null ? null : file.resolve(text);
    } catch (InvalidPathException e) {
      return mistaken(key, "must be a path, is " + shown(text), file.resolve("."));
    }
  }

  /** Several paths joined by colons, each made absolute on its own, joined again; may be null. */
  String paths(String key) {
    String text = text(key, null);
    if (text == null) {
      return null;
    }
    List<String> absolute = new ArrayList<>();
    for (String each : text.split(":")) {
      if (!each.isBlank()) {
        absolute.add(file.resolve(each).toString());
      }
    }
    return absolute.isEmpty() ? null : String.join(":", absolute);
  }

  /** Empty when the key is absent or empty. */
  List<String> texts(String key) {
    List<String> texts = new ArrayList<>();
    for (Object entry : list(key)) {
      if (entry instanceof String text) {
        texts.add(text);
      } else {
        mistake(
            key + "[" + texts.size() + "]",
            "must be text" + inQuotes(entry) + ", is " + shown(entry));
        texts.add(STAND_IN);
      }
    }
    return texts;
  }

  /** Empty when the key is absent or empty. */
  Section section(String key) {
    Object value = value(key, null);
    if (value != null && !(value instanceof Map)) {
      mistake(key, "must be a mapping of keys to values, is " + kind(value));
    }
    return new Section(file, dotted(key), value instanceof Map<?, ?> mapping ? mapping : Map.of());
  }

  /** A list of mappings, empty when the key is absent or empty. */
  List<Section> sections(String key) {
    List<Section> sections = new ArrayList<>();
    List<?> entries = list(key);
    for (int i = 0; i < entries.size(); i++) {
      if (entries.get(i) instanceof Map<?, ?> mapping) {
        sections.add(entry(key, i, mapping));
      } else {
        mistake(
            key + "[" + i + "]", "must be a mapping of keys to values, is " + kind(entries.get(i)));
      }
    }
    return sections;
  }

  void unsupportedRest() {
    for (Object key : values.keySet()) {
      if (asked.add(key) && values.get(key) != null) {
        mistake(key, "is not supported by this version");
      }
    }
  }

  void refuseRest() {
    for (Object key : values.keySet()) {
      if (!asked.contains(key)) {
        mistake(key, "is not a setting");
      }
    }
  }

  void warnOfRest() {
    warnOfRest(List.of());
  }

  /** The known ones are those that nobody asked for. */
  void warnOfRest(List<String> known) {
    for (Object key : values.keySet()) {
      if (!asked.contains(key) && !(key instanceof String text && known.contains(text))) {
        warning(key, "unknown key, ignored");
      }
    }
  }

  /** What a value is, without the value. */
  static String kind(Object value) {
    if (value == null) {
      return "nothing";
    }
    if (value instanceof String) {
      return "text";
    }
    if (value instanceof Number) {
      return "a number";
    }
    if (value instanceof Boolean) {
      return "true or false";
    }
    if (value instanceof Map) {
      return "a mapping";
    }
    return value instanceof List ? "a list" : "something else";
  }

  /** Text in quotes, escaped and cut short; a list or a mapping only as such. */
  static String shown(Object value) {
    if (value instanceof String text) {
      return '"' + escaped(text) + '"';
    }
    return value instanceof Number || value instanceof Boolean ? value.toString() : kind(value);
  }

  /** Cut at a colon: what follows it is a value whose blank was forgotten, maybe a password. */
  static String shownKey(Object key) {
    if (!(key instanceof String text)) {
      return key instanceof Number || key instanceof Boolean ? key.toString() : kind(key);
    }
    int colon = text.indexOf(':');
    return colon < 0 ? escaped(text) : escaped(text.substring(0, colon)) + ":...";
  }

  private static String escaped(String text) {
    StringBuilder escaped = new StringBuilder();
    text.codePoints()
        .limit(MAX_SHOWN)
        .forEach(
            c -> {
              if (isPlain(c)) {
                escaped.appendCodePoint(c);
              } else {
                escaped.append("\\u{%x}".formatted(c));
              }
            });
    if (text.codePointCount(0, text.length()) > MAX_SHOWN) {
      escaped.append("...");
    }
    return escaped.toString();
  }

  private static boolean isPlain(int codePoint) {
    return switch (Character.getType(codePoint)) {
      case Character.CONTROL,
              Character.FORMAT,
              Character.LINE_SEPARATOR,
              Character.PARAGRAPH_SEPARATOR,
              Character.SURROGATE,
              Character.PRIVATE_USE,
              Character.UNASSIGNED ->
          false;
      default -> true;
    };
  }

  /** Null when the value is not a single one. */
  private static String python(Object value) {
    if (value instanceof Boolean bool) {
      return bool ? "True" : "False";
    }
    if (value instanceof Double number) {
      return python(number.doubleValue());
    }
    return value instanceof String || value instanceof Number ? value.toString() : null;
  }

  private static String python(double number) {
    if (!Double.isFinite(number)) {
      return Double.isNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
    }
    double size = Math.abs(number);
    if (size == 0 || 1e-4 <= size && size < 1e16) {
      String plain = new BigDecimal(Double.toString(number)).stripTrailingZeros().toPlainString();
      return plain.contains(".") ? plain : plain + ".0";
    }
    String[] parts = Double.toString(number).split("E");
    int exponent = Integer.parseInt(parts[1]);
    return "%se%s%02d"
        .formatted(
            parts[0].replaceFirst("\\.0$", ""), exponent < 0 ? "-" : "+", Math.abs(exponent));
  }

  private static String inQuotes(Object value) {
    return value instanceof Number || value instanceof Boolean ? " (put it in quotes)" : "";
  }

  private Object value(String key, Object fallback) {
    asked.add(key);
    return values.containsKey(key) ? values.get(key) : fallback;
  }

  private List<?> list(String key) {
    Object value = value(key, null);
    if (value == null) {
      return List.of();
    }
    return value instanceof List<?> list
        ? list
        : mistaken(key, "must be a list, is " + kind(value), List.of());
  }

  private <T> T mistaken(Object key, String what, T standIn) {
    mistake(key, what);
    return standIn;
  }

  private String dotted(Object key) {
    return path.isEmpty() ? shownKey(key) : path + "." + shownKey(key);
  }

  /** The entry of a list: under its name if it has one, else by its index from 0. */
  private Section entry(String key, int index, Map<?, ?> values) {
    Section unnamed = new Section(file, dotted(key) + "[" + index + "]", values);
    return unnamed.hasName("name")
        ? new Section(file, dotted(key) + "." + values.get("name"), values)
        : unnamed;
  }
}
