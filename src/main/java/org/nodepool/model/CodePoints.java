package org.nodepool.model;

import java.util.Comparator;

/**
 * Texts by their code points: the order of names, whatever a database's collation thinks ({@link
 * String#compareTo} differs from it above U+FFFF), and their length.
 */
public final class CodePoints {
  /** Ascending; null names first. */
  public static final Comparator<String> ORDER = Comparator.nullsFirst(CodePoints::compare);

  private CodePoints() {}

  private static int compare(String a, String b) {
    int length = Math.min(a.length(), b.length());
    for (int i = 0; i < length; i++) {
      char x = a.charAt(i);
      char y = b.charAt(i);
      if (x != y) {
        boolean bothOrNeither = Character.isSurrogate(x) == Character.isSurrogate(y);
        return bothOrNeither ? Character.compare(x, y) : Character.isSurrogate(x) ? 1 : -1;
      }
    }
    return Integer.compare(a.length(), b.length());
  }

  /** The text, or as much of it as fits, with an ellipsis at its end, into so many code points. */
  public static String cut(String text, int longest) {
    return text.codePointCount(0, text.length()) <= longest
        ? text
        : text.substring(0, text.offsetByCodePoints(0, longest - 1)) + "…";
  }
}
