package org.nodepool.model;

import static org.assertj.core.api.Assertions.assertThat;

import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Chars;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.StringLength;

class IdsTest {
  @Property
  void every_id_is_read_from_its_decimal_text(
      @ForAll @LongRange(min = 1, max = 999_999_999_999_999_999L) long id) {
    assertThat(Ids.parse(Long.toString(id))).contains(id);
  }

  @Property
  void whatever_is_read_is_positive_and_writes_itself_the_same(@ForAll String text) {
    Ids.parse(text)
        .ifPresent(
            id -> {
              assertThat(id).isPositive();
              assertThat(Long.toString(id)).isEqualTo(text);
            });
  }

  @Property
  void texts_that_are_nearly_a_number_are_read_as_one_or_not_at_all(
      @ForAll
          @Chars({'0', '1', '9', '-', '+', ' ', '.', 'e', 'x', '\n', '٣'})
          @StringLength(max = 4)
          String text) {
    Ids.parse(text).ifPresent(id -> assertThat(Long.toString(id)).isEqualTo(text));
  }

  @Example
  void zero_leading_zeros_and_what_no_column_holds_are_no_ids() {
    assertThat(Ids.parse("0")).isEmpty();
    assertThat(Ids.parse("01")).isEmpty();
    assertThat(Ids.parse("1000000000000000000")).isEmpty();
    assertThat(Ids.parse("")).isEmpty();
  }
}
