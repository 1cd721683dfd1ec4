package org.nodepool.api;

import io.vertx.core.net.HostAndPort;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The names that the service is asked for by. A page of a stranger can make its own name mean this
 * machine, and would then be of one origin with a service that asks who listens here for nothing
 * else (DNS rebinding); it cannot change the name. Immutable; thread-safe.
 */
public final class Hosts {
  /**
   * Any name will do: others than this machine's browsers can reach the service, or TLS proves it.
   */
  public static final Hosts ANY = new Hosts(null);

  private static final Pattern ADDRESS = Pattern.compile("\\[[0-9a-f:.]+]|[0-9]+(\\.[0-9]+){3}");

  /** In lower case; null when any will do. */
  private final Set<String> names;

  private Hosts(Set<String> names) {
    this.names = names;
  }

  /**
   * Those of this machine, and these. Blocks: the names of this machine are looked up.
   *
   * @param others host names
   */
  public static Hosts ofThisMachineAnd(List<String> others) {
    Set<String> names = new HashSet<>(Set.of("localhost"));
    others.forEach(name -> names.add(name.toLowerCase(Locale.ROOT)));
    try {
      InetAddress here = InetAddress.getLocalHost();
      names.add(here.getHostName().toLowerCase(Locale.ROOT));
      names.add(here.getCanonicalHostName().toLowerCase(Locale.ROOT));
    } catch (UnknownHostException e) { // it has none
      return new Hosts(names);
    }
    return new Hosts(names);
  }

  /** Whether a request for that host is for the service. */
  boolean isOurs(HostAndPort asked) {
    if (names == null) {
      return true;
    }
    String host = asked.host().toLowerCase(Locale.ROOT);
    return names.contains(host) || ADDRESS.matcher(host).matches();
  }
}
