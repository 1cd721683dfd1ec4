package org.nodepool.config;

import static java.util.Objects.requireNonNull;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where an external database is: a {@code dburi} as SQLAlchemy 0.8 reads it, {@code
 * mysql[+driver]://[user[:password]@][host][:port]/database[?argument=value&...]}. The password
 * reaches up to the last {@code @} before the first {@code /} and is percent-decoded, with + for a
 * blank; the user is not decoded. No mistake or warning about one quotes it: in a broken one the
 * password may stand anywhere.
 *
 * @param host localhost when none is given; an IPv6 address without brackets
 * @param port 3306 when none is given
 * @param unixSocket an absolute path to connect to in place of host and port; null: TCP
 * @param user the operating system's user when none is given, as Nodepool's drivers have it
 * @param password null: none
 */
public record DbUri(
    String host, int port, String unixSocket, String database, String user, String password) {

  private static final String FORM = "mysql://user:password@host:port/database";
  private static final Pattern PARTS =
      Pattern.compile(
          "mysql(?:\\+\\w+)?://"
              + "(?:(?<user>[^:/]*)(?::(?<password>[^/]*))?@)?"
              + "(?:\\[(?<ipv6>[^/]+)]|(?<host>[^/:]*))"
              + "(?::(?<port>[^/]*))?"
              + "(?:/(?<rest>.*))?",
          Pattern.DOTALL);
  private static final Pattern PORT = Pattern.compile("[0-9]{1,5}");
  private static final Pattern ESCAPE = Pattern.compile("%[0-9A-Fa-f]{2}");

  /** They tell the Python drivers how to decode text, which is always UTF-8 here. */
  private static final Set<String> NO_MATTER = Set.of("charset", "use_unicode");

  public DbUri {
    requireNonNull(host, "host");
    if (port < 1 || port > 65535) {
      throw new IllegalArgumentException("port");
    }
    requireNonNull(database, "database");
    requireNonNull(user, "user");
  }

  /**
   * Reads it, passing over driver arguments that it does not know.
   *
   * @throws ConfigException with one sentence on what would be right
   */
  public static DbUri parse(String text) throws ConfigException {
    return parse(text, warning -> {});
  }

  /** Null after a mistake. */
  static DbUri parse(String place, String text, Findings findings) {
    try {
      return parse(text, warning -> findings.warning(place, warning));
    } catch (ConfigException e) {
      e.mistakes().forEach(mistake -> findings.mistake(place, mistake));
      return null;
    }
  }

  private static DbUri parse(String text, Consumer<String> warning) throws ConfigException {
    if (text.chars().anyMatch(Character::isISOControl)) {
      throw mistake("must not have control characters");
    }
    Matcher parts = PARTS.matcher(text);
    if (!parts.matches()) {
      throw mistake("must be the address of a MySQL or MariaDB database, as in " + FORM);
    }
    int port = port(parts.group("port"));
    String rest = parts.group("rest") == null ? "" : parts.group("rest");
    int question = rest.indexOf('?');
    String database = question < 0 ? rest : rest.substring(0, question);
    if (database.isBlank()) {
      throw mistake("must end with the name of the database, as in " + FORM);
    }
    if (database.contains("/") || rest.contains("@")) {
      throw mistake("must not have a / or @ after the database; in a password / is written %2F");
    }
    String query = question < 0 ? "" : rest.substring(question + 1);
    String host = parts.group("ipv6") != null ? parts.group("ipv6") : parts.group("host");
    String user = parts.group("user");
    return new DbUri(
        host.isEmpty() ? "localhost" : host,
        port,
        unixSocket(query, warning),
        database,
        user == null || user.isEmpty() ? System.getProperty("user.name") : user,
        password(parts.group("password")));
  }

  private static int port(String text) throws ConfigException {
    if (text == null) {
      return 3306;
    }
    int port = PORT.matcher(text).matches() ? Integer.parseInt(text) : 0;
    if (port < 1 || port > 65535) {
      throw mistake(
          "must have a port of 1 to 65535, as in %s; in a password / is written %%2F"
              .formatted(FORM));
    }
    return port;
  }

  private static String password(String encoded) throws ConfigException {
    return encoded == null || encoded.isEmpty() ? null : decoded(encoded);
  }

  private static String unixSocket(String query, Consumer<String> warning) throws ConfigException {
    String unixSocket = null;
    boolean unknown = false;
    for (String argument : query.split("[&;]")) {
      String[] pair = argument.split("=", 2);
      String name = decoded(pair[0]);
      String value = pair.length == 2 ? decoded(pair[1]) : "";
      if (name.toLowerCase(Locale.ROOT).startsWith("ssl")) {
        throw mistake(
            "must not have arguments that begin with ssl: TLS to the database is not supported");
      }
      if (name.equals("unix_socket") && !value.isEmpty()) {
        if (!value.startsWith("/")) {
          throw mistake("must have an absolute path for unix_socket");
        }
        unixSocket = value;
      } else if (!value.isEmpty() && !NO_MATTER.contains(name)) {
        unknown = true;
      }
    }
    if (unknown) {
      warning.accept(
          "has arguments after the ? that are ignored; unix_socket is the one that is used");
    }
    return unixSocket;
  }

  /** As {@code urllib.unquote_plus}: a % that begins no escape is a %. */
  private static String decoded(String encoded) throws ConfigException {
    String text = encoded.replace('+', ' ');
    ByteArrayOutputStream plain = new ByteArrayOutputStream(text.length());
    Matcher escape = ESCAPE.matcher(text);
    int next = 0;
    while (escape.find()) {
      plain.writeBytes(text.substring(next, escape.start()).getBytes(StandardCharsets.UTF_8));
      plain.write(HexFormat.fromHexDigits(escape.group().substring(1)));
      next = escape.end();
    }
    plain.writeBytes(text.substring(next).getBytes(StandardCharsets.UTF_8));
    try {
      ByteBuffer utf8 = ByteBuffer.wrap(plain.toByteArray());
      return StandardCharsets.UTF_8.newDecoder().decode(utf8).toString();
    } catch (CharacterCodingException e) {
      throw mistake("must have UTF-8 in its percent escapes");
    }
  }

  private static ConfigException mistake(String what) {
    return new ConfigException(List.of(what));
  }

  /** Without the password. */
  @Override
  public String toString() {
    return "mysql://%s%s@%s/%s"
        .formatted(
            user,
            password == null ? "" : ":***",
            unixSocket == null
                ? (host.contains(":") ? "[" + host + "]" : host) + ":" + port
                : unixSocket,
            database);
  }
}
