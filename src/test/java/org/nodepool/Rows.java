package org.nodepool;

import io.vertx.mysqlclient.MySQLClient;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.Tuple;
import java.time.Instant;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;

/**
 * Rows with harmless values, of which a test names only what matters: {@code
 * aNode().provider("p").in(service)}. A column that the table has no more, or never had, is an
 * error of the database.
 */
public final class Rows {
  private static final long SOME_TIME = 1_416_832_000;
  private static final long NEVER = 4_000_000_000L;

  private Rows() {}

  /** Runs a statement on a database. */
  @FunctionalInterface
  public interface Sql<E extends Exception> {
    RowSet<Row> sql(String statement, Object... values) throws E;
  }

  /** A queued build that no worker begins. */
  public static Draft aJob() {
    return new Draft("api_job")
        .with("uuid", UUID.randomUUID().toString())
        .kind("build")
        .state("queued")
        .subject("/v1/dib_images/1")
        .notBefore(NEVER)
        .with("created", 1);
  }

  /** A ready one without a server. */
  public static Draft aNode() {
    return new Draft("node")
        .provider("directory")
        .label("label")
        .with("target_name", "target")
        .hostname("host.example.org")
        .state(2)
        .stateTime(SOME_TIME);
  }

  /** All that is known of it is its node. */
  public static Draft aSubnode(long node) {
    return new Draft("subnode").with("node_id", node);
  }

  /** A ready one without files. */
  public static Draft aDibImage() {
    return new Draft("dib_image").image("tiny").version(SOME_TIME).state(2).stateTime(SOME_TIME);
  }

  /** A ready one of which its provider knows nothing. */
  public static Draft anImage() {
    return new Draft("snapshot_image")
        .provider("directory")
        .image("tiny-image")
        .hostname("host")
        .version(SOME_TIME)
        .state(2)
        .stateTime(SOME_TIME);
  }

  /** A file of that dib image on this host; its checksum is that of no content. */
  public static Draft aDibFile(long dibImage) {
    return new Draft("api_dib_file")
        .dibImage(dibImage)
        .host(Installation.hostName())
        .with("type", "qcow2")
        .with("size", 1)
        .with("sha256", "0".repeat(64));
  }

  /** The first attempt at that job, ended. */
  public static Draft anAttempt(long job) {
    return new Draft("api_job_attempt")
        .with("job_id", job)
        .with("attempt", 1)
        .host("elsewhere")
        .worker("another")
        .started(1L)
        .finished(2L);
  }

  /** One on another host, seen just now. */
  public static Draft aWorker(String name) {
    return new Draft("api_worker")
        .worker(name)
        .host("elsewhere")
        .with("builds_dir", "/of/another")
        .with("log_dir", "/of/another")
        .with("seen", now());
  }

  /** As UNIX_TIMESTAMP() of a server on this machine. */
  public static long now() {
    return Instant.now().getEpochSecond();
  }

  /** A row that is not in the database yet. */
  public static final class Draft {
    private final String table;
    private final Map<String, Object> values = new LinkedHashMap<>();

    private Draft(String table) {
      this.table = table;
    }

    /** Any column of the table; the value may be null. */
    public Draft with(String column, Object value) {
      values.put(column, value);
      return this;
    }

    /** Leaves these columns out of the INSERT; the defaults of the table hold. */
    public Draft without(String... columns) {
      values.keySet().removeAll(Arrays.asList(columns));
      return this;
    }

    public Draft kind(String kind) {
      return with("kind", kind);
    }

    /** Of a job. */
    public Draft state(String state) {
      return with("state", state);
    }

    /** Of the pool's rows. */
    public Draft state(Integer state) {
      return with("state", state);
    }

    public Draft stateTime(Long seconds) {
      return with("state_time", seconds);
    }

    public Draft subject(String path) {
      return with("subject", path);
    }

    public Draft provider(String name) {
      return with("provider_name", name);
    }

    public Draft image(String name) {
      return with("image_name", name);
    }

    public Draft label(String name) {
      return with("label_name", name);
    }

    public Draft dibImage(Long id) {
      return with("dib_image_id", id);
    }

    public Draft hostname(String name) {
      return with("hostname", name);
    }

    public Draft externalId(String id) {
      return with("external_id", id);
    }

    public Draft version(Number version) {
      return with("version", version);
    }

    public Draft host(String name) {
      return with("host", name);
    }

    public Draft worker(String name) {
      return with("worker", name);
    }

    public Draft attempts(int number) {
      return with("attempts", number);
    }

    public Draft notBefore(Long seconds) {
      return with("not_before", seconds);
    }

    public Draft started(Long seconds) {
      return with("started", seconds);
    }

    public Draft finished(Long seconds) {
      return with("finished", seconds);
    }

    /** The job runs: that worker made its first attempt. */
    public Draft begunBy(String host, String worker) {
      return state("running").host(host).worker(worker).attempts(1).started(1L).notBefore(null);
    }

    /** The job came to that end. */
    public Draft ended(String state) {
      return state(state).finished(2L).notBefore(null);
    }

    /** Inserts it there; returns the id that the database gave, 0 in a table without. */
    public <E extends Exception> long in(Sql<E> database) throws E {
      String insert =
          "INSERT INTO %s (%s) VALUES (%s)"
              .formatted(
                  table,
                  String.join(", ", values.keySet()),
                  String.join(", ", Collections.nCopies(values.size(), "?")));
      Long id =
          database.sql(insert, values.values().toArray()).property(MySQLClient.LAST_INSERTED_ID);
      return id == null ? 0 : id;
    }

    /** As {@link #in(Sql)}, on that connection, in the transaction that it has open. */
    public long in(SqlClient connection) {
      return in(
          (insert, given) -> connection.preparedQuery(insert).execute(Tuple.wrap(given)).await());
    }
  }
}
