package org.nodepool.view;

import java.util.List;

/**
 * A provider of the configuration, as people see it: nothing secret.
 *
 * @param driver the configuration's word
 * @param region null when none is set
 * @param images the names of its images, in the order of the file
 */
public record PoolProvider(String name, String driver, String region, List<String> images) {
  public PoolProvider {
    images = List.copyOf(images);
  }
}
