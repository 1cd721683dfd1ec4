package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.sqlclient.SqlConnection;
import io.vertx.sqlclient.Tuple;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings the database to what this program needs: the files of {@code resources/schema}, in the
 * order of their numbers, each recorded in {@code api_schema}. MySQL and MariaDB commit each DDL
 * statement by itself, so every statement of a file can be run again.
 */
public final class Schema {
  private static final Logger log = LoggerFactory.getLogger(Schema.class);

  private record Step(int version, String name) {}

  // A new file is added here, and an old one never changed.
  private static final List<Step> STEPS =
      List.of(new Step(1, "001_pool.sql"), new Step(2, "002_jobs.sql"));

  /** Of the server, so it carries our name. */
  private static final String LOCK = "nodepool.schema";

  private static final int LOCK_WAIT_SECONDS = 60;

  private static final String RECORD_TABLE =
      """
      CREATE TABLE IF NOT EXISTS api_schema (
        version INTEGER NOT NULL,
        name VARCHAR(255) NOT NULL,
        applied BIGINT NOT NULL,
        PRIMARY KEY (version)
      ) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
      """;
  private static final String APPLIED = "SELECT version FROM api_schema ORDER BY version";
  private static final String RECORD =
      "INSERT INTO api_schema (version, name, applied) VALUES (?, ?, ?)";

  private Schema() {}

  /**
   * Applies what is missing. Two processes may do this at once: one waits for the other, up to a
   * minute. Completes with the numbers that were applied now.
   */
  public static Future<List<Integer>> apply(Database db) {
    return db.session(
        connection ->
            lock(connection)
                .compose(v -> connection.query(RECORD_TABLE).execute())
                .compose(v -> applied(connection))
                .compose(applied -> applyMissing(connection, applied, db.now()))
                .eventually(() -> unlock(connection)));
  }

  private static Future<Void> lock(SqlConnection connection) {
    return connection
        .preparedQuery("SELECT GET_LOCK(?, ?) AS locked")
        .execute(Tuple.of(LOCK, LOCK_WAIT_SECONDS))
        .map(
            rows -> {
              Integer locked = rows.iterator().next().getInteger("locked");
              if (locked == null || locked != 1) {
                throw new IllegalStateException(
                    "another process has been changing the schema for over a minute");
              }
              return null;
            });
  }

  private static Future<Void> unlock(SqlConnection connection) {
    return connection.preparedQuery("SELECT RELEASE_LOCK(?)").execute(Tuple.of(LOCK)).mapEmpty();
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

  private static Future<List<Integer>> applyMissing(
      SqlConnection connection, Set<Integer> applied, long now) {
    Future<List<Integer>> done = Future.succeededFuture(new ArrayList<>());
    for (Step step : STEPS) {
      if (!applied.contains(step.version())) {
        done =
            done.compose(
                versions ->
                    run(connection, statements(step.name()))
                        .compose(
                            v ->
                                connection
                                    .preparedQuery(RECORD)
                                    .execute(Tuple.of(step.version(), step.name(), now)))
                        .map(
                            v -> {
                              log.info("schema: applied {}", step.name());
                              versions.add(step.version());
                              return versions;
                            }));
      }
    }
    return done;
  }

  private static Future<Void> run(SqlConnection connection, List<String> statements) {
    Future<Void> done = Future.succeededFuture();
    for (String statement : statements) {
      done = done.compose(v -> connection.query(statement).execute()).mapEmpty();
    }
    return done;
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
