package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aDibFile;
import static org.nodepool.Rows.aDibImage;
import static org.nodepool.Rows.anImage;
import static org.nodepool.Rows.now;

import io.vertx.core.Vertx;
import io.vertx.core.json.JsonObject;
import io.vertx.mysqlclient.MySQLBuilder;
import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.sqlclient.Pool;
import io.vertx.sqlclient.PoolOptions;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.Tuple;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;
import org.nodepool.store.schema.Schema;

/**
 * Several processes of the service on one external database: they share images-dir and the
 * directories of the providers, and each has a state directory of its own. {@link #close} ends them
 * all. For one thread, but for the reads.
 */
final class Site implements AutoCloseable, Rows.Sql<RuntimeException> {
  private static final Path ALL = Path.of("target/processes").toAbsolutePath();
  private static final Set<String> ENDS = Set.of("succeeded", "failed", "cancelled");

  private static final String MACHINES =
      """
        - name: machines
          driver: qemu
          directory: '%s'
          boot-timeout: 200
          images:
            - {name: made, base-image: tiny-node, setup: make.sh, username: root, min-ram: 96}
            - {name: tiny-node, diskimage: tiny}
      """;

  /** How many characters of a log a failure shows. */
  private static final int TAIL = 3000;

  private final String name;
  private final Database.Address database;
  private final Vertx vertx = Vertx.vertx();
  private final Pool sql;
  private final List<ServiceProcess> processes = new ArrayList<>();
  private int databasePort;
  private Cloud cloud;
  private boolean hasMachines;
  private String slowSeconds = "120";

  private Site(ExternalMariaDb server, String name) {
    this.name = name;
    this.database = server.newDatabase(name.replaceAll("[^a-z0-9]", "_"));
    this.databasePort = database.port();
    Database ours = new Database(vertx, database, Clock.systemUTC(), new ChangeLog());
    Schema.apply(ours).await();
    ours.close().await();
    this.sql =
        MySQLBuilder.pool()
            .with(new PoolOptions().setMaxSize(2))
            .connectingTo(
                new MySQLConnectOptions()
                    .setHost(database.host())
                    .setPort(database.port())
                    .setDatabase(database.database())
                    .setUser(database.user())
                    .setPassword(database.password()))
            .using(vertx)
            .build();
  }

  /** An empty one, with its tables, whose files are in a directory of this name. */
  static Site named(String name) throws Exception {
    return on(ExternalMariaDb.shared(), name);
  }

  /** An empty one on that server. */
  static Site on(ExternalMariaDb server, String name) throws Exception {
    Site made = new Site(server, name);
    assertThat(Leftovers.below(made.dir())).as("left by an earlier run").isEmpty();
    ServiceProcess.run("rm", "-rf", made.dir().toString());
    Files.createDirectories(made.images());
    return made;
  }

  /** Processes that are made from now on reach the database there. */
  Site through(DatabaseProxy proxy) {
    databasePort = proxy.port();
    return this;
  }

  /** Processes that are made from now on have this cloud as provider {@code cloud}, for raw. */
  Site with(Cloud cloud) {
    this.cloud = cloud;
    return this;
  }

  /**
   * Processes that are made from now on have a provider {@code machines} of driver qemu, where
   * {@code made} is made by {@code make.sh} of {@code tiny-node}.
   */
  Site withMachines() {
    hasMachines = true;
    return this;
  }

  /** The directory of that provider. */
  Path machines() {
    return dir().resolve("machines");
  }

  /** Null when there is none. */
  Cloud cloud() {
    return cloud;
  }

  /** With what the names of all images at the cloud begin that are of this site. */
  String imagePrefix() {
    return name + "-image-";
  }

  /** How long the {@code slow-…} elements sleep in processes that are made from now on. */
  Site slow(Duration sleep) {
    slowSeconds = Long.toString(sleep.toSeconds());
    return this;
  }

  /** A process that answers requests and runs jobs; not started. */
  ServiceProcess process(String process) throws Exception {
    ServiceProcess made =
        ServiceProcess.sharing(dir(), name + "/" + process)
            .with("NODEPOOL_DBURI", ExternalMariaDb.dburi(database, databasePort))
            .replace("nodepool.yaml", "SLOW_SECS: '120'", "SLOW_SECS: '" + slowSeconds + "'");
    if (cloud != null) {
      made.replace(
          "nodepool.yaml",
          "auth-url: http://127.0.0.1:1/v3",
          "auth-url: %s\n    image-type: raw\n    template-hostname: '%s{timestamp}'"
              .formatted(cloud.authUrl(), imagePrefix()));
    }
    if (hasMachines) {
      made.replace(
          "nodepool.yaml", "\nproviders:\n", "\nproviders:\n" + MACHINES.formatted(machines()));
    }
    processes.add(made);
    return made;
  }

  /** A process that answers requests; not started. */
  ServiceProcess api(String process) throws Exception {
    return role(process, "api");
  }

  /** A process that runs jobs; not started. */
  ServiceProcess worker(String process) throws Exception {
    return role(process, "worker");
  }

  private ServiceProcess role(String process, String role) throws Exception {
    return process(process)
        .replace("api.yaml", "server:", "roles: [" + role + "]\nserver:")
        .replace("api.yaml", "build_workers: 3", "build_workers: 2");
  }

  /** Starts a process; returns when it can be given jobs. */
  ServiceProcess startWorker(ServiceProcess worker) throws Exception {
    worker.startOnly();
    Poll.until(
        "a worker is there",
        () -> {
          assertThat(worker.isAlive()).as("it runs; it said: %s", worker.err()).isTrue();
          return Files.exists(worker.dir().resolve("var/installation")) && isSeen(worker);
        });
    return worker;
  }

  /** Whether it told the database in the last seconds that it is there. */
  private boolean isSeen(ServiceProcess worker) throws IOException {
    return number(
            "SELECT COUNT(*) FROM api_worker WHERE worker = ? AND seen > UNIX_TIMESTAMP() - 10",
            worker.installation())
        > 0;
  }

  /** Waits until this process can read and write. */
  void awaitReady(ServiceProcess api) throws IOException {
    Http http = api.http();
    Poll.until("it is ready", () -> http.get("/v1/jobs").status() == 200);
  }

  /** The process that runs this job; fails when none of ours does. */
  ServiceProcess workerOf(String job) throws IOException {
    String worker = text("SELECT worker FROM api_job WHERE id = ?", id(job));
    for (ServiceProcess process : processes) {
      if (process.installation().equals(worker)) {
        return process;
      }
    }
    throw new AssertionError(job + " is not run by one of ours, but by " + worker);
  }

  List<ServiceProcess> processes() {
    return processes;
  }

  /** Everything of it is below. */
  Path dir() {
    return ALL.resolve(name);
  }

  Path images() {
    return dir().resolve("images");
  }

  /** Runs a statement as another program would, past the proxy. */
  @Override
  public RowSet<Row> sql(String statement, Object... values) {
    return TestService.execute(sql, statement, Tuple.wrap(Arrays.asList(values)));
  }

  /** The first column of the only row. */
  long number(String query, Object... values) {
    return sql(query, values).iterator().next().getLong(0);
  }

  /** As {@link #number}, of a text; null when the column is. */
  String text(String query, Object... values) {
    return sql(query, values).iterator().next().getString(0);
  }

  /** The id in the path of a row or a job. */
  static long id(String path) {
    return Long.parseLong(path.substring(path.lastIndexOf('/') + 1));
  }

  /** Waits for the job at this path to end; its state then. A failure tells how far it came. */
  String end(String job) {
    try {
      Poll.until(job + " ends", () -> ENDS.contains(state(job)));
    } catch (AssertionError e) {
      throw new AssertionError(e.getMessage() + "\n" + story(job), e);
    }
    return state(job);
  }

  /** The rows of that job, its attempts and the workers, and the ends of its logs. */
  private String story(String job) {
    StringBuilder story = new StringBuilder("now " + Instant.now().getEpochSecond());
    List.of(
            sql("SELECT * FROM api_job WHERE id = ?", id(job)),
            sql("SELECT * FROM api_job_attempt WHERE job_id = ?", id(job)),
            sql("SELECT * FROM api_worker"))
        .forEach(rows -> rows.forEach(row -> story.append('\n').append(row.toJson())));
    for (Path log : logs(text("SELECT uuid FROM api_job WHERE id = ?", id(job)))) {
      story.append('\n').append(log).append('\n').append(tail(log));
    }
    return story.toString();
  }

  private static String tail(Path log) {
    try {
      String text = Files.readString(log);
      return text.substring(Math.max(0, text.length() - TAIL));
    } catch (IOException e) {
      return "no log: " + e;
    }
  }

  /** The state of the job at this path. */
  String state(String job) {
    return text("SELECT state FROM api_job WHERE id = ?", id(job));
  }

  /** Waits for this text in the log of the job at this path, wherever it is kept. */
  void awaitLog(String job, String text) {
    String uuid = text("SELECT uuid FROM api_job WHERE id = ?", id(job));
    Poll.until(
        text,
        () -> {
          for (Path log : logs(uuid)) {
            if (Files.exists(log) && Files.readString(log).contains(text)) {
              return true;
            }
          }
          return false;
        });
  }

  /** Where the processes keep the log of the job with that uuid. */
  List<Path> logs(String uuid) {
    return processes.stream()
        .map(process -> process.dir().resolve("var/log/jobs/" + uuid + ".log"))
        .toList();
  }

  /** Inserts a ready dib image with a file of that type on that host; returns its id. */
  long readyDibImage(String diskImage, String type, String host, int bytes) throws Exception {
    Path content = images().resolve("content-of-" + diskImage);
    try (RandomAccessFile sparse = new RandomAccessFile(content.toFile(), "rw")) {
      sparse.writeLong(System.nanoTime()); // no two are alike
      sparse.setLength(bytes);
    }
    return readyDibImage(diskImage, type, host, content);
  }

  /** As that one, with this file, which is moved to its place. */
  long readyDibImage(String diskImage, String type, String host, Path content) throws Exception {
    long id = aDibImage().image(diskImage).stateTime(now()).in(this);
    Path file = images().resolve(diskImage + "-1416832000-" + id);
    sql("UPDATE dib_image SET filename = ? WHERE id = ?", file.toString(), id);
    Path written = Path.of(file + "." + type);
    Files.move(content, written);
    aDibFile(id)
        .host(host)
        .with("type", type)
        .with("size", Files.size(written))
        .with("sha256", sha256(written))
        .in(this);
    return id;
  }

  /**
   * Puts what {@code made} is made of in place: an image that boots, with its row, and the script.
   */
  void makesByScript() throws Exception {
    String base = "template-tiny-node-1-" + UUID.randomUUID() + ".qcow2";
    Path file = Files.createDirectories(machines()).resolve(base);
    Files.copy(TinyNode.image(), file);
    JsonObject known = new JsonObject().put("size", Files.size(file)).put("sha256", sha256(file));
    Files.writeString(Path.of(file + ".json"), known.encode());
    anImage().provider("machines").image(TinyNode.NAME).externalId(base).in(this);
    Path script = Files.createDirectories(dir().resolve("scripts")).resolve("make.sh");
    Files.writeString(script, "#!/bin/sh\necho made\n");
    ServiceProcess.run("chmod", "0755", script.toString());
  }

  /** In hexadecimal digits; by a program that is far quicker than a JVM that compiles little. */
  static String sha256(Path file) throws Exception {
    return ServiceProcess.run("sha256sum", "-b", file.toString()).substring(0, 64);
  }

  @Override
  public void close() {
    processes.forEach(ServiceProcess::close);
    removeMachines();
    vertx.close().await();
  }

  /** They outlive all processes; when all went well there are none. */
  private void removeMachines() {
    String[] left = machines().resolve("servers").toFile().list();
    if (left == null || left.length == 0) {
      return;
    }
    ServiceProcess any = processes.get(0);
    try {
      any.command("servers", "--remove", "--config", any.config().toString());
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }
}
