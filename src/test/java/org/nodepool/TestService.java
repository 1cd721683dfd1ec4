package org.nodepool;

import static org.nodepool.Rows.aDibFile;
import static org.nodepool.Rows.aDibImage;
import static org.nodepool.Rows.aNode;
import static org.nodepool.Rows.anImage;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.json.JsonObject;
import io.vertx.mysqlclient.MySQLBuilder;
import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.mysqlclient.MySQLException;
import io.vertx.sqlclient.Pool;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.SqlConnection;
import io.vertx.sqlclient.Tuple;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.nodepool.changes.TriggerWatch;
import org.nodepool.config.ApiConfig;
import org.nodepool.config.CloudsFile;
import org.nodepool.config.PoolFile;
import org.nodepool.store.Database;

/**
 * The real service in this JVM, on its embedded database or, with {@code -Dnodepool.test.database=
 * external}, on a database of {@link ExternalMariaDb}, with the diskimages and providers of {@code
 * nodepool-test.yaml}. The tests of a JVM share one; {@link #empty} before each gives them empty
 * tables.
 */
public final class TestService implements Rows.Sql<RuntimeException> {
  static final String USER = "admin";
  static final String PASSWORD = "a:b c:ö";

  private static final int DEADLOCK = 1213;

  private static final String RUNNING_HERE =
      "SELECT id FROM api_job WHERE state = 'running' AND worker = ?";

  private static TestService shared;

  private final Path dir;
  private final Service service;
  private final Vertx vertx = Vertx.vertx();
  private final MySQLConnectOptions options;
  private final Pool sql;
  private final Http http;

  private TestService(Path dir, Service service, Optional<Database.Address> external)
      throws IOException {
    this.dir = dir;
    this.service = service;
    this.http = new Http(service.port(), USER, PASSWORD);
    this.options =
        external.isPresent()
            ? options(external.get())
            : MySQLConnectOptions.fromUri(Files.readString(dir.resolve("var/db/dburi")).strip());
    this.sql = MySQLBuilder.pool().connectingTo(options).using(vertx).build();
  }

  private static MySQLConnectOptions options(Database.Address address) {
    return new MySQLConnectOptions()
        .setHost(address.unixSocket() != null ? address.unixSocket() : address.host())
        .setPort(address.port())
        .setDatabase(address.database())
        .setUser(address.user())
        .setPassword(address.password() != null ? address.password() : "");
  }

  /** The one that all tests share; started by the first. */
  public static synchronized TestService shared() {
    if (shared == null) {
      try {
        shared = start(Scratch.dir("test-service"), "");
      } catch (Exception e) {
        throw new AssertionError("the service does not start", e);
      }
      Runtime.getRuntime().addShutdownHook(new Thread(shared::stop));
    }
    return shared;
  }

  /** One of a test's own, with these lines more in api.yaml. The directory keeps its database. */
  static TestService start(Path dir, String settings) throws Exception {
    TestService started = start(dir, settings, external(dir));
    started.awaitDatabase();
    started.awaitTriggers();
    return started;
  }

  /** Waits for the schema to be in place. */
  void awaitDatabase() {
    Poll.until("the database is in service", () -> service.schema().check().await().isEmpty());
  }

  /** Waits until what others write is logged; that comes after the schema. */
  private void awaitTriggers() {
    Poll.until("triggers are there", service.triggers()::hasTriggers);
  }

  /** Why its database does not serve. */
  Optional<String> trouble() {
    return service.schema().check().await();
  }

  /** The service's own. */
  TriggerWatch triggers() {
    return service.triggers();
  }

  /** What the tests are to be run on: empty for the embedded database. */
  private static Optional<Database.Address> external(Path dir) {
    if (!"external".equals(System.getProperty("nodepool.test.database"))) {
      return Optional.empty();
    }
    String name = dir.getFileName().toString().replace('-', '_');
    return Optional.of(ExternalMariaDb.shared().newDatabase(name));
  }

  /**
   * One of a test's own, which has these providers more.
   *
   * @param providers entries of nodepool.yaml
   */
  static TestService withProviders(Path dir, String settings, String providers) throws Exception {
    TestService started = start(dir, settings, external(dir), providers);
    started.awaitDatabase();
    started.awaitTriggers();
    return started;
  }

  /** One of a test's own, on that database, which may be away. */
  static TestService start(Path dir, String settings, Optional<Database.Address> external)
      throws Exception {
    return start(dir, settings, external, "");
  }

  /** Another one, that answers requests only, on the database of one that runs. */
  static TestService sameDatabase(Path dir, TestService other) throws Exception {
    TestService started = start(dir, "roles: [api]", Optional.of(other.address()));
    started.awaitDatabase();
    return started;
  }

  private static TestService start(
      Path dir, String settings, Optional<Database.Address> external, String providers)
      throws Exception {
    Files.createDirectories(dir);
    deleteFiles(dir);
    Path pool = dir.resolve("nodepool.yaml");
    String template =
        new String(
            TestService.class.getResourceAsStream("/nodepool-test.yaml").readAllBytes(),
            StandardCharsets.UTF_8);
    Files.writeString(
        pool,
        template
            .replace(
                "providers:\n  - name: directory",
                "providers:\n" + providers + "  - name: directory")
            .replace("{dir}", dir.toString())
            .replace("{conf}", Path.of("conf").toAbsolutePath().toString())
            .replace("{elements}", Path.of("src/test/elements").toAbsolutePath().toString()));
    Path api = dir.resolve("api.yaml");
    Files.writeString(
        api,
        """
        state_dir: var
        api_user: %s
        %s
        """
            .formatted(USER, merged(settings)));
    Path data = dir.resolve("var/db");
    if (external.isEmpty()) {
      Scratch.linkDatabaseProgram(data);
    }
    Service service =
        Service.start(
            ApiConfig.read(api, Map.of()),
            PoolFile.open(pool, new CloudsFile(List.of(dir.resolve("clouds.yaml"))), true),
            external,
            System.getenv());
    Scratch.keepDatabaseProgram(data);
    return new TestService(dir, service, external);
  }

  private static String merged(String settings) {
    StringBuilder all = new StringBuilder(settings);
    if (!settings.contains("api_password:")) {
      all.append("\napi_password: '%s'".formatted(PASSWORD));
    }
    if (!settings.contains("server:")) {
      all.append("\nserver: {port: 0}");
    }
    if (!settings.contains("database:")) {
      all.append("\ndatabase: {data_dir: var/db}");
    }
    if (!settings.contains("jobs:")) {
      all.append("\njobs: {log_dir: var/log/jobs, keep: P36500D, look_interval: P1D}");
    }
    if (!settings.contains("cleanup:")) {
      all.append("\ncleanup: {enabled: false}");
    }
    return all.toString();
  }

  private static void deleteFiles(Path dir) {
    for (String name : List.of("images", "provider", "raw-provider")) {
      try (var files = Files.walk(Files.createDirectories(dir.resolve(name)))) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  void stop() {
    closeClients();
    stopService();
  }

  /** Closes what the test itself has open. */
  void closeClients() {
    sql.close().await();
    vertx.close().await();
  }

  /** Stops the service alone, as a signal does. */
  void stopService() {
    service.stop();
  }

  /** The service's own, with its event bus. */
  public Vertx vertx() {
    return service.vertx();
  }

  public Http http() {
    return http;
  }

  /** Where its database is. */
  public MySQLConnectOptions database() {
    return options;
  }

  /** As the service itself is told where that is. */
  public Database.Address address() {
    return new Database.Address(
        options.getHost(),
        options.getPort(),
        options.getDatabase(),
        options.getUser(),
        options.getPassword());
  }

  /** The greatest id of the change log, as that connection sees it. */
  public static long greatestChange(SqlConnection as) {
    return as.query("SELECT MAX(id) AS id FROM api_change")
        .execute()
        .await()
        .iterator()
        .next()
        .getLong("id");
  }

  /** Below it are images, provider, raw-provider and var. */
  public Path dir() {
    return dir;
  }

  /** What its database is known by. */
  public String databaseId() {
    return sql("SELECT name FROM api_schema WHERE version = -2").iterator().next().getString(0);
  }

  /** Plain SQL, as another program on the same database would write it. */
  @Override
  public RowSet<Row> sql(String statement, Object... values) {
    Tuple tuple = Tuple.tuple();
    for (Object value : values) {
      tuple.addValue(value);
    }
    return execute(sql, statement, tuple);
  }

  /** Again, when it was the victim of a deadlock with the service: as any program has to. */
  static RowSet<Row> execute(Pool pool, String statement, Tuple values) {
    Future<RowSet<Row>> done = pool.preparedQuery(statement).execute(values);
    for (int i = 0; i < 3; i++) {
      done =
          done.recover(
              e ->
                  e instanceof MySQLException error && error.getErrorCode() == DEADLOCK
                      ? pool.preparedQuery(statement).execute(values)
                      : Future.failedFuture(e));
    }
    return done.await();
  }

  /**
   * Lets no keeper prune the log of changes for a minute, as a reader does that has seen nothing.
   */
  public void keepChanges() {
    sql("REPLACE INTO api_change_reader VALUES ('a test', 0, UNIX_TIMESTAMP())");
  }

  /** Empties the tables and the directories of images, once no job runs. */
  public void empty() {
    // what a test made up is not to be taken over meanwhile
    sql(
        "DELETE FROM api_job WHERE finished IS NULL AND (state = 'queued' OR NOT worker <=> ?)",
        installation());
    sql("UPDATE api_job SET cancel_requested = 1 WHERE finished IS NULL");
    Poll.until("no job runs", () -> sql(RUNNING_HERE, installation()).size() == 0);
    for (String table :
        List.of(
            "node",
            "subnode",
            "snapshot_image",
            "dib_image",
            "api_job",
            "api_job_attempt",
            "api_dib_file",
            "api_worker",
            "api_provider_call",
            "api_provider_look")) {
      sql("DELETE FROM " + table);
    }
    deleteFiles(dir);
  }

  /** The id that is on the jobs that this service runs. */
  String installation() {
    try {
      return Files.readString(dir.resolve("var/installation")).strip();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A connection of another program, to be closed by the test. */
  public SqlConnection connection() {
    return sql.getConnection().await();
  }

  /** The job at this path once it has ended. */
  public JsonObject ended(String job) {
    Set<String> ends = Set.of("succeeded", "failed", "cancelled");
    Poll.until(job + " ends", () -> ends.contains(http().get(job).json().getString("state")));
    return http().get(job).json();
  }

  /** Waits for the object at this path to be in that state. */
  public void awaitState(String path, String state) {
    Poll.until(
        path + " is " + state, () -> state.equals(http().get(path).json().getString("state")));
  }

  /** Waits for the object at this path to be gone. */
  public void awaitGone(String path) {
    Poll.until(path + " is gone", () -> http().get(path).status() == 404);
  }

  /** Inserts a node with harmless values; returns its id. */
  public long node(String provider, Integer state) {
    return aNode().provider(provider).state(state).in(this);
  }

  /** Inserts an image with harmless values; returns its id. */
  public long image(String provider, Integer state, String externalId) {
    return anImage().provider(provider).state(state).externalId(externalId).in(this);
  }

  /** Inserts a dib image with harmless values; returns its id. */
  public long dibImage(String name, Integer state, String filename) {
    return aDibImage().image(name).state(state).with("filename", filename).in(this);
  }

  /** A ready row with a verified qcow2 file of these bytes; returns its id. */
  long readyBuild(String name, byte[] bytes) throws IOException {
    return readyBuild(name, "qcow2", bytes);
  }

  /** As {@link #readyBuild(String, byte[])}, of another type. */
  long readyBuild(String name, String type, byte[] bytes) throws IOException {
    long id = dibImage(name, 2, null);
    Path file = file(id, type);
    Files.createDirectories(file.getParent());
    Files.write(file, bytes);
    sql(
        "UPDATE dib_image SET filename = ? WHERE id = ?",
        dir.resolve("images/ready-" + id).toString(),
        id);
    aDibFile(id)
        .with("type", type)
        .with("size", bytes.length)
        .with("sha256", sha256(bytes))
        .in(this);
    return id;
  }

  /** The file of a {@link #readyBuild}. */
  Path file(long dibImage) {
    return file(dibImage, "qcow2");
  }

  Path file(long dibImage, String type) {
    return dir.resolve("images/ready-%d.%s".formatted(dibImage, type));
  }

  static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }
}
