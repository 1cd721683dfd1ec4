package org.nodepool.ssh;

import static java.util.stream.Collectors.joining;

import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.nodepool.programs.OutputLines;
import org.nodepool.programs.OutputLines.Line;

/**
 * What comes back from a node: the lines that a command prints, and at the end one with its exit
 * status and a mark that no output has by chance. Without that line the command was not run, or its
 * end was not seen: ssh's own exit status tells neither from a command that failed.
 */
final class Reply {
  private static final int TAIL_LINES = 3;
  private static final int LONGEST_FOR_PEOPLE = 300;
  private static final Line EMPTY = new Line("", 0);

  private final String mark = "nodepool-" + UUID.randomUUID();
  private final Pattern statusLine = Pattern.compile(mark + " (\\d{1,3})");
  private final Consumer<Line> output;
  private final Deque<String> tail = new ArrayDeque<>();
  private Integer status;

  /**
   * @param output given each line that the command prints, as it comes
   */
  Reply(Consumer<Line> output) {
    this.output = output;
  }

  /**
   * The shell text that runs another, without input, and tells its status. Of a text that did not
   * arrive whole a shell runs nothing. (What the other text prints may lack the end of a line.)
   */
  String askedBy(String script) {
    return "{ (\n%s\n) </dev/null 2>&1\n%s\n}\n".formatted(script, telling());
  }

  /** As {@link #askedBy}, for a text that reads its input. */
  String askedByReading(String script) {
    return "{ (\n%s\n) 2>&1\n%s\n}\n".formatted(script, telling());
  }

  private String telling() {
    return "printf '\\n%%s %%s\\n' %s \"$?\"\nexit 0".formatted(mark);
  }

  /** Reads up to the status, or to the end, whichever comes first. */
  void read(InputStream in) {
    OutputLines lines = new OutputLines(in);
    boolean isEmptyHeld = false; // it belongs to the status if that comes next
    try {
      for (Line line = lines.next(); line != null; line = lines.next()) {
        Matcher told = statusLine.matcher(line.text());
        if (told.matches()) {
          status = Integer.valueOf(told.group(1));
          return;
        }
        if (isEmptyHeld) {
          give(EMPTY);
        }
        isEmptyHeld = line.equals(EMPTY);
        if (!isEmptyHeld) {
          give(line);
        }
      }
    } catch (IOException e) {
      // it was killed while we read: the end as any other
    }
    if (isEmptyHeld) {
      give(EMPTY);
    }
  }

  private void give(Line line) {
    if (!line.text().isBlank()) {
      tail.addLast(line.text());
    }
    if (tail.size() > TAIL_LINES) {
      tail.removeFirst();
    }
    output.accept(line);
  }

  /** The command's exit status; null when none was told. */
  Integer status() {
    return status;
  }

  /** The last lines that were printed, for people. */
  String tail() {
    return tail.stream().map(Reply::forPeople).collect(joining("; "));
  }

  /** In one line of bounded length, which controls no terminal. */
  static String forPeople(String text) {
    String line = text.replaceAll("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]+", " ").strip();
    return line.length() <= LONGEST_FOR_PEOPLE ? line : line.substring(0, LONGEST_FOR_PEOPLE) + "…";
  }
}
