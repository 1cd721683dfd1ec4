package org.nodepool.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.nodepool.model.Subject.What;

class MarkTest {
  private static final String DATABASE = "0b8f2a52-7d3c-4c2e-9a55-0f5a9f6f0001";
  private static final String ATTEMPT = "1c9f3b63-8e4d-3d3f-8b66-106bafaf1112";

  @ParameterizedTest
  @EnumSource
  void what_was_written_is_read_again(What what) {
    Mark mark = new Mark(DATABASE, new Subject(what, 7), ATTEMPT);
    assertThat(Mark.parse(mark.database(), mark.subject().path(), mark.attempt())).contains(mark);
  }

  static Stream<List<Object>> others() {
    String path = "/v1/images/7";
    return Stream.of(
        Arrays.asList(null, null, null),
        Arrays.asList(null, path, ATTEMPT),
        Arrays.asList(DATABASE, null, ATTEMPT),
        Arrays.asList(DATABASE, path, null),
        List.of("", path, ATTEMPT),
        List.of(DATABASE.toUpperCase(), path, ATTEMPT),
        List.of(DATABASE + "\n", path, ATTEMPT),
        List.of("x" + DATABASE, path, ATTEMPT),
        List.of(DATABASE, "/v1/images/7/", ATTEMPT),
        List.of(DATABASE, "/v1/images/0", ATTEMPT),
        List.of(DATABASE, "/v1/jobs/7", ATTEMPT),
        List.of(DATABASE, "../images/7", ATTEMPT),
        List.of(DATABASE, path, "*"),
        List.of(DATABASE, 7, ATTEMPT),
        List.of(7, path, ATTEMPT),
        List.of(DATABASE, path, List.of(ATTEMPT)));
  }

  @ParameterizedTest
  @MethodSource("others")
  void what_we_would_not_have_written_is_no_mark(List<Object> parts) {
    assertThat(Mark.parse(parts.get(0), parts.get(1), parts.get(2))).isEmpty();
  }

  @Test
  void a_subject_is_read_of_what_it_writes() {
    Subject subject = new Subject(What.NODE, 999_999_999_999_999_999L);
    assertThat(Subject.parse(subject.path())).contains(subject);
  }
}
