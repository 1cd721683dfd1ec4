package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Vertx;
import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.mysqlclient.MySQLConnection;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.nodepool.store.Database;

/**
 * The distribution's MariaDB as an operator would have it, run as a process of our own: on the
 * loopback interface and a unix socket, below {@code target/}. It ends with this JVM.
 */
public final class ExternalMariaDb {
  private static final Path ALL = Scratch.dir("external-mariadb");

  private static ExternalMariaDb shared;

  private final Path dir;
  private final int port = FreePort.next();
  private final Vertx vertx = Vertx.vertx();
  private Process process;

  private ExternalMariaDb(String name) {
    dir = ALL.resolve(name);
  }

  /** The one that all tests share; started by the first. */
  public static synchronized ExternalMariaDb shared() {
    if (shared == null) {
      shared = in("shared").start();
    }
    return shared;
  }

  /** A new, empty one, which does not run yet. */
  public static ExternalMariaDb in(String name) {
    ExternalMariaDb made = new ExternalMariaDb(name);
    try {
      ServiceProcess.run("rm", "-rf", made.dir.toString());
      Files.createDirectories(made.tmp());
      ServiceProcess.run(
          "mariadb-install-db",
          "--no-defaults",
          "--user=root",
          "--auth-root-authentication-method=normal",
          "--skip-test-db",
          "--datadir=" + made.data(),
          "--tmpdir=" + made.tmp());
    } catch (Exception e) {
      throw new AssertionError("no MariaDB; is mariadb-server-core installed?", e);
    }
    return made;
  }

  private Path data() {
    return dir.resolve("data");
  }

  /** Its own: one that starts deletes the temporary tables of all others in the same directory. */
  private Path tmp() {
    return dir.resolve("tmp");
  }

  /** Starts it, with these options more; returns when it answers. */
  public ExternalMariaDb start(String... options) {
    List<String> command =
        new ArrayList<>(
            List.of(
                "setpriv",
                "--pdeathsig",
                "KILL",
                "mariadbd",
                "--no-defaults",
                "--user=root",
                "--datadir=" + data(),
                "--tmpdir=" + tmp(),
                "--bind-address=127.0.0.1,::1",
                "--port=" + port,
                "--socket=" + socket(),
                "--pid-file=" + dir.resolve("pid"),
                "--skip-name-resolve",
                "--innodb-buffer-pool-size=32M",
                "--innodb-flush-log-at-trx-commit=2",
                "--max-connections=400"));
    command.addAll(Arrays.asList(options));
    File log = dir.resolve("server.log").toFile();
    process =
        keep(
            new ProcessBuilder(command)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(Redirect.appendTo(log))
                .redirectErrorStream(true));
    Poll.until("the server answers; see " + log, this::answers);
    return this;
  }

  /** Started by a thread that lives as long as this JVM: with it, by the kernel, ends the child. */
  private static Process keep(ProcessBuilder builder) {
    CompletableFuture<Process> started = new CompletableFuture<>();
    Thread keeper =
        new Thread(
            () -> {
              try {
                started.complete(builder.start());
                started.join().onExit().join();
              } catch (IOException e) {
                started.completeExceptionally(e);
              }
            },
            "external mariadbd");
    keeper.setDaemon(true);
    keeper.start();
    return started.join();
  }

  private boolean answers() {
    assertThat(process.isAlive()).as("the server runs").isTrue();
    try {
      sql("SELECT 1");
      return true;
    } catch (Exception e) { // await() throws what it awaited, declared or not
      return false;
    }
  }

  /** Ends it as a service manager does; also one that is frozen. */
  void stop() {
    signal("CONT");
    process.destroy();
    awaitEnd();
  }

  /** Kills it. */
  public void kill() {
    process.destroyForcibly();
    awaitEnd();
  }

  private void awaitEnd() {
    try {
      assertThat(Poll.ends(process)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  void signal(String name) {
    try {
      ServiceProcess.run("bash", "-c", "kill -s $0 $1", name, Long.toString(process.pid()));
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  int port() {
    return port;
  }

  Path socket() {
    return dir.resolve("sock");
  }

  /** Runs statements as root, one after the other; what the last one gives. */
  public RowSet<Row> sql(String... statements) {
    return sqlIn("", statements);
  }

  /** As {@link #sql}, in that database. */
  public RowSet<Row> sqlIn(String database, String... statements) {
    MySQLConnection connection =
        MySQLConnection.connect(
                vertx,
                new MySQLConnectOptions()
                    .setHost(socket().toString())
                    .setUser("root")
                    .setPassword("")
                    .setCharset("utf8mb4")
                    .setDatabase(database))
            .await();
    try {
      RowSet<Row> rows = null;
      for (String statement : statements) {
        rows = connection.query(statement).execute().await();
      }
      return rows;
    } finally {
      connection.close().await();
    }
  }

  /** A new, empty database with a user of its own, who may do everything in it, over TCP. */
  public Database.Address newDatabase(String name) {
    sql(
        "DROP DATABASE IF EXISTS " + name,
        "CREATE DATABASE " + name + " CHARACTER SET utf8mb4",
        "CREATE OR REPLACE USER " + name + " IDENTIFIED BY 'secret of " + name + "'",
        "GRANT ALL ON " + name + ".* TO " + name);
    return address(name);
  }

  /** That database as {@code NODEPOOL_DBURI} has it, reached at this port. */
  static String dburi(Database.Address address, int port) {
    return "mysql://%s:%s@127.0.0.1:%d/%s"
        .formatted(
            address.user(), address.password().replace(" ", "%20"), port, address.database());
  }

  /** Of what {@link #newDatabase} makes. */
  Database.Address address(String name) {
    return new Database.Address("127.0.0.1", port, name, name, "secret of " + name);
  }
}
