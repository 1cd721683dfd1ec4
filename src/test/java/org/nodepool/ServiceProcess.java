package org.nodepool;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Vertx;
import io.vertx.core.json.JsonObject;
import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.mysqlclient.MySQLConnection;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.Tuple;
import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The packaged service, run as a process in a directory of its own. It can be started again after
 * an end; {@link #close} ends it and all that it started.
 */
final class ServiceProcess implements AutoCloseable, Rows.Sql<IOException> {
  private static final Path ALL = Path.of("target/processes").toAbsolutePath();
  private static final Path JAR = Path.of("target/nodepool.jar").toAbsolutePath();
  private static final Path SWEEP = Path.of("src/main/resources/dib-sweep.sh").toAbsolutePath();

  private static final Pattern GREETING =
      Pattern.compile("nodepool answers at http://127\\.0\\.0\\.1:(\\d+) ");

  /** How the kernel's tables of sockets write the state. */
  private static final String LISTENS = "0A";

  /** As quick to start as can be: hardly one lives long enough to be compiled well. */
  static final String QUICK = "-XX:TieredStopAtLevel=1";

  private final Path dir;
  private final Path config;
  private final Vertx vertx = Vertx.vertx();
  private final Map<String, String> variables = new HashMap<>();
  private List<String> jvmOptions = List.of(QUICK);

  /** A test run in the background has SIGINT ignored, and so would what it starts. */
  private List<String> launcher = List.of("env", "--default-signal=INT");

  private Process process;
  private int port;

  /** How a process ended, and what it said. */
  record Ended(int status, String out, String err) {}

  private ServiceProcess(String name, String config) throws Exception {
    this.dir = ALL.resolve(name);
    this.config = dir.resolve(config);
    assertThat(Leftovers.below(dir)).as("left by an earlier run").isEmpty();
    run("rm", "-rf", dir.toString());
    Files.createDirectories(this.config.getParent());
    Runtime.getRuntime().addShutdownHook(new Thread(this::kill));
  }

  /** One with the pool of {@code nodepool-test.yaml}; its files are directly in the directory. */
  static ServiceProcess in(String name) throws Exception {
    ServiceProcess made = new ServiceProcess(name, "api.yaml");
    Scratch.linkDatabaseProgram(made.dir.resolve("var/db"));
    return made.configured(made.dir);
  }

  /**
   * One of several on the database that {@code NODEPOOL_DBURI} is to name, with the same pool: its
   * images and providers are in that directory.
   */
  static ServiceProcess sharing(Path images, String name) throws Exception {
    return new ServiceProcess(name, "api.yaml").configured(images);
  }

  private ServiceProcess configured(Path images) throws IOException {
    String pool = Files.readString(Path.of("src/test/resources/nodepool-test.yaml"));
    write(
        "nodepool.yaml",
        pool.replace("{dir}", images.toString())
            .replace("{conf}", Path.of("conf").toAbsolutePath().toString())
            .replace("{elements}", Path.of("src/test/elements").toAbsolutePath().toString()));
    return write(
        "api.yaml",
        """
        state_dir: var
        server: {port: 0}
        database: {data_dir: var/db}
        jobs: {log_dir: var/log/jobs, build_workers: 3}
        """);
  }

  /** One with the configuration that the project ships, but for the port. */
  static ServiceProcess asShipped(String name) throws Exception {
    ServiceProcess made = new ServiceProcess(name, "conf/api.yaml");
    run("cp", "-r", Path.of("conf").toAbsolutePath().toString(), made.dir.toString());
    return made.replace("conf/api.yaml", "#port: 8080", "port: 0");
  }

  /** Replaces one of its files. */
  ServiceProcess write(String file, String text) throws IOException {
    Files.writeString(dir.resolve(file), text);
    return this;
  }

  /** Changes one of its files, which must have the old text. */
  ServiceProcess replace(String file, String old, String text) throws IOException {
    String before = Files.readString(dir.resolve(file));
    assertThat(before).contains(old);
    return write(file, before.replace(old, text));
  }

  /** A variable of its environment. */
  ServiceProcess with(String variable, String value) {
    variables.put(variable, value);
    return this;
  }

  /** What executes it, such as {@code unshare}. */
  ServiceProcess launchedBy(String... words) {
    launcher = List.of(words);
    return this;
  }

  /** It runs on a machine of this name, by a namespace of its own. */
  ServiceProcess onHost(String name) {
    return launchedBy(
        "unshare",
        "--uts",
        "bash",
        "-c",
        "echo $0 >/proc/sys/kernel/hostname && exec env --default-signal=INT \"$@\"",
        name);
  }

  /** Options of its Java machine, for the next starts; they replace those of before. */
  ServiceProcess jvm(String... options) {
    jvmOptions = List.of(options);
    return this;
  }

  /** Starts it and returns at once: it may have nothing to greet with, or not live so long. */
  ServiceProcess startOnly() throws Exception {
    keepOutput();
    process = launch("--config", config.toString());
    return this;
  }

  /** What it said before stays, under a number. */
  private void keepOutput() throws IOException {
    for (String file : List.of("out", "err")) {
      int number = 1;
      while (Files.exists(dir.resolve(file + "." + number))) {
        number++;
      }
      if (Files.exists(dir.resolve(file))) {
        Files.move(dir.resolve(file), dir.resolve(file + "." + number));
      }
    }
  }

  /** Starts it; returns when it has greeted. */
  ServiceProcess start() throws Exception {
    startOnly();
    Poll.until(
        "it greets",
        () -> {
          assertThat(process.isAlive()).as("it runs; it said: %s", err()).isTrue();
          return GREETING.matcher(out()).find();
        });
    Matcher greeting = GREETING.matcher(out());
    greeting.find();
    port = Integer.parseInt(greeting.group(1));
    Scratch.keepDatabaseProgram(dir.resolve("var/db"));
    return this;
  }

  /** Starts it, which answers no requests; returns when it runs jobs, or would. */
  ServiceProcess startAsWorker() throws Exception {
    process = launch("--config", config.toString());
    Poll.until(
        "it runs jobs",
        () -> {
          assertThat(process.isAlive()).as("it runs; it said: %s", err()).isTrue();
          return out().contains("\n");
        });
    return this;
  }

  /** Starts it, which is to fail. */
  Ended startFails() throws Exception {
    return command("--config", config.toString());
  }

  /** Runs its program to the end. */
  Ended command(String... arguments) throws Exception {
    process = launch(arguments);
    assertThat(Poll.ends(process)).as("it ends").isTrue();
    return new Ended(process.exitValue(), out(), err());
  }

  private Process launch(String... arguments) throws IOException {
    List<String> command = new ArrayList<>(launcher);
    String java = Path.of(System.getProperty("java.home"), "bin/java").toString();
    command.add(java);
    command.addAll(jvmOptions);
    command.addAll(List.of("-jar", JAR.toString()));
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().remove("NODEPOOL_API_PASSWORD");
    builder.environment().remove("NODEPOOL_DBURI");
    builder.environment().putAll(variables);
    return builder
        .redirectInput(Redirect.from(new File("/dev/null")))
        .redirectOutput(dir.resolve("out").toFile())
        .redirectError(dir.resolve("err").toFile())
        .start();
  }

  Path dir() {
    return dir;
  }

  Path config() {
    return config;
  }

  int port() {
    return port;
  }

  String url() {
    return "http://127.0.0.1:" + port;
  }

  /** What it has printed since its last start. */
  String out() throws IOException {
    return Files.readString(dir.resolve("out"));
  }

  /** What it has complained of since its last start, its log among it. */
  String err() throws IOException {
    return Files.readString(dir.resolve("err"));
  }

  /** The password that it made. */
  String password() throws IOException {
    return Files.readString(dir.resolve("var/admin-password")).strip();
  }

  Http http() throws IOException {
    return new Http(port, "admin", password());
  }

  long pid() {
    return process.pid();
  }

  /** The servers of its database, by where they work. */
  List<ProcessHandle> databases() {
    Path data = dir.resolve("var/db/data");
    return ProcessHandle.allProcesses()
        .filter(p -> data.equals(link(p, "cwd")) && link(p, "exe").endsWith("mariadbd"))
        .toList();
  }

  boolean isAlive() {
    return process != null && process.isAlive();
  }

  /** The id that is on the jobs that it runs; fails before its first start. */
  String installation() throws IOException {
    return Files.readString(dir.resolve("var/installation")).strip();
  }

  /** The ports that it listens on. */
  List<Integer> listeningPorts() throws IOException {
    return listening(pid()).stream()
        .map(address -> Integer.parseInt(address.substring(address.indexOf(':') + 1), 16))
        .toList();
  }

  /** The local addresses of the sockets on which a process listens, as /proc/net has them. */
  static List<String> listening(long pid) throws IOException {
    Set<String> sockets = new HashSet<>();
    try (Stream<Path> open = Files.list(Path.of("/proc", Long.toString(pid), "fd"))) {
      for (Path file : open.toList()) {
        sockets.add(linkText(file));
      }
    }
    List<String> addresses = new ArrayList<>();
    for (String table : List.of("/proc/net/tcp", "/proc/net/tcp6")) {
      for (String line : Files.readAllLines(Path.of(table))) {
        String[] fields = line.strip().split(" +"); // 1: local address, 3: state, 9: inode
        if (fields[3].equals(LISTENS) && sockets.contains("socket:[" + fields[9] + "]")) {
          addresses.add(fields[1]);
        }
      }
    }
    return addresses;
  }

  private static String linkText(Path link) {
    try {
      return Files.readSymbolicLink(link).toString();
    } catch (IOException e) { // it has been closed
      return "";
    }
  }

  /** Waits for it to end by itself; its exit status. */
  int awaitEnd() throws Exception {
    assertThat(Poll.ends(process)).as("it ends; it said: %s", err()).isTrue();
    return status();
  }

  /** Sends it a signal that ends it; how long it then took. */
  Duration end(String signal) throws Exception {
    long began = System.nanoTime();
    signal(signal);
    awaitEnd();
    return Duration.ofNanos(System.nanoTime() - began);
  }

  /** Stops it as a service manager does; how long that took. */
  Duration terminate() throws Exception {
    return end("TERM");
  }

  /** Kills it; what it started is left as it is. */
  void kill9() throws Exception {
    end("KILL");
  }

  void signal(String name) throws Exception {
    run("bash", "-c", "kill -s $0 $1", name, Long.toString(process.pid()));
  }

  /** Its exit status as a shell sees it. */
  int status() {
    return process.exitValue();
  }

  /** Plain SQL on its database, as another program would write it. */
  @Override
  public RowSet<Row> sql(String statement, Object... values) throws IOException {
    String uri = Files.readString(dir.resolve("var/db/dburi")).strip();
    MySQLConnection connection =
        MySQLConnection.connect(vertx, MySQLConnectOptions.fromUri(uri)).await();
    try {
      return connection.preparedQuery(statement).execute(Tuple.wrap(Arrays.asList(values))).await();
    } finally {
      connection.close().await();
    }
  }

  /** The job at this path once it has ended. */
  JsonObject ended(String job) throws IOException {
    Set<String> ends = Set.of("succeeded", "failed", "cancelled");
    Http http = http();
    Poll.until(job + " ends", () -> ends.contains(http.get(job).json().getString("state")));
    return http.get(job).json();
  }

  /** Waits for the job at this path to succeed. */
  void succeeds(String job) throws IOException {
    JsonObject ended = ended(job);
    assertThat(ended.getString("state")).as("%s", ended).isEqualTo("succeeded");
  }

  /** Waits for this text in the log of the job at this path. */
  void awaitLog(String job, String text) throws IOException {
    Http http = http();
    Poll.until(text, () -> http.get(job + "/log").body().contains(text));
  }

  /** Waits for the object at this path to be gone. */
  void awaitGone(String path) throws IOException {
    Http http = http();
    Poll.until(path + " is gone", () -> http.get(path).status() == 404);
  }

  /** The names in one of its directories, which need not be there. */
  List<String> names(String directory) throws IOException {
    if (Files.notExists(dir.resolve(directory))) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(dir.resolve(directory))) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  /** What the system still has below its directory: processes, mounts, loop devices. */
  List<String> remains() throws IOException {
    return remains("");
  }

  /** What the system has below one of its directories: processes, mounts, loop devices. */
  List<String> remains(String directory) throws IOException {
    Path top = dir.resolve(directory);
    List<String> remains = new ArrayList<>(Leftovers.below(top));
    processes(top).forEach(p -> remains.add("process " + p.pid() + " " + read(p, "cmdline")));
    return remains;
  }

  /** The processes that work below it, or have it in their arguments or environment. */
  static List<ProcessHandle> processes(Path top) {
    return ProcessHandle.allProcesses()
        .filter(
            p ->
                Stream.of("cwd", "root", "exe").anyMatch(link -> link(p, link).startsWith(top))
                    || (read(p, "cmdline") + read(p, "environ")).contains(top.toString()))
        .toList();
  }

  private static Path link(ProcessHandle process, String name) {
    try {
      return Files.readSymbolicLink(Path.of("/proc", Long.toString(process.pid()), name));
    } catch (IOException e) { // it has ended
      return Path.of("");
    }
  }

  /** A file of /proc of that process. */
  static String read(ProcessHandle process, String name) {
    try {
      byte[] bytes = Files.readAllBytes(Path.of("/proc", Long.toString(process.pid()), name));
      return new String(bytes, UTF_8).replace('\0', ' ');
    } catch (IOException e) { // it has ended
      return "";
    }
  }

  /** Runs a program, which must succeed; what it printed. */
  static String run(String... command) throws Exception {
    Process program = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(program.getInputStream().readAllBytes(), UTF_8);
    assertThat(program.waitFor()).as("%s: %s", String.join(" ", command), said).isZero();
    return said;
  }

  @Override
  public void close() {
    kill();
    vertx.close().await();
  }

  private void kill() {
    try {
      if (process != null) {
        process.destroyForcibly().waitFor();
      }
      databases().forEach(ProcessHandle::destroyForcibly);
      for (String build : names("var/builds")) {
        Path tmp = dir.resolve("var/builds").resolve(build).resolve("tmp");
        run("bash", SWEEP.toString(), tmp.toString());
      }
      // 76 MB; the other files tell what happened
      run("rm", "-rf", dir.resolve("var/db/data").toString());
    } catch (Exception e) {
      throw new AssertionError("something may be left running below " + dir, e);
    }
  }
}
