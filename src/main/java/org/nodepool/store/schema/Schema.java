package org.nodepool.store.schema;

import static java.util.stream.Collectors.joining;

import io.vertx.core.Future;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.SqlConnection;
import io.vertx.sqlclient.Tuple;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.nodepool.async.InTurn;
import org.nodepool.store.Columns;
import org.nodepool.store.Database;
import org.nodepool.store.SchemaRefused;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings the database to what this program needs: the files of {@code resources/schema}, in the
 * order of their numbers, each recorded in {@code api_schema}; then the columns that {@link
 * Columns} names and a table of ours, or the log, lacks. MySQL and MariaDB commit each DDL
 * statement by itself, so every statement of a file can be run again; a column is added by a
 * statement of its own.
 *
 * <p>The four tables of the pool may be there before us, and be used by others. Then no statement
 * touches them; if a column is missing, the operator is told which.
 */
public final class Schema {
  private static final Logger log = LoggerFactory.getLogger(Schema.class);

  private record Step(int version, String name) {}

  // A new file is added here, and an old one never changed.
  private static final Step POOL = new Step(1, "001_pool.sql");
  private static final List<Step> STEPS =
      List.of(
          POOL,
          new Step(2, "002_jobs.sql"),
          new Step(3, "003_attempts.sql"),
          new Step(4, "004_provider_calls.sql"),
          new Step(5, "005_changes.sql"),
          new Step(6, "006_subjects.sql"),
          new Step(7, "007_turns.sql"),
          new Step(8, "008_change_readers.sql"),
          new Step(9, "009_history.sql"),
          new Step(10, "010_provider_looks.sql"));

  /**
   * All that {@link #remove} takes, in its order: first the record of what was applied, so that
   * after a removal halfway the next start makes again what is gone.
   */
  private static final List<String> OURS =
      List.of(
          "api_schema",
          "api_job",
          "api_job_attempt",
          "api_dib_file",
          "api_worker",
          "api_provider_call",
          "api_provider_look",
          "api_change",
          "api_turn",
          "api_change_reader");

  private static final String LOG = "api_change";

  /** Its row says whether the tables of the pool were there before us. */
  private static final int ORIGIN = 0;

  /** Its row says when a service that uses the database was last seen, by the database's clock. */
  private static final int IN_USE = -1;

  /** Services say so every five seconds or so. */
  private static final int IN_USE_SECONDS = 20;

  private static final String MADE = "pool: made";
  private static final String FOUND = "pool: found ";

  /** Locks are the server's, so this carries our name, and the database's for its neighbours. */
  private static final String LOCK = "CONCAT('nodepool.schema.', SHA1(DATABASE()))";

  private static final int LOCK_WAIT_SECONDS = 60;

  /** A table that another program uses is asked for again, so that nobody queues up behind us. */
  private static final int ATTEMPTS_AT_A_TABLE = 20;

  private static final long TABLE_PAUSE_MS = 500;

  /** MySQL knows no ADD COLUMN IF NOT EXISTS: that it is there already is an error, and fine. */
  private static final int DUPLICATE_COLUMN = 1060;

  private static final int DUPLICATE_KEY_NAME = 1061;

  private static final Pattern CREATED =
      Pattern.compile("CREATE TABLE IF NOT EXISTS (?<table>\\w+)");
  private static final Pattern COLUMN =
      Pattern.compile("^ {2}(?<column>[a-z_]+) (?<type>[^\\n]+?),?$", Pattern.MULTILINE);
  private static final Pattern VERSION = Pattern.compile("(?<major>\\d+)\\.(?<minor>\\d+)");

  private static final String RECORD_TABLE =
      """
      CREATE TABLE IF NOT EXISTS api_schema (
        version INTEGER NOT NULL,
        name VARCHAR(255) NOT NULL,
        applied BIGINT NOT NULL,
        PRIMARY KEY (version)
      ) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
      """;
  // The names of these columns come in capitals from MySQL 8, hence ours.
  private static final String COLUMNS =
      """
      SELECT table_name AS of_table, column_name AS of_column FROM information_schema.columns
       WHERE table_schema = DATABASE()
      """;
  private static final String APPLIED = "SELECT version FROM api_schema ORDER BY version";
  private static final String RECORD =
      "INSERT INTO api_schema (version, name, applied) VALUES (?, ?, ?)";

  static final String NAME_OF = "SELECT name FROM api_schema WHERE version = ?";

  private static final String NOTE_USE =
      """
      INSERT INTO api_schema (version, name, applied) VALUES (?, 'in use', UNIX_TIMESTAMP())
      ON DUPLICATE KEY UPDATE applied = UNIX_TIMESTAMP()
      """;
  private static final String FORGET_USE = "DELETE FROM api_schema WHERE version = ?";
  private static final String LAST_SEEN =
      "SELECT UNIX_TIMESTAMP() - applied AS age FROM api_schema WHERE version = ?";
  private static final String LEFT_BEHIND =
      """
      SELECT (SELECT COUNT(*) FROM api_job WHERE finished IS NULL) AS unfinished,
             (SELECT COUNT(*) FROM dib_image WHERE state = 7)
               + (SELECT COUNT(*) FROM snapshot_image WHERE state = 7) AS failed
      """;

  private Schema() {}

  /**
   * The result of a removal, and the rows that it leaves behind in the tables of the pool.
   *
   * @param tables those that were dropped, in that order; empty when none of ours was there
   * @param triggers how many were dropped before them
   * @param unfinishedJobs jobs that had not ended, whose rows nobody goes on with
   * @param failedRows images in the state failed, which Nodepool's own commands do not know
   */
  public record Removed(List<String> tables, int triggers, long unfinishedJobs, long failedRows) {
    /** Whether nothing of ours was there. */
    public boolean isEmpty() {
      return tables.isEmpty() && triggers == 0;
    }
  }

  /** What the database has: tables with their columns, and the steps that are recorded. */
  record Existing(Map<String, Set<String>> tables, Set<Integer> applied) {
    boolean has(String table) {
      return tables.containsKey(table);
    }

    boolean isComplete(List<Columns<?>> logged) {
      return applied.contains(DatabaseId.ROW)
          && STEPS.stream().allMatch(step -> applied.contains(step.version()))
          && additions(logged).isEmpty();
    }

    /** The statements that add the columns that tables of ours, and the log, lack. */
    List<String> additions(List<Columns<?>> logged) {
      List<String> additions = new ArrayList<>();
      for (Columns<?> of : logged) {
        if (of.isOurs()) {
          of.columns().forEach(c -> addTo(additions, of.table(), c.name(), c.definition()));
        }
      }
      Columns.inLog(logged).forEach((name, type) -> addTo(additions, LOG, name, type.inLog()));
      return additions;
    }

    private void addTo(List<String> additions, String table, String column, String definition) {
      if (!tables.getOrDefault(table, Set.of()).contains(column)) {
        additions.add("ALTER TABLE %s ADD COLUMN %s %s".formatted(table, column, definition));
      }
    }

    /** Refuses tables that are not what the recorded steps, or Nodepool, made. */
    void check(List<Columns<?>> logged) {
      for (Step step : STEPS) {
        for (String table : tablesOf(step)) {
          if (applied.contains(step.version()) && !has(table)) {
            throw new SchemaRefused(
                "the table %s is missing; restore it, or take out what is ours with"
                        .formatted(table)
                    + " './run.sh schema --remove' to have it made again");
          }
        }
      }
      String missing =
          statements(POOL.name()).stream()
              .map(create -> lacking(create, logged))
              .filter(alter -> !alter.isEmpty())
              .collect(joining("; "));
      if (!missing.isEmpty()) {
        throw new SchemaRefused("columns are missing; what helps is " + missing);
      }
    }

    /** The ALTER TABLE that gives a pool's table what it lacks; empty when it lacks nothing. */
    private String lacking(String create, List<Columns<?>> logged) {
      String table = created(create).orElseThrow();
      if (!has(table)) {
        return "";
      }
      Map<String, String> wanted = new LinkedHashMap<>();
      Matcher column = COLUMN.matcher(create);
      while (column.find()) {
        wanted.put(column.group("column"), column.group("type"));
      }
      logged.stream()
          .filter(of -> of.table().equals(table))
          .flatMap(of -> of.columns().stream())
          .forEach(c -> wanted.putIfAbsent(c.name(), c.definition()));
      wanted.keySet().removeAll(tables.get(table));
      return wanted.isEmpty()
          ? ""
          : wanted.entrySet().stream()
              .map(c -> "ADD COLUMN %s %s".formatted(c.getKey(), c.getValue()))
              .collect(joining(", ", "ALTER TABLE " + table + " ", ""));
    }
  }

  /**
   * Applies what is missing, and lets statements through from then on. Two processes may do this at
   * once: one waits for the other, up to a minute. Completes with the numbers that were applied
   * now; fails with {@link SchemaRefused}, or with what the client reports.
   */
  public static Future<List<Integer>> apply(Database db) {
    return apply(db, Columns.LOGGED);
  }

  /**
   * As above.
   *
   * @param logged the tables whose changes are logged
   */
  public static Future<List<Integer>> apply(Database db, List<Columns<?>> logged) {
    return db.look(Schema::look)
        .compose(
            existing -> {
              if (existing.isComplete(logged)) {
                existing.check(logged);
                return Future.succeededFuture(List.<Integer>of());
              }
              db.setOpen(false);
              return db.session(connection -> applyLocked(db, connection, logged));
            })
        .onFailure(e -> closeIfRefused(db, e))
        .map(
            applied -> {
              db.setOpen(true);
              return applied;
            });
  }

  private static void closeIfRefused(Database db, Throwable e) {
    if (e instanceof SchemaRefused) {
      db.setOpen(false);
    }
  }

  private static Future<List<Integer>> applyLocked(
      Database db, SqlConnection connection, List<Columns<?>> logged) {
    return locked(
        connection,
        () ->
            look(connection)
                .compose(
                    existing -> {
                      existing.check(logged);
                      return prepare(db, connection, existing)
                          .compose(v -> applyMissing(db, connection, existing));
                    })
                .compose(applied -> addColumns(db, connection, logged).map(applied)));
  }

  private static Future<Void> addColumns(
      Database db, SqlConnection connection, List<Columns<?>> logged) {
    return look(connection)
        .compose(
            existing ->
                InTurn.each(
                    existing.additions(logged),
                    (String addition) ->
                        ddl(db, connection, addition)
                            .onSuccess(v -> log.info("schema: {}", addition))));
  }

  /**
   * Whether the four tables were made by this service, not there before it; false when nobody
   * knows.
   */
  public static Future<Boolean> isPoolOurs(Database db) {
    return db.read(c -> c.preparedQuery(NAME_OF).execute(Tuple.of(ORIGIN)))
        .map(
            rows -> {
              for (Row row : rows) {
                return MADE.equals(row.getString("name"));
              }
              return false;
            });
  }

  /** Notes that a service uses this database now. */
  static Future<Void> noteUse(Database db) {
    return db.look(c -> c.preparedQuery(NOTE_USE).execute(Tuple.of(IN_USE)).mapEmpty());
  }

  /** Notes that it does not any more; others that do will say so again. */
  static Future<Void> forgetUse(Database db) {
    return db.look(c -> c.preparedQuery(FORGET_USE).execute(Tuple.of(IN_USE)).mapEmpty());
  }

  /**
   * Drops every table of ours, and nothing else; twice does no harm. Fails with {@link
   * SchemaRefused} while a service uses the database, which would make them again, and else as
   * {@link #apply} does.
   *
   * @param dropTriggers takes the triggers away before, and gives how many there were: one whose
   *     table is gone would be in the way of whoever writes
   */
  public static Future<Removed> remove(
      Database db, Function<SqlConnection, Future<Integer>> dropTriggers) {
    return whileUnused(
        db,
        (connection, existing) ->
            leftBehind(connection, existing)
                .compose(left -> dropOurs(db, connection, dropTriggers, left)));
  }

  /**
   * Runs what no service may see that uses the database, while no other process changes the schema.
   * Fails with {@link SchemaRefused} while one uses it.
   */
  static <T> Future<T> whileUnused(
      Database db, BiFunction<SqlConnection, Existing, Future<T>> change) {
    return db.session(
        connection ->
            locked(
                connection,
                () ->
                    look(connection)
                        .compose(
                            existing ->
                                checkNotInUse(connection, existing)
                                    .compose(v -> change.apply(connection, existing)))));
  }

  private static Future<Void> checkNotInUse(SqlConnection connection, Existing existing) {
    if (!existing.has("api_schema")) {
      return Future.succeededFuture();
    }
    return connection
        .preparedQuery(LAST_SEEN)
        .execute(Tuple.of(IN_USE))
        .map(
            rows -> {
              for (Row row : rows) {
                long age = row.getLong("age");
                if (age < IN_USE_SECONDS) {
                  throw new SchemaRefused(
                      ("a service uses it, and was seen %d s ago; stop it first (one that was"
                              + " killed is forgotten after %d s)")
                          .formatted(age, IN_USE_SECONDS));
                }
              }
              return null;
            });
  }

  private static Future<Removed> leftBehind(SqlConnection connection, Existing existing) {
    List<String> tables = OURS.stream().filter(existing::has).toList();
    boolean canCount =
        List.of("api_job", "dib_image", "snapshot_image").stream().allMatch(existing::has);
    if (!canCount) {
      return Future.succeededFuture(new Removed(tables, 0, 0, 0));
    }
    return connection
        .query(LEFT_BEHIND)
        .execute()
        .map(
            rows -> {
              Row row = rows.iterator().next();
              return new Removed(tables, 0, row.getLong("unfinished"), row.getLong("failed"));
            });
  }

  private static Future<Removed> dropOurs(
      Database db,
      SqlConnection connection,
      Function<SqlConnection, Future<Integer>> dropTriggers,
      Removed left) {
    return dropTriggers
        .apply(connection)
        .compose(
            triggers ->
                InTurn.each(
                        left.tables(),
                        (String table) -> ddl(db, connection, "DROP TABLE IF EXISTS " + table))
                    .map(
                        new Removed(
                            left.tables(), triggers, left.unfinishedJobs(), left.failedRows())));
  }

  /**
   * Runs what changes the schema while no other process does. Waits for that up to a minute, then
   * fails with {@link SchemaRefused}.
   */
  public static <T> Future<T> locked(SqlConnection connection, Supplier<Future<T>> change) {
    return lock(connection).compose(v -> change.get().eventually(() -> unlock(connection)));
  }

  private static Future<Void> lock(SqlConnection connection) {
    return connection
        .preparedQuery("SELECT GET_LOCK(%s, ?) AS is_locked".formatted(LOCK))
        .execute(Tuple.of(LOCK_WAIT_SECONDS))
        .map(
            rows -> {
              Integer locked = rows.iterator().next().getInteger("is_locked");
              if (locked == null || locked != 1) {
                throw new SchemaRefused(
                    "another process has been changing the schema for over a minute");
              }
              return null;
            });
  }

  private static Future<Void> unlock(SqlConnection connection) {
    return connection.query("SELECT RELEASE_LOCK(%s)".formatted(LOCK)).execute().mapEmpty();
  }

  /** Reads what is there, without a lock; refuses a server that is too old. */
  private static Future<Existing> look(SqlConnection connection) {
    return connection
        .query("SELECT VERSION() AS server")
        .execute()
        .compose(
            rows -> {
              checkServer(rows.iterator().next().getString("server"));
              return connection.query(COLUMNS).execute();
            })
        .compose(
            rows -> {
              Map<String, Set<String>> tables = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
              rows.forEach(
                  row ->
                      tables
                          .computeIfAbsent(
                              row.getString("of_table"),
                              table -> new TreeSet<>(String.CASE_INSENSITIVE_ORDER))
                          .add(row.getString("of_column")));
              return tables.containsKey("api_schema")
                  ? applied(connection).map(applied -> new Existing(tables, applied))
                  : Future.succeededFuture(new Existing(tables, Set.of()));
            });
  }

  /** Generated columns that are stored, and keys of 255 characters in utf8mb4, need these. */
  private static void checkServer(String server) {
    boolean isMariaDb = server.contains("MariaDB");
    Matcher version = VERSION.matcher(server);
    if (!version.find()) {
      return;
    }
    int number =
        1000 * Integer.parseInt(version.group("major")) + Integer.parseInt(version.group("minor"));
    if (number < (isMariaDb ? 10_002 : 5_007)) {
      throw new SchemaRefused(
          "the server is too old (%s); MariaDB 10.2 or MySQL 5.7 is the oldest".formatted(server));
    }
  }

  private static Future<Set<Integer>> applied(SqlConnection connection) {
    return connection
        .query(APPLIED)
        .execute()
        .map(
            rows -> {
              Set<Integer> versions = new HashSet<>();
              rows.forEach(row -> versions.add(row.getInteger("version")));
              return versions;
            });
  }

  /**
   * Makes the record, and notes in it, before it makes any other table, which were there, and the
   * id of the database.
   */
  private static Future<Void> prepare(Database db, SqlConnection connection, Existing existing) {
    Future<Void> made =
        existing.has("api_schema") ? Future.succeededFuture() : ddl(db, connection, RECORD_TABLE);
    return made.compose(v -> recordOrigin(db, connection, existing))
        .compose(v -> recordId(db, connection, existing));
  }

  private static Future<Void> recordOrigin(
      Database db, SqlConnection connection, Existing existing) {
    if (existing.applied().contains(ORIGIN) || existing.applied().contains(POOL.version())) {
      return Future.succeededFuture();
    }
    String there = tablesOf(POOL).stream().filter(existing::has).collect(joining(", "));
    return record(db, connection, ORIGIN, there.isEmpty() ? MADE : FOUND + there);
  }

  private static Future<Void> recordId(Database db, SqlConnection connection, Existing existing) {
    return existing.applied().contains(DatabaseId.ROW)
        ? Future.succeededFuture()
        : record(db, connection, DatabaseId.ROW, UUID.randomUUID().toString());
  }

  private static Future<Void> record(
      Database db, SqlConnection connection, int version, String name) {
    return connection.preparedQuery(RECORD).execute(Tuple.of(version, name, db.now())).mapEmpty();
  }

  private static Future<List<Integer>> applyMissing(
      Database db, SqlConnection connection, Existing existing) {
    List<Step> missing =
        STEPS.stream().filter(step -> !existing.applied().contains(step.version())).toList();
    return InTurn.collect(missing, (Step step) -> apply(db, connection, existing, step));
  }

  private static Future<Integer> apply(
      Database db, SqlConnection connection, Existing existing, Step step) {
    List<String> missing =
        statements(step.name()).stream()
            .filter(statement -> created(statement).filter(existing::has).isEmpty())
            .toList();
    return InTurn.each(missing, (String statement) -> ddl(db, connection, statement))
        .compose(v -> record(db, connection, step.version(), step.name()))
        .onSuccess(v -> log.info("schema: applied {}", step.name()))
        .map(step.version());
  }

  private static Future<Void> ddl(Database db, SqlConnection connection, String statement) {
    return ddl(db, connection, statement, ATTEMPTS_AT_A_TABLE);
  }

  /**
   * Runs a statement that needs a table for itself. It waits for a second, as all statements of a
   * {@link Database} do, then lets others pass, and tries again; it fails when the table was not to
   * be had so many times. That a column is there already is no failure.
   */
  public static Future<Void> ddl(
      Database db, SqlConnection connection, String statement, int attempts) {
    return connection
        .query(statement)
        .execute()
        .<Void>mapEmpty()
        .recover(
            e -> {
              if (Database.isError(e, DUPLICATE_COLUMN)
                  || Database.isError(e, DUPLICATE_KEY_NAME)) {
                return Future.succeededFuture();
              }
              if (attempts == 1 || !Database.isError(e, Database.LOCK_WAIT_TIMEOUT)) {
                return Future.failedFuture(e);
              }
              long pauseMs = TABLE_PAUSE_MS + ThreadLocalRandom.current().nextLong(TABLE_PAUSE_MS);
              return db.vertx()
                  .timer(pauseMs, TimeUnit.MILLISECONDS)
                  .compose(v -> ddl(db, connection, statement, attempts - 1));
            });
  }

  /** The table that a statement of a file makes, if it makes one. */
  private static Optional<String> created(String statement) {
    Matcher create = CREATED.matcher(statement);
    return create.find() ? Optional.of(create.group("table")) : Optional.empty();
  }

  /** The tables that a step makes, in its order. */
  private static List<String> tablesOf(Step step) {
    return statements(step.name()).stream().map(Schema::created).flatMap(Optional::stream).toList();
  }

  /** The statements of a file: each ends with a semicolon at the end of a line. */
  private static List<String> statements(String name) {
    try (InputStream in = Schema.class.getResourceAsStream("/schema/" + name)) {
      String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      Stream<String> statements = Arrays.stream(text.split(";\\s*\\n"));
      return statements.filter(s -> !s.isBlank()).toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
