package org.nodepool.config;

import static java.util.Objects.requireNonNull;

/** A text that is in no log: what prints it prints stars. */
public record Secret(String value) {
  public Secret {
    requireNonNull(value, "value");
  }

  @Override
  public String toString() {
    return "***";
  }
}
