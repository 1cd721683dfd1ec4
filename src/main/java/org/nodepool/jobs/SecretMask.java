package org.nodepool.jobs;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Hides, in what a build prints, the values of the env-vars that are named like secrets. A value
 * under {@value #SHORTEST} characters is left: it would be found in half of all words.
 */
final class SecretMask {
  private static final Pattern NAMED_LIKE_A_SECRET =
      Pattern.compile("(?i).*(PASS|SECRET|TOKEN|KEY|CREDENTIAL|AUTH).*");
  private static final int SHORTEST = 4;

  private final List<String> secrets;

  SecretMask(Map<String, String> environment) {
    List<String> found = new ArrayList<>();
    environment.forEach(
        (name, value) -> {
          if (NAMED_LIKE_A_SECRET.matcher(name).matches()) {
            value.lines().map(String::strip).forEach(found::add);
            // as bash shows it when it traces commands
            value.lines().map(line -> line.strip().replace("'", "'\\''")).forEach(found::add);
          }
        });
    secrets =
        found.stream()
            .filter(secret -> secret.length() >= SHORTEST)
            .distinct()
            .sorted(Comparator.comparingInt(String::length).reversed())
            .toList();
  }

  /** The line with each secret as {@code ***}. */
  String hide(String line) {
    String masked = line;
    for (String secret : secrets) {
      masked = masked.replace(secret, "***");
    }
    return masked;
  }
}
