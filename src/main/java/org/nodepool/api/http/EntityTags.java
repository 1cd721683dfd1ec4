package org.nodepool.api.http;

import java.util.ArrayList;
import java.util.List;

/**
 * The answers that a client has already: {@code If-None-Match} (RFC 9110, 13.1.2). They are
 * compared weakly, so {@code W/} makes no difference. Text that cannot be read is no tag and
 * matches nothing; it is no error, for the client then gets the answer that it would get without
 * the header.
 */
public final class EntityTags {
  private static final EntityTags NONE = new EntityTags(false, false, List.of());

  private final boolean isGiven;
  private final boolean isAny;

  /** With their quotes, without {@code W/}. */
  private final List<String> tags;

  private EntityTags(boolean isGiven, boolean isAny, List<String> tags) {
    this.isGiven = isGiven;
    this.isAny = isAny;
    this.tags = tags;
  }

  /** The tags of these lines of the header together. */
  public static EntityTags of(List<String> lines) {
    return of(lines, true);
  }

  /** As {@link #of} of {@code If-Match}, to which no weak tag is equal (RFC 9110, 13.1.1). */
  public static EntityTags strong(List<String> lines) {
    return of(lines, false);
  }

  private static EntityTags of(List<String> lines, boolean withWeak) {
    if (lines.isEmpty()) {
      return NONE;
    }
    if (lines.size() == 1 && lines.get(0).strip().equals("*")) {
      return new EntityTags(true, true, List.of());
    }
    List<String> tags = new ArrayList<>(1);
    for (String line : lines) {
      read(line, withWeak, tags);
    }
    return new EntityTags(true, false, tags);
  }

  /**
   * An element is a tag and nothing else; within the quotes a comma is a character, and so is a
   * backslash: there are no escapes.
   */
  private static void read(String line, boolean withWeak, List<String> tags) {
    int at = 0;
    while (at < line.length()) {
      int begin = skipBlanks(line, at);
      boolean isWeak = line.startsWith("W/", begin);
      int open = isWeak ? begin + 2 : begin;
      int close = close(line, open);
      if (close < 0) {
        int comma = line.indexOf(',', begin);
        at = comma < 0 ? line.length() : comma + 1;
        continue;
      }
      int end = skipBlanks(line, close + 1);
      boolean isWhole = end == line.length() || line.charAt(end) == ',';
      if (isWhole) {
        if (withWeak || !isWeak) {
          tags.add(line.substring(open, close + 1));
        }
        at = end + 1;
      } else {
        int comma = line.indexOf(',', end);
        at = comma < 0 ? line.length() : comma + 1;
      }
    }
  }

  /** Where the quoted characters that begin here end; negative when none begin here, or end. */
  private static int close(String line, int open) {
    if (open >= line.length() || line.charAt(open) != '"') {
      return -1;
    }
    for (int i = open + 1; i < line.length(); i++) {
      char c = line.charAt(i);
      if (c == '"') {
        return i;
      }
      if (c < 0x21 || c == 0x7f) {
        return -1;
      }
    }
    return -1;
  }

  private static int skipBlanks(String line, int from) {
    int at = from;
    while (at < line.length() && (line.charAt(at) == ' ' || line.charAt(at) == '\t')) {
      at++;
    }
    return at;
  }

  /** Whether the client sent the header at all. */
  public boolean isGiven() {
    return isGiven;
  }

  /**
   * Whether the client has the answer with that tag.
   *
   * @param etag with its quotes
   */
  public boolean matches(String etag) {
    return isAny || tags.contains(etag);
  }
}
