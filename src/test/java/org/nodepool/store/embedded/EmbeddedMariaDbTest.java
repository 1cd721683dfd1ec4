package org.nodepool.store.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.mysqlclient.MySQLConnection;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.nodepool.FreePort;
import org.nodepool.Poll;
import org.nodepool.RunsBesideOthers;
import org.nodepool.store.Database.Address;

@RunsBesideOthers
@ExtendWith(VertxExtension.class)
class EmbeddedMariaDbTest {
  /** Relative and with a blank, as an operator may have it; one for all, as unpacking is slow. */
  private static final Path DIR = Path.of("target", "embedded db");

  private static Vertx vertx;

  private final List<Process> children = new ArrayList<>();
  private EmbeddedMariaDb db;

  @BeforeAll
  static void begin_with_no_directory(Vertx vertx) throws IOException {
    EmbeddedMariaDbTest.vertx = vertx;
    if (Files.exists(DIR)) {
      delete(DIR);
    }
  }

  @BeforeEach
  void start() throws IOException {
    db = EmbeddedMariaDb.start(DIR);
  }

  @AfterEach
  void stop() {
    children.forEach(child -> kill(child.toHandle()));
    db.stop();
    assertThat(servers()).isEmpty();
  }

  @Test
  void rows_survive_stop_and_start() throws IOException {
    run("CREATE OR REPLACE TABLE node (id INT)", "INSERT INTO node VALUES (7)");

    db.stop();
    db = EmbeddedMariaDb.start(DIR);

    assertThat(column("SELECT id FROM node")).containsExactly("7");
  }

  @Test
  void a_second_start_on_the_same_directory_is_refused_and_says_so() {
    assertThatThrownBy(() -> EmbeddedMariaDb.start(DIR))
        .isInstanceOf(DirectoryLock.Taken.class)
        .hasMessage("the data directory %s is in use by another instance", DIR.toAbsolutePath());
    assertThat(column("SELECT 1")).containsExactly("1");
  }

  @Test
  void a_refused_start_here_does_not_let_another_process_in() throws IOException {
    assertThatThrownBy(() -> EmbeddedMariaDb.start(DIR)).isInstanceOf(IOException.class);

    assertThat(said(child(System.getenv("PATH")))).contains("in use by another instance");
    assertThat(column("SELECT 1")).containsExactly("1");
  }

  @Test
  void the_next_start_works_after_the_server_was_killed() throws IOException {
    run("CREATE OR REPLACE TABLE node (id INT)", "INSERT INTO node VALUES (8)");

    kill(onlyServer());
    db.stop();
    db = EmbeddedMariaDb.start(DIR);

    assertThat(column("SELECT id FROM node")).containsExactly("8");
  }

  @Test
  void a_server_that_was_killed_is_started_again_at_the_same_address() throws IOException {
    run("CREATE OR REPLACE TABLE node (id INT)", "INSERT INTO node VALUES (9)");
    ProcessHandle killed = onlyServer();

    kill(killed);

    Poll.until(
        "another server",
        () -> servers().stream().anyMatch(s -> s.pid() != killed.pid()) && answers());
    assertThat(column("SELECT id FROM node")).containsExactly("9");
  }

  private boolean answers() {
    try {
      return column("SELECT 1").equals(List.of("1"));
    } catch (Exception e) { // not yet
      return false;
    }
  }

  @Test
  void the_server_outlives_the_thread_that_started_it() throws Exception {
    db.stop();
    var start = new FutureTask<>(() -> EmbeddedMariaDb.start(DIR));
    var starter = new Thread(start);
    starter.start();
    db = start.get();
    starter.join();

    assertThat(column("SELECT SLEEP(0.5)")).containsExactly("0"); // 1, or no answer, if it ends
  }

  @Test
  void the_server_ends_by_itself_when_its_jvm_is_killed() throws IOException {
    db.stop();
    Process jvm = child(System.getenv("PATH"));
    assertThat(said(jvm)).isEqualTo("ready");
    ProcessHandle server = onlyServer();

    kill(jvm.toHandle());

    Poll.until("the server has ended", () -> !isServer(server));
    db = EmbeddedMariaDb.start(DIR);
    assertThat(column("SELECT 1")).containsExactly("1");
  }

  @Test
  void the_next_start_takes_over_from_a_server_that_outlived_its_jvm() throws IOException {
    db.stop();
    Path programs = Files.createTempDirectory(Path.of("target"), "without-setpriv");
    Files.createSymbolicLink(programs.resolve("setsid"), Path.of("/usr/bin/setsid"));
    Process jvm = child(programs.toAbsolutePath().toString());
    assertThat(said(jvm)).isEqualTo("ready");
    ProcessHandle leftBehind = onlyServer();
    kill(jvm.toHandle());
    assertThat(isServer(leftBehind)).isTrue();

    db = EmbeddedMariaDb.start(DIR);

    assertThat(isServer(leftBehind)).isFalse();
    assertThat(column("SELECT 1")).containsExactly("1");
  }

  @Test
  void a_process_that_is_not_a_server_on_this_directory_is_left_alone() throws IOException {
    db.stop();
    Path elsewhere = Files.createDirectories(Path.of("target", "elsewhere"));
    Path namesake = elsewhere.resolve("mariadbd").toAbsolutePath();
    Files.deleteIfExists(namesake);
    Files.copy(Path.of("/bin/sleep"), namesake);
    Files.setPosixFilePermissions(namesake, PosixFilePermissions.fromString("rwx------"));
    Process sameName =
        begin(new ProcessBuilder(namesake.toString(), "60").directory(elsewhere.toFile()));
    Process samePlace =
        begin(new ProcessBuilder("sleep", "60").directory(DIR.resolve("data").toFile()));
    Files.writeString(DIR.resolve("data/mariadbd.pid"), sameName.pid() + "\n");

    db = EmbeddedMariaDb.start(DIR);

    assertThat(List.of(sameName, samePlace)).allMatch(Process::isAlive);
  }

  @Test
  void a_first_start_that_was_killed_halfway_is_repaired() throws IOException {
    db.stop();
    Path server = serverDirectory();
    Files.move(server, server.resolveSibling(server.getFileName() + ".new"));
    Files.move(DIR.resolve("data"), DIR.resolve("data.new"));
    truncate(server.resolveSibling(server.getFileName() + ".new").resolve("bin/mariadbd"));
    truncate(DIR.resolve("data.new/ibdata1"));

    db = EmbeddedMariaDb.start(DIR);

    assertThat(column("SELECT 1")).containsExactly("1");
    assertThat(namesIn(DIR))
        .containsExactlyInAnyOrder(
            "data", "dburi", "lock", "server.log", server.getFileName().toString(), "tmp");
  }

  @Test
  void damaged_program_files_are_unpacked_again() throws IOException {
    db.stop();
    truncate(serverDirectory().resolve("bin/mariadbd"));

    db = EmbeddedMariaDb.start(DIR);

    assertThat(column("SELECT 1")).containsExactly("1");
  }

  @Test
  void the_user_has_its_database_and_nothing_else() {
    assertThat(column("SHOW DATABASES")).containsExactly("information_schema", "nodepool");
    assertThat(column("SHOW GRANTS"))
        .satisfiesExactly(
            usage -> assertThat(usage).startsWith("GRANT USAGE ON *.* TO `nodepool`@`127.0.0.1`"),
            all ->
                assertThat(all)
                    .isEqualTo("GRANT ALL PRIVILEGES ON `nodepool`.* TO `nodepool`@`127.0.0.1`"));
    assertThatThrownBy(() -> run("CREATE DATABASE other")).hasMessageContaining("1044");
    assertThatThrownBy(() -> run("SELECT * FROM mysql.global_priv")).hasMessageContaining("1142");
    assertThatThrownBy(() -> run("SELECT LOAD_FILE('/etc/passwd') INTO OUTFILE 'x'"))
        .hasMessageContaining("1045");
  }

  @Test
  void the_database_is_utf8mb4_and_strict() {
    assertThat(column("SELECT @@character_set_database")).containsExactly("utf8mb4");
    assertThat(column("SELECT @@sql_mode").get(0)).contains("STRICT_TRANS_TABLES");
  }

  @Test
  void nobody_else_is_let_in() {
    assertRefused("nodepool", "");
    assertRefused("nodepool", "wrong");
    assertRefused("root", "");
    assertRefused("root", db.address().password());
    assertRefused("mariadb.sys", "");
    assertRefused("nobody", "");
  }

  @Test
  void the_password_changes_with_each_start() throws IOException {
    String before = db.address().password();

    db.stop();
    db = EmbeddedMariaDb.start(DIR);

    assertThat(db.address().password()).isNotEqualTo(before).matches("[A-Za-z0-9_-]{32}");
    assertRefused("nodepool", before);
  }

  @Test
  void the_password_is_in_dburi_only_and_that_goes_at_the_stop() throws IOException {
    Address address = db.address();
    Path dburi = DIR.resolve("dburi");

    assertThat(Files.readString(dburi))
        .isEqualTo(
            "mysql://nodepool:%s@127.0.0.1:%d/nodepool\n"
                .formatted(address.password(), address.port()));
    assertThat(mode(dburi)).isEqualTo("rw-------");
    assertThat(Files.readString(proc(onlyServer(), "cmdline"))).doesNotContain(address.password());
    assertThat(Files.readString(DIR.resolve("server.log"))).doesNotContain(address.password());
    assertThat(DIR.resolve("init.sql")).doesNotExist();
    assertThat(address.toString()).doesNotContain(address.password());

    db.stop();
    assertThat(dburi).doesNotExist();
  }

  @Test
  void the_directories_are_for_their_owner_only() throws IOException {
    assertThat(List.of(DIR, DIR.resolve("data"), DIR.resolve("tmp"), serverDirectory()))
        .allSatisfy(directory -> assertThat(mode(directory)).isEqualTo("rwx------"));
  }

  @Test
  void the_server_has_a_session_of_its_own() throws IOException {
    String stat = Files.readString(proc(onlyServer(), "stat"));
    String session = stat.substring(stat.lastIndexOf(')')).split(" ")[4];

    assertThat(session).isEqualTo(Long.toString(onlyServer().pid()));
  }

  @Test
  void a_taken_port_is_tried_once_and_another_then() throws IOException {
    db.stop();
    try (ServerSocket taken = takenPort()) {
      Iterator<Integer> ports = List.of(taken.getLocalPort(), FreePort.next()).iterator();
      db = EmbeddedMariaDb.start(DIR, ports::next);
      assertThat(ports).isExhausted();
    }
    assertThat(column("SELECT 1")).containsExactly("1");
  }

  @Test
  void a_failed_start_says_why_and_leaves_the_directory_free() throws IOException {
    db.stop();
    try (ServerSocket taken = takenPort()) {
      assertThatThrownBy(() -> EmbeddedMariaDb.start(DIR, taken::getLocalPort))
          .hasMessageContaining("Address already in use")
          .hasMessageContaining("server.log");
    }
    assertThat(servers()).isEmpty();

    db = EmbeddedMariaDb.start(DIR);
    assertThat(column("SELECT 1")).containsExactly("1");
  }

  @Test
  void a_second_stop_does_nothing() throws IOException {
    db.stop();
    EmbeddedMariaDb next = EmbeddedMariaDb.start(DIR);

    db.stop();

    assertThat(DIR.resolve("dburi")).exists();
    next.stop();
  }

  /** What a child JVM runs: says "ready" or why not, and then waits to be killed. */
  public static void main(String[] args) throws InterruptedException {
    try {
      EmbeddedMariaDb.start(Path.of(args[0]));
      System.out.println("> ready");
      Thread.currentThread().join();
    } catch (IOException e) {
      System.out.println("> " + e.getMessage());
    }
  }

  private Process child(String path) throws IOException {
    var builder =
        new ProcessBuilder(
                ProcessHandle.current().info().command().orElseThrow(),
                "-Dlogback.configurationFile=logback.xml", // not the tests' log of requests
                "-cp",
                System.getProperty("java.class.path"),
                EmbeddedMariaDbTest.class.getName(),
                DIR.toString())
            .redirectErrorStream(true);
    builder.environment().put("PATH", path);
    return begin(builder);
  }

  /** Killed after the test, if not in it. */
  private Process begin(ProcessBuilder builder) throws IOException {
    Process child = builder.start();
    children.add(child);
    return child;
  }

  private static String said(Process child) {
    BufferedReader output = child.inputReader();
    return output
        .lines()
        .filter(line -> line.startsWith("> "))
        .findFirst()
        .map(line -> line.substring(2))
        .orElse("nothing");
  }

  private static void kill(ProcessHandle process) {
    process.destroyForcibly();
    Poll.until("pid " + process.pid() + " is dead", () -> !process.isAlive());
  }

  private static List<ProcessHandle> servers() {
    return ProcessHandle.allProcesses().filter(EmbeddedMariaDbTest::isServer).toList();
  }

  private static ProcessHandle onlyServer() {
    assertThat(servers()).hasSize(1);
    return servers().get(0);
  }

  /** By its program file, which a zombie has no more. */
  private static boolean isServer(ProcessHandle process) {
    try {
      Path program = Files.readSymbolicLink(proc(process, "exe"));
      return program.startsWith(DIR.toAbsolutePath()) && program.endsWith("bin/mariadbd");
    } catch (IOException e) {
      return false;
    }
  }

  private static Path proc(ProcessHandle process, String file) {
    return Path.of("/proc", Long.toString(process.pid()), file);
  }

  private static Path serverDirectory() throws IOException {
    try (Stream<Path> paths = Files.list(DIR)) {
      return paths
          .filter(Files::isDirectory)
          .filter(EmbeddedMariaDbTest::isNamedServer)
          .toList()
          .get(0);
    }
  }

  private static boolean isNamedServer(Path path) {
    return path.getFileName().toString().startsWith("server-");
  }

  private static List<String> namesIn(Path directory) throws IOException {
    try (Stream<Path> paths = Files.list(directory)) {
      return paths.map(path -> path.getFileName().toString()).toList();
    }
  }

  private static String mode(Path path) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
  }

  private static void truncate(Path path) throws IOException {
    try (var file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength(file.length() / 100);
    }
  }

  private static void delete(Path root) throws IOException {
    try (Stream<Path> paths = Files.walk(root)) {
      for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
  }

  private static ServerSocket takenPort() throws IOException {
    return new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"));
  }

  private void run(String... statements) {
    MySQLConnection connection = connect();
    try {
      for (String statement : statements) {
        connection.query(statement).execute().await();
      }
    } finally {
      connection.close().await();
    }
  }

  /** The first column as text. */
  private List<String> column(String query) {
    MySQLConnection connection = connect();
    try {
      var rows = connection.query(query).execute().await();
      return StreamSupport.stream(rows.spliterator(), false)
          .map(row -> String.valueOf(row.getValue(0)))
          .toList();
    } finally {
      connection.close().await();
    }
  }

  private void assertRefused(String user, String password) {
    assertThatThrownBy(() -> connect(user, password, "").close().await())
        .as("%s with password '%s'", user, password)
        .hasMessageContaining("errorCode=1045");
  }

  private MySQLConnection connect() {
    Address address = db.address();
    return connect(address.user(), address.password(), address.database());
  }

  private MySQLConnection connect(String user, String password, String database) {
    var options =
        new MySQLConnectOptions()
            .setHost(db.address().host())
            .setPort(db.address().port())
            .setDatabase(database)
            .setUser(user)
            .setPassword(password);
    return MySQLConnection.connect(vertx, options).await();
  }
}
