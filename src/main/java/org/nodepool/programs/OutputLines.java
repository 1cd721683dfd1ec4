package org.nodepool.programs;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/**
 * What a program prints, line by line as it comes. A line is kept to {@value #LONGEST_BYTES} bytes:
 * a program that prints no line ends must not fill the memory. To be used by one thread.
 */
public final class OutputLines {
  public static final int LONGEST_BYTES = 16 * 1024;

  private final InputStream in;
  private final byte[] chunk = new byte[8192];
  private final byte[] line = new byte[LONGEST_BYTES];
  private int next;
  private int end;
  private IOException broken;

  /**
   * @param in read in parts, and not closed
   */
  public OutputLines(InputStream in) {
    this.in = in;
  }

  /**
   * A line without its end.
   *
   * @param text read as UTF-8; what is none is replaced
   * @param cutBytes how many more it had
   */
  public record Line(String text, long cutBytes) {}

  /**
   * Waits for the next line; the last one may lack its end. Null when there is none any more.
   *
   * @throws IOException when the output broke off; what came before it has been given
   */
  public Line next() throws IOException {
    int length = 0;
    long cut = 0;
    boolean isBegun = false;
    while (next < end || fill()) {
      isBegun = true;
      byte b = chunk[next++];
      if (b == '\n') {
        break;
      }
      if (length < line.length) {
        line[length++] = b;
      } else {
        cut++;
      }
    }
    if (!isBegun && broken != null) {
      throw broken;
    }
    return isBegun ? new Line(new String(line, 0, length, StandardCharsets.UTF_8), cut) : null;
  }

  private boolean fill() {
    next = 0;
    end = 0;
    try {
      end = Math.max(0, in.read(chunk));
    } catch (IOException e) {
      broken = e;
    }
    return end > 0;
  }
}
