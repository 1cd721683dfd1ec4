package org.nodepool.config;

import java.util.List;

/** Every mistake of a configuration, at once. {@link #getMessage} joins them by newline. */
public final class ConfigException extends Exception {
  private final List<String> mistakes;
  private final List<String> warnings;

  ConfigException(List<String> mistakes) {
    this(mistakes, List.of());
  }

  ConfigException(List<String> mistakes, List<String> warnings) {
    super(String.join("\n", mistakes));
    this.mistakes = List.copyOf(mistakes);
    this.warnings = List.copyOf(warnings);
  }

  /**
   * At least one, in the order of discovery: {@code <file name>: <dotted key>: <what is wrong>}, or
   * the line and column in place of the key. None holds a password.
   */
  public List<String> mistakes() {
    return mistakes;
  }

  /** What would be ignored if there were no mistakes, in the same form. */
  public List<String> warnings() {
    return warnings;
  }
}
