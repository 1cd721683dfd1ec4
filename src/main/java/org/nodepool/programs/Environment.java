package org.nodepool.programs;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** What a program gets of the service's own environment, which has secrets. */
public final class Environment {
  private static final Set<String> INHERITED =
      Set.of(
          "PATH",
          "HOME",
          "LANG",
          "LC_ALL",
          "LC_CTYPE",
          "http_proxy",
          "https_proxy",
          "no_proxy",
          "HTTP_PROXY",
          "HTTPS_PROXY",
          "NO_PROXY");

  private Environment() {}

  /**
   * The variables of these that a program may have; a new map, to be added to.
   *
   * @param ours the service's
   */
  public static Map<String, String> inherited(Map<String, String> ours) {
    Map<String, String> variables = new LinkedHashMap<>(ours);
    variables.keySet().retainAll(INHERITED);
    return variables;
  }
}
