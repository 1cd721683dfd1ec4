package org.nodepool.config;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Where the file of clouds' credentials is looked for: {@code clouds_file} of api.yaml; if that is
 * not set, where OpenStack's own clients look.
 *
 * @param candidates absolute; the first that exists is the one
 */
public record CloudsFile(List<Path> candidates) {
  private static final String VARIABLE = "OS_CLIENT_CONFIG_FILE";
  private static final List<String> NAMES = List.of("clouds.yaml", "clouds.yml");

  public CloudsFile {
    candidates = List.copyOf(candidates);
  }

  /**
   * @param configured null: not set
   * @param environment the process's; its {@code OS_CLIENT_CONFIG_FILE} comes before the working
   *     directory, {@code ~/.config/openstack} and {@code /etc/openstack}, as in openstacksdk's
   *     configuration guide
   */
  public static CloudsFile of(Path configured, Map<String, String> environment) {
    if (configured != null) {
      return new CloudsFile(List.of(configured));
    }
    List<Path> candidates = new ArrayList<>();
    add(candidates, environment.get(VARIABLE));
    String home = environment.get("HOME");
    for (String directory :
        List.of("", home == null ? "" : home + "/.config/openstack", "/etc/openstack")) {
      NAMES.forEach(name -> add(candidates, Path.of(directory).resolve(name).toString()));
    }
    return new CloudsFile(candidates);
  }

  private static void add(List<Path> candidates, String path) {
    if (path != null && !path.isBlank()) {
      try {
        candidates.add(Path.of(path).toAbsolutePath().normalize());
      } catch (InvalidPathException e) {
        // no file has such a name
      }
    }
  }

  /** The one that counts now. */
  Optional<Path> path() {
    return candidates.stream().filter(Files::exists).findFirst();
  }
}
