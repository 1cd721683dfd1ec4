package org.nodepool.ssh;

import static java.util.stream.Collectors.joining;

import java.util.List;

/** Text as words of a POSIX shell, which it then takes as they are. */
final class ShellWords {
  private ShellWords() {}

  /** Throws an {@link IllegalArgumentException} for what has a NUL, which no shell can hold. */
  static String quote(String word) {
    if (word.indexOf('\0') >= 0) {
      throw new IllegalArgumentException("a word of a shell has no NUL");
    }
    return "'" + word.replace("'", "'\\''") + "'";
  }

  static String join(List<String> words) {
    return words.stream().map(ShellWords::quote).collect(joining(" "));
  }
}
