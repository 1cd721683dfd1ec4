package org.nodepool.model;

/** Text that harms no terminal. */
public final class Printable {
  private Printable() {}

  /**
   * With each control character but the tabulator as its escape in JSON and Java: what begins with
   * one may move the cursor of whoever looks at it, or set his keys.
   */
  public static String text(String text) {
    if (text.chars().noneMatch(Printable::isControl)) {
      return text;
    }
    StringBuilder printable = new StringBuilder(text.length() + 16);
    text.chars()
        .forEach(
            c -> {
              if (isControl(c)) {
                printable.append("\\u%04x".formatted(c));
              } else {
                printable.append((char) c);
              }
            });
    return printable.toString();
  }

  private static boolean isControl(int c) {
    return Character.isISOControl(c) && c != '\t';
  }
}
