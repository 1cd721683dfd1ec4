package org.nodepool.ssh;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.regex.Pattern;

/**
 * Where an SSH server listens.
 *
 * @param ip an address in digits, IPv4 or IPv6; a name would be one more thing to look up, and
 *     might be an option to ssh
 */
public record Target(String ip, int port) {
  private static final String BYTE = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
  private static final Pattern IPV4 = Pattern.compile("(" + BYTE + "\\.){3}" + BYTE);
  private static final Pattern LIKE_IPV6 = Pattern.compile("[0-9a-fA-F:.]*:[0-9a-fA-F:.]*");

  /** Throws an {@link IllegalArgumentException} for what is no address or no port. */
  public Target {
    if (!isAddress(ip)) {
      throw new IllegalArgumentException("not an IP address: " + ip);
    }
    if (port < 1 || port > 65_535) {
      throw new IllegalArgumentException("not a port: " + port);
    }
  }

  private static boolean isAddress(String ip) {
    if (IPV4.matcher(ip).matches()) {
      return true;
    }
    try {
      return LIKE_IPV6.matcher(ip).matches() && InetAddress.getByName(ip) != null;
    } catch (UnknownHostException e) {
      return false;
    }
  }

  InetSocketAddress address() {
    return new InetSocketAddress(ip, port);
  }

  @Override
  public String toString() {
    return (ip.contains(":") ? "[%s]:%d" : "%s:%d").formatted(ip, port);
  }
}
