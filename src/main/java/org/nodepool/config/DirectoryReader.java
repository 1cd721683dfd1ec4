package org.nodepool.config;

import java.util.List;

/** Reads a provider that is a directory. */
final class DirectoryReader implements DriverReader {
  @Override
  public String driver() {
    return DriverConfig.Directory.DRIVER;
  }

  @Override
  public List<String> keys() {
    return List.of("directory");
  }

  @Override
  public List<String> imageTypes() {
    return PoolReader.IMAGE_TYPES;
  }

  @Override
  public DriverConfig read(Section entry) {
    if (!entry.has("directory")) {
      entry.mistake("directory", "is required of a provider whose driver is directory");
    }
    return new DriverConfig.Directory(
        entry.path("directory", "."), entry.text("region-name", null));
  }
}
