package org.nodepool.ssh;

import static java.util.stream.Collectors.joining;

import java.util.LinkedHashMap;
import java.util.Map;
import org.nodepool.ssh.Banner.Look;

/** How far the wait for a login came at the most; what it came to last counts. */
final class Progress {
  private Look furthest = new Look(Banner.Sight.NO_CONNECTION, "no time to look");
  private final Map<String, String> refusals = new LinkedHashMap<>();

  void seen(Look look) {
    if (look.sight().compareTo(furthest.sight()) >= 0) {
      furthest = look;
    }
  }

  void refused(String user, String why) {
    refusals.put(user, why);
  }

  @Override
  public String toString() {
    return switch (furthest.sight()) {
      case NO_CONNECTION -> "no connection (" + furthest.why() + ")";
      case SILENCE -> "it takes connections, and no SSH server answers (" + furthest.why() + ")";
      case BANNER ->
          refusals.isEmpty()
              ? "an SSH server answers, and there was no time for a login"
              : refusals.entrySet().stream()
                  .map(refusal -> "as %s (%s)".formatted(refusal.getKey(), refusal.getValue()))
                  .collect(joining(", ", "an SSH server answers and refuses, ", ""));
    };
  }
}
