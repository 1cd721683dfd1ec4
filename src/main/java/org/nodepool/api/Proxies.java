package org.nodepool.api;

import io.netty.handler.ipfilter.IpFilterRuleType;
import io.netty.handler.ipfilter.IpSubnetFilterRule;
import io.netty.util.NetUtil;
import io.vertx.core.MultiMap;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.net.HostAndPort;
import io.vertx.core.net.SocketAddress;
import io.vertx.ext.web.RoutingContext;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The proxies that are trusted to say whom they speak for, in {@code Forwarded} (RFC 7239) or in
 * {@code X-Forwarded-For, -Proto, -Host, -Prefix}. What others say is ignored. Immutable;
 * thread-safe.
 */
public final class Proxies {
  /** Which headers count. */
  public enum Family {
    X_FORWARDED,
    FORWARDED
  }

  /** None is trusted. */
  public static final Proxies NONE = new Proxies(List.of(), Family.X_FORWARDED);

  private static final String CLIENT = "nodepool.client";
  private static final Pattern NETWORK = Pattern.compile("([0-9a-fA-F:.]+)(?:/([0-9]{1,3}))?");
  private static final Pattern PREFIX = Pattern.compile("(/[A-Za-z0-9._~-]+)+");

  /** A pair of Forwarded; what is quoted has no escapes that would matter here. */
  private static final Pattern PAIR =
      Pattern.compile("\\s*([A-Za-z]+)=(?:\"([^\"]*)\"|([^\";,\\s]*))\\s*");

  /** A network address without or with a port, the IPv6 ones in brackets when with one. */
  private static final Pattern NODE =
      Pattern.compile("\\[([0-9a-fA-F:.]+)](?::[0-9]+)?|([0-9.]+)(?::[0-9]+)?|([0-9a-fA-F:.]+)");

  /**
   * Whom a request is from, and how its client sees the service.
   *
   * @param address of the client, as a number
   * @param scheme that the client uses, http or https; null when no trusted proxy says it
   * @param host what the client has asked for; null when the request has no usable one
   * @param prefix what comes before our paths: empty, or a path that begins with a slash and does
   *     not end with one
   * @param isTrusted whether a trusted proxy has sent it
   */
  record Client(String address, String scheme, String host, String prefix, boolean isTrusted) {}

  private final List<IpSubnetFilterRule> trusted;
  private final Family family;

  private Proxies(List<IpSubnetFilterRule> trusted, Family family) {
    this.trusted = trusted;
    this.family = family;
  }

  /**
   * @param networks addresses, or networks as in {@code 10.0.0.0/8}
   * @throws IllegalArgumentException with a sentence when one is none
   */
  public static Proxies of(List<String> networks, Family family) {
    return new Proxies(networks.stream().map(Proxies::network).toList(), family);
  }

  private static IpSubnetFilterRule network(String text) {
    Matcher network = NETWORK.matcher(text);
    InetAddress address = network.matches() ? number(network.group(1)) : null;
    int bits = address == null ? 0 : address.getAddress().length * 8;
    int length =
        address == null || network.group(2) == null ? bits : Integer.parseInt(network.group(2));
    if (address == null || length > bits) {
      throw new IllegalArgumentException(
          text + " is neither an address nor a network such as 10.0.0.0/8");
    }
    return new IpSubnetFilterRule(address, length, IpFilterRuleType.ACCEPT);
  }

  /** Null when the text is no address in numbers; names are not looked up. */
  private static InetAddress number(String text) {
    return NetUtil.createInetAddressFromIpAddressString(text);
  }

  /** Notes of whom the request is, for {@link #client(RoutingContext)}. */
  void begin(RoutingContext ctx) {
    ctx.put(CLIENT, client(ctx.request()));
  }

  /** Of a request that has begun; of any other whom it is from, without a word of a proxy. */
  static Client client(RoutingContext ctx) {
    Client client = ctx.get(CLIENT);
    return client == null ? NONE.client(ctx.request()) : client;
  }

  /** Of a request that has come. */
  Client client(HttpServerRequest request) {
    SocketAddress peer = request.remoteAddress();
    String address = peer == null ? "" : String.valueOf(peer.hostAddress());
    String host = only(request.headers().getAll("Host"));
    if (trusted.isEmpty() || !isTrusted(address)) {
      return new Client(address, null, host, "", false);
    }
    return family == Family.FORWARDED
        ? forwarded(request.headers(), address, host)
        : xForwarded(request.headers(), address, host);
  }

  private boolean isTrusted(String address) {
    InetAddress number = number(address);
    return number != null
        && trusted.stream().anyMatch(network -> network.matches(new InetSocketAddress(number, 0)));
  }

  private Client xForwarded(MultiMap headers, String peer, String host) {
    String address = peer;
    List<String> hops = elements(headers.getAll("X-Forwarded-For"));
    for (int i = hops.size() - 1; i >= 0 && isTrusted(address); i--) {
      String hop = address(hops.get(i));
      if (hop == null) {
        break;
      }
      address = hop;
    }
    String scheme = last(elements(headers.getAll("X-Forwarded-Proto")));
    String asked = last(elements(headers.getAll("X-Forwarded-Host")));
    String prefix = last(elements(headers.getAll("X-Forwarded-Prefix")));
    return new Client(address, scheme(scheme), isHost(asked) ? asked : host, prefix(prefix), true);
  }

  private Client forwarded(MultiMap headers, String peer, String host) {
    String address = peer;
    String scheme = null;
    String asked = host;
    List<String> hops = quotedElements(headers.getAll("Forwarded"));
    for (int i = hops.size() - 1; i >= 0 && isTrusted(address); i--) {
      String hop = address(pair(hops.get(i), "for"));
      String askedOfHop = pair(hops.get(i), "host");
      asked = isHost(askedOfHop) ? askedOfHop : asked;
      scheme = scheme(pair(hops.get(i), "proto"));
      if (hop == null) {
        break;
      }
      address = hop;
    }
    return new Client(address, scheme, asked, "", true);
  }

  /** Of all lines together. */
  private static List<String> elements(List<String> lines) {
    return lines.stream()
        .flatMap(line -> Stream.of(line.split(",", -1)))
        .map(String::strip)
        .toList();
  }

  /**
   * Of all lines together; a comma within quotes separates nothing. A line in which a quote is left
   * open is one that says nothing: whoever opened it wants to swallow what a proxy has added.
   */
  private static List<String> quotedElements(List<String> lines) {
    List<String> elements = new ArrayList<>();
    for (String line : lines) {
      if (line.chars().filter(c -> c == '"').count() % 2 == 1) {
        elements.add("");
        continue;
      }
      int begin = 0;
      boolean isQuoted = false;
      for (int i = 0; i <= line.length(); i++) {
        if (i == line.length() || (line.charAt(i) == ',' && !isQuoted)) {
          elements.add(line.substring(begin, i));
          begin = i + 1;
        } else if (line.charAt(i) == '"') {
          isQuoted = !isQuoted;
        }
      }
    }
    return elements;
  }

  /**
   * The value of that name in an element of Forwarded; null when it has none, or cannot be read.
   */
  private static String pair(String element, String name) {
    String value = null;
    Matcher pair = PAIR.matcher(element);
    for (int at = 0; at < element.length(); at = pair.end() + 1) {
      boolean isPair = pair.region(at, element.length()).lookingAt();
      if (!isPair || (pair.end() < element.length() && element.charAt(pair.end()) != ';')) {
        return null;
      }
      if (pair.group(1).equalsIgnoreCase(name)) {
        value = pair.group(2) == null ? pair.group(3) : pair.group(2);
      }
    }
    return value;
  }

  /** Null when it is none: a proxy may hide whom it speaks for. */
  private static String address(String node) {
    Matcher address = NODE.matcher(node == null ? "" : node);
    if (!address.matches()) {
      return null;
    }
    for (int i = 1; i <= address.groupCount(); i++) {
      if (address.group(i) != null) {
        InetAddress number = number(address.group(i));
        return number == null ? null : number.getHostAddress();
      }
    }
    return null;
  }

  private static boolean isHost(String text) {
    return text != null && HostAndPort.parseAuthority(text, -1) != null;
  }

  private static String scheme(String text) {
    String scheme = text == null ? "" : text.toLowerCase(Locale.ROOT);
    return scheme.equals("http") || scheme.equals("https") ? scheme : null;
  }

  private static String prefix(String text) {
    String prefix = text == null ? "" : text.replaceFirst("/$", "");
    return PREFIX.matcher(prefix).matches() ? prefix : "";
  }

  private static String last(List<String> elements) {
    return elements.isEmpty() ? null : elements.get(elements.size() - 1);
  }

  private static String only(List<String> lines) {
    return lines.size() == 1 ? lines.get(0) : null;
  }

  /** Where a login comes from: one customer of a provider has a whole IPv6 network of 64 bits. */
  static String place(String address) {
    InetAddress number = number(address);
    if (!(number instanceof Inet6Address)) {
      return address;
    }
    byte[] bytes = number.getAddress();
    StringBuilder network = new StringBuilder();
    for (int i = 0; i < 8; i += 2) {
      network.append("%02x%02x:".formatted(bytes[i], bytes[i + 1]));
    }
    return network.append(":/64").toString();
  }
}
