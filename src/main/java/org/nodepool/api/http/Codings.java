package org.nodepool.api.http;

import java.util.List;
import java.util.Optional;
import org.nodepool.api.http.HeaderList.Weighted;

/** What a client takes as {@code Content-Encoding} (RFC 9110, 12.5.3). */
public final class Codings {
  private Codings() {}

  /**
   * Whether it takes gzip. Without the header gzip is not asked for; an asterisk stands for codings
   * that are not named; of several elements for gzip the kindest counts.
   */
  public static boolean acceptGzip(List<String> lines) {
    if (lines.isEmpty()) {
      return false;
    }
    double named = -1;
    double any = 0;
    for (String element : HeaderList.elements(lines)) {
      Optional<Weighted> coding = HeaderList.weighted(element);
      if (coding.isPresent()) {
        double quality = coding.get().quality();
        switch (coding.get().name()) {
          case "gzip", "x-gzip" -> named = Math.max(named, quality);
          case "*" -> any = Math.max(any, quality);
          default -> {
            // not one that there is
          }
        }
      }
    }
    return named >= 0 ? named > 0 : any > 0;
  }
}
