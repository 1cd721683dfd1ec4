package org.nodepool.jobs.run;

import static java.util.stream.Collectors.groupingBy;

import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/** Work for several providers is done side by side, so that one that hangs delays no other. */
final class ByProvider {
  private ByProvider() {}

  /**
   * The same, apart for each provider, in the same order.
   *
   * @param provider the provider's name; null for none
   */
  static <T> Collection<List<T>> grouped(List<T> all, Function<T, String> provider) {
    return all.stream()
        .collect(groupingBy(each -> Optional.ofNullable(provider.apply(each))))
        .values();
  }
}
