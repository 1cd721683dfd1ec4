package org.nodepool.changes;

import static java.util.stream.Collectors.joining;

import io.vertx.core.Future;
import io.vertx.sqlclient.DatabaseException;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.SqlConnection;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.nodepool.async.InTurn;
import org.nodepool.store.Columns;
import org.nodepool.store.Columns.Type;
import org.nodepool.store.Database;
import org.nodepool.store.SchemaRefused;
import org.nodepool.store.Trouble;
import org.nodepool.store.schema.Schema;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The triggers that append to {@code api_change} what anybody writes to the tables that are logged.
 * Where they cannot be, the service does without.
 *
 * <p>A trigger is a part of its writer's statement, and must never fail it. So it runs in a mode of
 * its own in which a value that does not fit is no error, and appends nothing when a table or
 * column is missing that it names: without the table nobody can read the log, and what else is
 * missing the next look at the schema finds. It runs with the rights of the user who made it; when
 * these are gone, every write fails.
 */
public final class Triggers {
  private static final Logger log = LoggerFactory.getLogger(Triggers.class);

  /**
   * Goes up with every change of the bodies that is none of their columns. A trigger of a later
   * version is left as it is; the number of columns, which only grows, is the version's other part.
   */
  private static final int BODY = 1;

  /** Those of all tables that are logged. */
  public static final Triggers ALL = new Triggers(Columns.LOGGED);

  private static final String LOG = "api_change";
  private static final String PREFIX = LOG + "_";

  private enum Action {
    INSERT,
    UPDATE,
    DELETE;

    /** The row as it was before; NULL when there was none. */
    String before(String column) {
      return this == INSERT ? "NULL" : "OLD." + column;
    }

    /** The row as it is afterwards; NULL when there is none. */
    String after(String column) {
      return this == DELETE ? "NULL" : "NEW." + column;
    }

    /** Of the row that the change leaves, or takes. */
    String value(String column) {
      return this == DELETE ? before(column) : after(column);
    }
  }

  /** One trigger as it is to be. */
  private record Trigger(Columns<?> of, Action action, int version) {
    String name() {
      return PREFIX + of.table() + "_" + action.name().toLowerCase(Locale.ROOT);
    }

    /** MariaDB alone reads the comment, and so leaves no moment without a trigger. */
    String create() {
      return "CREATE /*M! OR REPLACE */ TRIGGER %s AFTER %s ON %s FOR EACH ROW %s"
          .formatted(name(), action, of.table(), body());
    }

    /** As {@code information_schema} gives it back. */
    String body() {
      return """
      BEGIN
        /* nodepool %d */
        -- no such column, no such table
        DECLARE EXIT HANDLER FOR 1054, 1146 BEGIN END;
      %s
      END"""
          .formatted(version, action == Action.UPDATE ? ifChanged(append()) : append());
    }

    private String ifChanged(String statement) {
      return "  IF NOT (%s) THEN\n%s  END IF;".formatted(isSame(), statement.indent(2));
    }

    private String append() {
      Map<String, String> values = new TreeMap<>();
      of.columns().forEach(column -> values.put(column.name(), action.value(column.name())));
      of.stateCode().ifPresent(name -> values.put(name, action.value("state")));
      of.ownerBefore().ifPresent(name -> values.put(name, action.before(of.owner().get())));
      boolean hasState = of.stateType().isPresent();
      return """
        INSERT INTO %s (of_table, old_id, new_id, old_state, new_state, time, %s)
        VALUES ('%s', %s, %s, %s, %s, UNIX_TIMESTAMP(), %s);"""
          .formatted(
              LOG,
              String.join(", ", values.keySet()),
              of.table(),
              action.before(of.key()),
              action.after(of.key()),
              hasState ? action.before("state") : "NULL",
              hasState ? action.after("state") : "NULL",
              String.join(", ", values.values()))
          .indent(2)
          .stripTrailing();
    }

    /** By bytes: a collation may take for equal what people see as a change. */
    private String isSame() {
      List<String> texts = new ArrayList<>();
      List<String> numbers = new ArrayList<>(List.of(of.key()));
      of.columns().forEach(c -> (c.type() == Type.TEXT ? texts : numbers).add(c.name()));
      of.stateType().ifPresent(type -> (type == Type.TEXT ? texts : numbers).add("state"));
      return Stream.concat(
              numbers.stream().map("OLD.%1$s <=> NEW.%1$s"::formatted),
              texts.stream()
                  .map("CAST(OLD.%1$s AS BINARY) <=> CAST(NEW.%1$s AS BINARY)"::formatted))
          .collect(joining("\n      AND "));
    }
  }

  // The names of these columns come in capitals from MySQL 8, hence ours.
  private static final String LOOK =
      """
      SELECT t.table_name AS of_table, t.engine AS of_engine, g.trigger_name AS of_name,
             g.action_statement AS of_body, g.sql_mode AS of_mode,
             g.definer <=> CURRENT_USER() AS is_ours, CURRENT_USER() AS me
        FROM information_schema.tables t
        LEFT JOIN information_schema.triggers g
          ON g.trigger_schema = DATABASE() AND g.event_object_table = t.table_name
         AND g.trigger_name LIKE 'api\\_change\\_%%'
       WHERE t.table_schema = DATABASE() AND t.table_name IN ('%s', %s)
      """;
  private static final String NAMES =
      """
      SELECT trigger_name AS of_name FROM information_schema.triggers
       WHERE trigger_schema = DATABASE() AND trigger_name LIKE 'api\\_change\\_%'
      """;
  private static final String DROP = "DROP TRIGGER IF EXISTS ";

  /** The triggers' own, in which nothing is an error that does not have to be. */
  private static final String MODE = "SET SESSION sql_mode = ''";

  private static final Pattern VERSION_OF = Pattern.compile("/\\* nodepool (?<version>\\d+) \\*/");

  private static final int NO_RIGHT_TO_A_TABLE = 1142;
  private static final int NO_RIGHT = 1227;
  private static final int BINARY_LOG = 1419;
  private static final int TRIGGER_EXISTS = 1359;

  /** So says MariaDB of one that would have to be replaced, and is on another table. */
  private static final int NO_SUCH_TRIGGER = 1360;

  /** Fewer than for the schema: without triggers the service works, and they are tried again. */
  private static final int ATTEMPTS_AT_A_TABLE = 4;

  private final List<Columns<?>> tables;
  private final int version;
  private final List<Trigger> triggers;
  private final String look;

  /**
   * @param tables that are logged
   */
  Triggers(List<Columns<?>> tables) {
    this.tables = tables;
    this.version = 1000 * BODY + tables.stream().mapToInt(of -> of.names().size()).sum();
    this.triggers =
        tables.stream()
            .flatMap(of -> Stream.of(Action.values()).map(a -> new Trigger(of, a, version)))
            .toList();
    this.look =
        LOOK.formatted(
            LOG, tables.stream().map(of -> "'" + of.table() + "'").collect(joining(", ")));
  }

  /**
   * What there is.
   *
   * @param engines of those of our tables, and the pool's, that there are
   * @param inPlace the triggers that are on their table and do what they shall
   * @param ownedByOthers names of triggers that another user made
   * @param me this user, as {@code user@host}
   */
  private record Standing(
      Map<String, String> engines, Set<Trigger> inPlace, Set<String> ownedByOthers, String me) {
    boolean isInnoDb(String table) {
      return "InnoDB".equalsIgnoreCase(engines.get(table));
    }
  }

  private boolean areInPlace(Standing standing) {
    return standing.inPlace().size() == triggers.size()
        && standing.engines().containsKey(LOG)
        && notInnoDb(standing).isEmpty();
  }

  /** The tables that know no transactions, in the order of their definitions, the log last. */
  private List<String> notInnoDb(Standing standing) {
    return Stream.concat(tables.stream().map(Columns::table), Stream.of(LOG))
        .filter(table -> standing.engines().containsKey(table) || !table.equals(LOG))
        .filter(table -> !standing.isInnoDb(table))
        .toList();
  }

  /** What is to be made, or made again as this user's. */
  private List<Trigger> wanting(Standing standing) {
    return triggers.stream()
        .filter(t -> !standing.inPlace().contains(t) || standing.ownedByOthers().contains(t.name()))
        .toList();
  }

  /**
   * Why they are not all in place.
   *
   * @param sentence for the operator: what polls lack, why, and what helps
   * @param isOfARight whether the user lacks a right, which a GRANT gives to new connections alone
   */
  record Lack(String sentence, boolean isOfARight) {}

  /**
   * Brings the triggers in place: those that are missing, differ, or were made by another user, who
   * may go. Two processes may do this at once. Each statement waits for its table for a second, and
   * a few times; writers wait no longer.
   *
   * <p>Completes with empty when all are there and every table is InnoDB, else with what is
   * lacking; then there may be some of them. Fails as {@link Schema#apply} does when the database
   * is away, or when the tables are not there.
   */
  Future<Optional<Lack>> ensure(Database db) {
    return db.look(this::look)
        .compose(
            standing ->
                areInPlace(standing) && wanting(standing).isEmpty()
                    ? Future.succeededFuture(Optional.empty())
                    : db.session(
                        connection ->
                            Schema.locked(connection, () -> ensureLocked(db, connection))));
  }

  private Future<Optional<Lack>> ensureLocked(Database db, SqlConnection connection) {
    return look(connection)
        .compose(
            standing -> {
              List<String> odd = notInnoDb(standing);
              if (standing.engines().size() <= tables.size()) {
                throw new SchemaRefused("a table is missing");
              }
              Future<Void> done =
                  odd.isEmpty()
                      ? makeAll(db, connection, wanting(standing))
                      : dropAll(
                          db, connection, t -> odd.contains(LOG) || odd.contains(t.of().table()));
              return done.map(v -> odd.isEmpty() ? null : lackOfEngines(standing, odd))
                  .recover(
                      e ->
                          isRefusal(e)
                              ? Future.succeededFuture(lack(db, standing, (DatabaseException) e))
                              : Future.failedFuture(e))
                  .map(Optional::ofNullable);
            });
  }

  /**
   * Whether all of them are on their tables and do what they shall, and every table is InnoDB;
   * false also when the user may not see them. One statement, without a lock. Fails with what the
   * client reports.
   */
  Future<Boolean> areInPlace(SqlClient connection) {
    return look(connection).map(this::areInPlace);
  }

  /**
   * Drops all of them; to be called before {@code api_change} goes, under the lock of {@link
   * Schema}. Completes with how many there were. Fails with what the client reports.
   */
  public Future<Integer> remove(Database db, SqlConnection connection) {
    return names(connection)
        .compose(names -> dropAll(db, connection, trigger -> true).map(names.size()));
  }

  private Future<Standing> look(SqlClient connection) {
    return connection.query(look).execute().map(this::standing);
  }

  private Standing standing(RowSet<Row> rows) {
    Map<String, Trigger> known = new HashMap<>();
    triggers.forEach(trigger -> known.put(trigger.name(), trigger));
    Map<String, String> engines = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    Set<Trigger> inPlace = new HashSet<>();
    Set<String> ownedByOthers = new HashSet<>();
    String me = "";
    for (Row row : rows) {
      String table = row.getString("of_table");
      String name = row.getString("of_name");
      engines.put(table, String.valueOf(row.getString("of_engine")));
      me = row.getString("me");
      Trigger trigger = name == null ? null : known.get(name);
      if (trigger != null && trigger.of().table().equalsIgnoreCase(table)) {
        if (isInPlace(trigger, row.getString("of_body"), row.getString("of_mode"))) {
          inPlace.add(trigger);
        }
        if (row.getInteger("is_ours") == 0) {
          ownedByOthers.add(name);
        }
      }
    }
    return new Standing(engines, inPlace, ownedByOthers, me);
  }

  /** {@code body} is null when this user may not see it. */
  private boolean isInPlace(Trigger trigger, String body, String mode) {
    if (body == null || !"".equals(mode)) {
      return false;
    }
    Matcher found = VERSION_OF.matcher(body);
    return body.strip().equals(trigger.body())
        || (found.find() && Integer.parseInt(found.group("version")) > version);
  }

  private Future<List<String>> names(SqlConnection connection) {
    return connection
        .query(NAMES)
        .execute()
        .map(
            rows -> {
              List<String> names = new ArrayList<>();
              rows.forEach(row -> names.add(row.getString("of_name")));
              names.retainAll(triggers.stream().map(Trigger::name).toList());
              return names;
            });
  }

  private static Future<Void> makeAll(
      Database db, SqlConnection connection, List<Trigger> triggers) {
    return connection
        .query(MODE)
        .execute()
        .compose(v -> InTurn.each(triggers, (Trigger trigger) -> make(db, connection, trigger)))
        .onSuccess(v -> log.info("schema: made {} triggers", triggers.size()));
  }

  private static Future<Void> make(Database db, SqlConnection connection, Trigger trigger) {
    return ddl(db, connection, trigger.create())
        .recover(
            e ->
                Database.isError(e, TRIGGER_EXISTS) || Database.isError(e, NO_SUCH_TRIGGER)
                    ? ddl(db, connection, DROP + trigger.name())
                        .compose(v -> ddl(db, connection, trigger.create()))
                    : Future.failedFuture(e));
  }

  /**
   * Also triggers that the user may not see: one that he may not drop must not stay unnoticed. But
   * a server with binary logs refuses to drop even what is not there.
   */
  private Future<Void> dropAll(Database db, SqlConnection connection, Predicate<Trigger> which) {
    return names(connection)
        .compose(
            names ->
                InTurn.each(
                    triggers.stream().filter(which).toList(),
                    (Trigger trigger) ->
                        drop(db, connection, trigger, names.contains(trigger.name()))));
  }

  private static Future<Void> drop(
      Database db, SqlConnection connection, Trigger trigger, boolean isThere) {
    return ddl(db, connection, DROP + trigger.name())
        .recover(
            e ->
                Database.isError(e, BINARY_LOG) && !isThere
                    ? Future.succeededFuture()
                    : Future.failedFuture(e));
  }

  private static Future<Void> ddl(Database db, SqlConnection connection, String statement) {
    return Schema.ddl(db, connection, statement, ATTEMPTS_AT_A_TABLE);
  }

  /** Whether the server serves, but not this. */
  private static boolean isRefusal(Throwable e) {
    return e instanceof DatabaseException answer
        && (Database.isError(e, NO_RIGHT_TO_A_TABLE)
            || Database.isError(e, NO_RIGHT)
            || !Trouble.isOfTheServer(answer));
  }

  private Lack lackOfEngines(Standing standing, List<String> tables) {
    String which =
        tables.stream()
            .map(table -> "%s (%s)".formatted(table, standing.engines().get(table)))
            .collect(joining(", "));
    String helps =
        tables.stream().map("ALTER TABLE %s ENGINE=InnoDB"::formatted).collect(joining("; "));
    return new Lack(
        ("Tables are not InnoDB: %s; what fails halfway stays halfway, and every poll reads"
                + " whole tables. What helps is %s.")
            .formatted(which, helps),
        false);
  }

  private Lack lack(Database db, Standing standing, DatabaseException e) {
    return new Lack(
        ("Every poll reads whole tables, because the triggers that tell changes cannot be made:"
                + " %s.")
            .formatted(why(db, standing, e)),
        Database.isError(e, NO_RIGHT_TO_A_TABLE) || Database.isError(e, NO_RIGHT));
  }

  private String why(Database db, Standing standing, DatabaseException e) {
    return switch (e.getErrorCode()) {
      case NO_RIGHT_TO_A_TABLE ->
          "the user lacks the right TRIGGER; what helps is "
              + grants(db.address().database(), account(standing.me()));
      case BINARY_LOG ->
          "the server writes binary logs, and lets only users with SUPER make them; what helps is"
              + " SET GLOBAL log_bin_trust_function_creators = 1";
      case Database.LOCK_WAIT_TIMEOUT ->
          "a transaction of another program is using a table for long; it is tried again";
      default -> "the server answers " + Trouble.words(e);
    };
  }

  /**
   * Table by table: a right to the whole database is not had by connections that are open already,
   * and whoever has these would not be let write any more.
   */
  private String grants(String database, String account) {
    return tables.stream()
        .map(s -> "GRANT TRIGGER ON `%s`.`%s` TO %s".formatted(database, s.table(), account))
        .collect(joining("; "));
  }

  /** {@code user@host} as a GRANT has it. */
  private static String account(String user) {
    int at = user.lastIndexOf('@');
    return "'%s'@'%s'".formatted(user.substring(0, at), user.substring(at + 1));
  }
}
