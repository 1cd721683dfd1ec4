package org.nodepool.api.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.CharRange;
import net.jqwik.api.constraints.Chars;

class AcceptTest {
  private static final String JSON = "application/json";
  private static final String TEXT = "text/plain";
  private static final List<String> BOTH = List.of(JSON, TEXT);

  @Property
  void any_text_is_read_and_gives_one_of_the_offers_or_none(@ForAll List<String> headers) {
    Accept.of(headers).best(BOTH).ifPresent(best -> assertThat(best).isIn(BOTH));
  }

  @Property
  void text_of_what_headers_are_made_of_is_read_too(
      @ForAll
          @CharRange(from = 'a', to = 'c')
          @Chars({'*', '/', ';', ',', '=', '"', '\\', 'q', '0', '.', '1', ' '})
          String header) {
    Accept.of(List.of(header)).best(List.of("a/b", "a/c", "b/c"));
    assertThat(Accept.of(List.of(header, "*/*")).ranges).isNotEmpty();
  }

  @Property
  void the_order_of_elements_does_not_matter(
      @ForAll("elements") List<String> elements, @ForAll Random random) {
    List<String> shuffled = new ArrayList<>(elements);
    Collections.shuffle(shuffled, random);
    assertThat(best(elements)).isEqualTo(best(shuffled));
  }

  @Property
  void one_header_with_commas_says_the_same_as_several(@ForAll("elements") List<String> elements) {
    assertThat(Accept.of(elements).best(BOTH)).isEqualTo(best(elements));
  }

  @Property
  void what_no_element_refuses_is_met_when_there_is_an_asterisk(
      @ForAll("elements") List<String> elements) {
    List<String> kind = new ArrayList<>(elements.stream().filter(e -> !e.endsWith("=0")).toList());
    kind.add("*/*");
    assertThat(best(kind)).isPresent();
  }

  @Property
  void the_most_precise_element_decides_as_the_specification_says(
      @ForAll("elements") List<String> elements) {
    double json = quality(elements, List.of(JSON, "application/*", "*/*"));
    double text = quality(elements, List.of(TEXT, "text/*", "*/*"));
    Optional<String> expected =
        json == 0 && text == 0 ? Optional.empty() : Optional.of(text > json ? TEXT : JSON);
    assertThat(best(elements)).isEqualTo(elements.isEmpty() ? Optional.of(JSON) : expected);
  }

  @Property
  void case_blanks_and_other_parameters_do_not_matter(@ForAll("elements") List<String> elements) {
    List<String> dressed =
        elements.stream()
            .map(element -> "  " + element.toUpperCase().replace(";", " ; x=\";q=0,\" ; ") + " ")
            .toList();
    assertThat(best(dressed)).isEqualTo(best(elements));
  }

  @Example
  void what_javas_own_client_sends_takes_anything() {
    String header = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";
    assertThat(Accept.of(List.of(header)).best(BOTH)).contains(JSON);
  }

  @Example
  void eight_kilobytes_of_separators_and_quotes_are_read() {
    for (String piece : List.of(",", ";", "\"", "\\\"", "a/b;x=\"\\\",", "*/*;q=0,", "q=1;")) {
      Accept.of(List.of(piece.repeat(8192 / piece.length()))).best(BOTH);
    }
  }

  @Provide
  Arbitrary<List<String>> elements() {
    Arbitrary<String> types =
        Arbitraries.of(JSON, TEXT, "application/*", "text/*", "*/*", "image/png", "text/html");
    Arbitrary<String> qualities =
        Arbitraries.of("", ";q=0", ";q=0.1", ";q=0.25", ";q=0.999", ";q=1", ";q=1.000");
    return Combinators.combine(types, qualities).as(String::concat).list().ofMaxSize(6);
  }

  private static Optional<String> best(List<String> elements) {
    return Accept.of(List.of(String.join(",", elements))).best(BOTH);
  }

  /** Of the first of these ranges that there is, the greatest; written as plainly as can be. */
  private static double quality(List<String> elements, List<String> ranges) {
    for (String range : ranges) {
      List<String> of = elements.stream().filter(e -> e.split(";")[0].equals(range)).toList();
      if (!of.isEmpty()) {
        return of.stream()
            .mapToDouble(e -> e.contains("=") ? Double.parseDouble(e.split("=")[1]) : 1)
            .max()
            .orElseThrow();
      }
    }
    return 0;
  }
}
