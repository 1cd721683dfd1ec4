package org.nodepool.jobs;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Hides, in what a program of ours prints, the values of the variables that are named like secrets,
 * and the login of a proxy. A value under {@value #SHORTEST} characters is left: it would be found
 * in half of all words.
 */
public final class SecretMask {
  private static final Pattern NAMED_LIKE_A_SECRET =
      Pattern.compile("(?i).*(PASS|PWD_|_PWD|SECRET|TOKEN|KEY|CREDENTIAL|AUTH|PRIVATE).*");
  private static final Pattern NAMED_LIKE_A_PROXY = Pattern.compile("(?i).*_proxy");
  private static final int SHORTEST = 4;

  private final List<String> secrets;

  /**
   * @param environment all that the program is given
   */
  public SecretMask(Map<String, String> environment) {
    Set<String> found = new LinkedHashSet<>();
    environment.forEach(
        (name, value) -> {
          if (NAMED_LIKE_A_SECRET.matcher(name).matches()) {
            value.lines().map(String::strip).forEach(line -> addAsPrinted(found, line));
          } else if (NAMED_LIKE_A_PROXY.matcher(name).matches()) {
            addLogin(found, value);
          }
        });
    secrets =
        found.stream()
            .filter(secret -> secret.length() >= SHORTEST)
            .sorted(Comparator.comparingInt(String::length).reversed())
            .toList();
  }

  /** The value, and what bash makes of it when it traces commands or lists variables. */
  private static void addAsPrinted(Set<String> found, String value) {
    found.add(value);
    found.add(value.replace("'", "'\\''"));
    found.add(value.replaceAll("([\\\\\"$`])", "\\\\$1"));
    StringBuilder octal = new StringBuilder();
    for (byte b : value.getBytes(StandardCharsets.UTF_8)) {
      String escaped = b == '\'' || b == '\\' ? "\\" + (char) b : Character.toString((char) b);
      octal.append(b < 0 ? "\\%03o".formatted(b & 0xff) : escaped);
    }
    found.add(octal.toString());
  }

  private static void addLogin(Set<String> found, String proxy) {
    try {
      String login = URI.create(proxy).getRawUserInfo();
      if (login != null) {
        addAsPrinted(found, login);
        addAsPrinted(found, login.substring(login.indexOf(':') + 1));
      }
    } catch (IllegalArgumentException e) {
      addAsPrinted(found, proxy);
    }
  }

  /**
   * A line that was cut, without its secrets: its end may be the beginning of one.
   *
   * @param cutBytes how many more it had; 0: it is whole
   */
  public String hide(String line, long cutBytes) {
    String masked = hide(line);
    int longest = secrets.isEmpty() ? 0 : secrets.get(0).length();
    return cutBytes == 0
        ? masked
        : "%s… (cut: %d bytes more)"
            .formatted(masked.substring(0, Math.max(0, masked.length() - longest)), cutBytes);
  }

  /** The line with each secret as {@code ***}. */
  public String hide(String line) {
    String masked = line;
    for (String secret : secrets) {
      masked = masked.replace(secret, "***");
    }
    return masked;
  }
}
