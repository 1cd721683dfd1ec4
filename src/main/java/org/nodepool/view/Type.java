package org.nodepool.view;

import java.math.BigDecimal;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.nodepool.model.CodePoints;
import org.nodepool.model.Job;
import org.nodepool.model.JobKind;
import org.nodepool.model.State;

/** What the values of a key are: what a filter may ask of them, and their order. */
public enum Type {
  TEXT("any text", Optional::of),
  WHOLE_NUMBER("a whole number, in decimal", Type::wholeNumber),
  NUMBER("a number, in decimal", Type::number),
  STATE(
      String.join(", ", State.names()) + ", or the decimal code of a state without a name",
      text -> State.shownAs(text).map(State::toString)),
  JOB_STATE(Job.JobState.values()),
  JOB_KIND(JobKind.values()),
  /** Unix seconds; no filter. */
  TIME(null, null),
  /** Unix seconds, of which a table shows how long ago they were; no filter. */
  SINCE(null, null),
  /** A list of subnodes, of which a table shows the number; no filter. */
  SUBNODES(null, null);

  // as JSON writes them, so that two texts are equal when the numbers are
  private static final Pattern WHOLE = Pattern.compile("0|-?[1-9][0-9]*");
  private static final Pattern DECIMAL =
      Pattern.compile("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?");

  private static final Comparator<Object> BY_SIZE =
      Comparator.nullsFirst(Comparator.comparing(number -> new BigDecimal(number.toString())));
  private static final Comparator<Object> BY_CODE_POINT =
      Comparator.comparing(text -> Objects.toString(text, null), CodePoints.ORDER);

  private final String allowed;
  private final Function<String, Optional<String>> reader;

  Type(String allowed, Function<String, Optional<String>> reader) {
    this.allowed = allowed;
    this.reader = reader;
  }

  Type(Enum<?>[] values) {
    List<String> names = Arrays.stream(values).map(Enum::toString).toList();
    this.allowed = String.join(", ", names);
    this.reader = text -> Optional.of(text).filter(names::contains);
  }

  boolean isFilterable() {
    return reader != null;
  }

  /** The text of the value that a filter asks for; empty when there can be no such value. */
  Optional<String> read(String text) {
    return reader.apply(text);
  }

  /** What {@link #read} takes, for people. */
  String allowed() {
    return allowed;
  }

  /** The order of values: numbers by size, all else by code point; null first. */
  Comparator<Object> order() {
    return this == WHOLE_NUMBER || this == NUMBER ? BY_SIZE : BY_CODE_POINT;
  }

  private static Optional<String> wholeNumber(String text) {
    return Optional.of(text).filter(WHOLE.asMatchPredicate());
  }

  private static Optional<String> number(String text) {
    return Optional.of(text)
        .filter(DECIMAL.asMatchPredicate())
        .map(decimal -> Double.toString(Double.parseDouble(decimal)));
  }
}
