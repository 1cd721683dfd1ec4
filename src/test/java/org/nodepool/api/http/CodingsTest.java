package org.nodepool.api.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.CharRange;
import net.jqwik.api.constraints.Chars;

class CodingsTest {
  @Example
  void gzip_is_taken_when_the_client_says_so() {
    for (String header :
        List.of("gzip", "GZIP", "x-gzip", "br, gzip;q=0.1", "*", "deflate,*;q=0.5", " gzip ;q=1")) {
      assertThat(Codings.acceptGzip(List.of(header))).as(header).isTrue();
    }
    assertThat(Codings.acceptGzip(List.of("br", "gzip"))).isTrue();
  }

  @Example
  void it_is_not_when_the_client_does_not_or_refuses_it() {
    for (String header :
        List.of(
            "", "br", "identity", "gzip;q=0", "gzip;q=0.000", "*;q=0", "*, gzip;q=0", "gzipx")) {
      assertThat(Codings.acceptGzip(List.of(header))).as(header).isFalse();
    }
    assertThat(Codings.acceptGzip(List.of())).isFalse();
  }

  @Property
  void any_text_is_read(
      @ForAll
          @CharRange(from = 'f', to = 'z')
          @Chars({'*', ';', ',', '=', '"', '\\', '0', '.', '1', ' '})
          String header) {
    boolean other = Codings.acceptGzip(List.of(header));
    assertThat(Codings.acceptGzip(List.of(header, "gzip;q=1, x;q=0"))).isTrue();
    assertThat(Codings.acceptGzip(List.of(header, "br"))).isEqualTo(other);
  }
}
