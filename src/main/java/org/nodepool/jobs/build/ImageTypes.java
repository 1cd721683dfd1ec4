package org.nodepool.jobs.build;

import java.util.List;
import org.nodepool.config.PoolConfig;

/** Which formats a diskimage is built in. */
final class ImageTypes {
  private static final String DEFAULT = "qcow2";

  private ImageTypes() {}

  /**
   * Every format that a provider with an image of this diskimage asks for, sorted; nodepool's
   * default when none does yet. (Rule: Nodepool 0.1.0.)
   */
  static List<String> askedFor(PoolConfig config, String diskImage) {
    List<String> types =
        config.providers().values().stream()
            .filter(
                provider ->
                    provider.images().values().stream()
                        .anyMatch(image -> diskImage.equals(image.diskImage())))
            .map(PoolConfig.ProviderConfig::imageType)
            .distinct()
            .sorted()
            .toList();
    return types.isEmpty() ? List.of(DEFAULT) : types;
  }
}
