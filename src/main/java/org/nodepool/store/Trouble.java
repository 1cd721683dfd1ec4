package org.nodepool.store;

import io.vertx.sqlclient.DatabaseException;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.util.Map;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Why a database does not serve, in words for its operator. */
public final class Trouble {
  private static final String RIGHT_MISSING = "the user lacks a right";

  /** The server's error codes that are no fault of a statement, but of the server or its set-up. */
  private static final Map<Integer, String> REASONS =
      Map.ofEntries(
          Map.entry(1021, "its disk is full"),
          Map.entry(1040, "it has too many connections (max_connections)"),
          Map.entry(1044, "access denied: the user has no right to this database, if it exists"),
          Map.entry(1045, "access denied: the user or the password is wrong"),
          Map.entry(1047, "the server is not ready (Galera)"),
          Map.entry(1049, "unknown database"),
          Map.entry(1053, "the server shuts down"),
          Map.entry(1114, "its disk, or the table, is full"),
          Map.entry(1129, "the server has blocked this host after failures (FLUSH HOSTS)"),
          Map.entry(1130, "the server lets nobody in from this host"),
          Map.entry(1142, RIGHT_MISSING),
          Map.entry(1143, RIGHT_MISSING),
          Map.entry(1146, "a table is missing"),
          Map.entry(1194, "a table is marked as crashed (REPAIR TABLE)"),
          Map.entry(1203, "the user has too many connections (max_user_connections)"),
          Map.entry(1226, "a limit of the user is reached"),
          Map.entry(1227, RIGHT_MISSING),
          Map.entry(1290, "the server is read-only"),
          Map.entry(1317, "the server ended the statement"),
          Map.entry(1665, "its binlog_format is STATEMENT; what helps is MIXED or ROW"),
          Map.entry(1698, "access denied: the user or the password is wrong"),
          Map.entry(1820, "the user's password has expired"),
          Map.entry(1836, "the server is read-only"),
          Map.entry(1862, "the user's password has expired"),
          Map.entry(1927, "the server ended the connection"),
          Map.entry(1969, "the server ended the statement, which took too long"),
          Map.entry(3024, "the server ended the statement, which took too long"),
          Map.entry(3118, "the user's account is locked"),
          Map.entry(4151, "the user's account is locked"));

  private static final Pattern DENIED =
      Pattern.compile("(?<right>[A-Z]+(?: [A-Z]+)*) command denied");

  private static final Pattern WORDS =
      Pattern.compile("errorMessage=(?<words>.*), errorCode=", Pattern.DOTALL);

  private Trouble() {}

  /** Whether the server refuses for a reason that passes, or that its operator can remove. */
  public static boolean isOfTheServer(DatabaseException e) {
    return REASONS.containsKey(e.getErrorCode());
  }

  /** One sentence: which database, for whom, and why not. Without the password. */
  static String sentence(Database.Address address, String why) {
    return "The database %s at %s does not serve the user %s: %s."
        .formatted(address.database(), address.place(), address.user(), why);
  }

  /** One sentence: which database, for whom, and why not. Without the password. */
  static String sentence(Database.Address address, Throwable e) {
    return sentence(address, why(address, e));
  }

  private static String why(Database.Address address, Throwable e) {
    if (e instanceof SchemaRefused) {
      return e.getMessage();
    }
    if (e instanceof DatabaseException answer) {
      return why(address, answer);
    }
    if (e instanceof UnknownHostException) {
      return "unknown host";
    }
    String message = String.valueOf(e.getMessage());
    if (e instanceof TimeoutException || message.startsWith("Timeout")) {
      return "no answer in time";
    }
    if (e instanceof SocketException && message.startsWith("Connection refused")) {
      return "connection refused, no server listens there";
    }
    if (e instanceof SocketException && message.startsWith("No such file")) {
      return "there is no such socket";
    }
    return "the connection failed (%s)".formatted(message);
  }

  private static String why(Database.Address address, DatabaseException answer) {
    if (answer.getErrorCode() == Database.LOCK_WAIT_TIMEOUT) {
      return "its tables are locked by another program";
    }
    String reason = REASONS.get(answer.getErrorCode());
    if (reason == null) {
      return "the server answers " + words(answer);
    }
    if (!reason.equals(RIGHT_MISSING)) {
      return reason;
    }
    Matcher denied = DENIED.matcher(answer.getMessage());
    return denied.find()
        ? ("the user has no right to %s; it needs SELECT, INSERT, UPDATE, DELETE, CREATE and"
                + " ALTER (for fast polls: TRIGGER; to remove the schema: DROP) ON `%s`.*, by a"
                + " GRANT to its account, which SELECT CURRENT_USER() names")
            .formatted(denied.group("right"), address.database())
        : reason + " (" + words(answer) + ")";
  }

  /** The server's own, out of what the client says. */
  public static String words(DatabaseException answer) {
    Matcher words = WORDS.matcher(answer.getMessage());
    return words.find() ? words.group("words") : answer.getMessage();
  }
}
