package org.nodepool.config;

import java.util.ArrayList;
import java.util.List;

/** The mistakes and warnings found while a configuration is read, to be told all at once. */
final class Findings {
  private final List<String> mistakes = new ArrayList<>();
  private final List<String> warnings = new ArrayList<>();

  void mistake(String place, String what) {
    mistake(place + ": " + what);
  }

  /** A mistake that several places lead to is told once. */
  void mistake(String placeAndWhat) {
    if (!mistakes.contains(placeAndWhat)) {
      mistakes.add(placeAndWhat);
    }
  }

  void warning(String place, String what) {
    warnings.add(place + ": " + what);
  }

  void add(Findings others) {
    mistakes.addAll(others.mistakes);
    warnings.addAll(others.warnings);
  }

  void add(ConfigException refused) {
    mistakes.addAll(refused.mistakes());
    warnings.addAll(refused.warnings());
  }

  List<String> warnings() {
    return warnings;
  }

  /** To be called when everything has been read. */
  void finish() throws ConfigException {
    if (!mistakes.isEmpty()) {
      throw new ConfigException(mistakes, warnings);
    }
  }
}
