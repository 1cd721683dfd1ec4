package org.nodepool.programs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.nodepool.programs.OutputLines.Line;

class OutputLinesTest {
  private static final int LONGEST = OutputLines.LONGEST_BYTES;

  @Test
  void lines_end_at_line_feeds_alone_and_the_last_may_lack_it() throws Exception {
    assertThat(lines("")).isEmpty();
    assertThat(lines("\n")).containsExactly(whole(""));
    assertThat(lines("a\r\n\nb\0c\u0085d\nlast"))
        .containsExactly(whole("a\r"), whole(""), whole("b\0c\u0085d"), whole("last"));
  }

  @Test
  void a_line_that_is_too_long_is_cut_and_the_next_one_is_whole() throws Exception {
    String longest = "x".repeat(LONGEST);
    assertThat(lines(longest + "\n" + longest + "yz\nnext"))
        .containsExactly(whole(longest), new Line(longest, 2), whole("next"));
  }

  @Test
  void what_is_no_utf_8_is_replaced() throws Exception {
    var bytes = new ByteArrayInputStream(new byte[] {'a', (byte) 0xff, 'b', '\n'});
    assertThat(new OutputLines(bytes).next()).isEqualTo(whole("a\uFFFDb"));
  }

  @Test
  void what_came_before_a_break_is_given_and_then_the_break_is_told() throws Exception {
    InputStream broken =
        new InputStream() {
          @Override
          public int read() throws IOException {
            throw new IOException("closed");
          }
        };
    var lines =
        new OutputLines(
            new SequenceInputStream(new ByteArrayInputStream("one\ntw".getBytes(UTF_8)), broken));

    assertThat(lines.next()).isEqualTo(whole("one"));
    assertThat(lines.next()).isEqualTo(whole("tw"));
    assertThatThrownBy(lines::next).isInstanceOf(IOException.class).hasMessage("closed");
  }

  private static Line whole(String text) {
    return new Line(text, 0);
  }

  private static List<Line> lines(String printed) throws IOException {
    var lines = new OutputLines(new ByteArrayInputStream(printed.getBytes(UTF_8)));
    List<Line> all = new ArrayList<>();
    for (Line line = lines.next(); line != null; line = lines.next()) {
      all.add(line);
    }
    return all;
  }
}
