package org.nodepool.store.embedded;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.nodepool.programs.Program;
import org.nodepool.programs.Running;
import org.nodepool.store.Database;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A MariaDB of our own, run as a child process from the program files in a jar, for a service that
 * has no database server beside it. It listens on the loopback interface only and knows one user,
 * who owns one database and gets a new password at each start.
 *
 * <p>Below the data directory: {@code lock} (held while we live), {@code server-<version>/} (the
 * program files), {@code data/} (MariaDB's own), {@code tmp/}, {@code server.log} (MariaDB's error
 * log) and {@code dburi} (the address with the password, for an operator's client, while it runs).
 *
 * <p>A kill of this JVM, of the server or of a first start halfway needs no repair by hand: what is
 * made once is made under another name and renamed when complete, and a start ends a server that
 * was left behind. Thread-safe; every method blocks.
 */
public final class EmbeddedMariaDb {
  private static final Logger log = LoggerFactory.getLogger(EmbeddedMariaDb.class);

  private static final String HOST = "127.0.0.1";
  private static final String NAME = "nodepool"; // of the database and of its user

  private static final Duration LOOK = Duration.ofMillis(5);
  private static final Duration START_LIMIT = Duration.ofSeconds(60);
  private static final Duration STOP_LIMIT = Duration.ofSeconds(3);
  private static final Duration RESTART_PAUSE = Duration.ofSeconds(1);
  private static final Duration LEFT_BEHIND_LIMIT = Duration.ofSeconds(20);
  private static final Duration KILL_LIMIT = Duration.ofSeconds(10);
  private static final int PORTS_TRIED = 5;

  private final Path dir;
  private final Path program;
  private final Database.Address address;
  private final DirectoryLock lock;
  private volatile Running process;
  private volatile boolean stopping;
  private volatile Thread restarter;
  private boolean hasEnded;

  /** Where the port of the next attempt comes from; tests give one that is taken. */
  @FunctionalInterface
  interface Ports {
    int next() throws IOException;
  }

  private EmbeddedMariaDb(
      Path dir, Path program, Database.Address address, Running process, DirectoryLock lock) {
    this.dir = dir;
    this.program = program;
    this.address = address;
    this.process = process;
    this.lock = lock;
  }

  /**
   * Starts the server and returns when it answers: some seconds the first time, when it unpacks
   * some 300 MB, well under a second later. A server that an earlier run left behind on this
   * directory is ended first.
   *
   * @param dataDir made, for the owner alone, if it is missing
   * @throws DirectoryLock.Taken if another instance has the directory
   * @throws IOException with the server's own reason if it does not start within 60 s; nothing runs
   *     then, and the directory is free
   */
  public static EmbeddedMariaDb start(Path dataDir) throws IOException {
    return start(dataDir, EmbeddedMariaDb::freePort);
  }

  static EmbeddedMariaDb start(Path dataDir, Ports ports) throws IOException {
    try {
      Path dir = MariaDbProgram.privateDirectory(dataDir).toRealPath();
      DirectoryLock lock = DirectoryLock.take(dir, "data directory");
      try {
        return start(dir, ports, lock);
      } catch (Exception e) {
        lock.release();
        throw e;
      }
    } catch (DirectoryLock.Taken e) {
      throw e;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while the embedded database started");
    } catch (IOException e) {
      // the message of a FileSystemException is often the bare path; its type says what happened
      String why = e instanceof FileSystemException ? e.toString() : e.getMessage();
      throw new IOException("no embedded database in " + dataDir + ": " + why, e);
    }
  }

  private static EmbeddedMariaDb start(Path dir, Ports ports, DirectoryLock lock)
      throws IOException, InterruptedException {
    long began = System.nanoTime();
    endServersLeftBehind(dir);
    Files.deleteIfExists(dburi(dir));
    MariaDbProgram.privateDirectory(dir.resolve("tmp"));
    Path server = MariaDbProgram.unpack(dir);
    bootstrap(dir, server);
    EmbeddedMariaDb started = serve(dir, server, ports, lock);
    started.watch(started.process);
    var took = Duration.ofNanos(System.nanoTime() - began).truncatedTo(ChronoUnit.MILLIS);
    log.info("embedded database in {}: answers at {} after {}", dir, started.address, took);
    return started;
  }

  /** Whether one has been made in that directory. */
  public static boolean existsIn(Path dataDir) {
    return Files.exists(data(dataDir));
  }

  public Database.Address address() {
    return address;
  }

  /**
   * Stops the server cleanly and frees the directory; kills it after 3 s, which loses no committed
   * row. Does nothing the second time. If the thread is interrupted, it kills at once.
   */
  public void stop() {
    stopping = true;
    Thread restart = restarter;
    if (restart != null) {
      restart.interrupt();
    }
    end();
  }

  private synchronized void end() {
    if (hasEnded) {
      return;
    }
    hasEnded = true;
    end(process, STOP_LIMIT);
    try {
      Files.deleteIfExists(dburi(dir));
      lock.release();
    } catch (IOException e) {
      log.warn("embedded database in {}: stopped, but not tidied up: {}", dir, e.toString());
    }
  }

  /** A server that ends by itself, or is killed, is started again at the same address. */
  private void watch(Running server) {
    server
        .ended()
        .thenAccept(
            status -> {
              if (!stopping) {
                log.error(
                    "embedded database in {}: the server ended by itself with status {}; see {}",
                    dir,
                    status,
                    serverLog(dir));
                restarter = new Thread(this::restart, "mariadbd restart");
                restarter.start();
              }
            });
  }

  private void restart() {
    while (!restarted()) {
      try {
        TimeUnit.MILLISECONDS.sleep(RESTART_PAUSE.toMillis());
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  /** Whether there is nothing more to do. Holds the lock, so that a stop finds what it started. */
  private synchronized boolean restarted() {
    if (stopping) {
      return true;
    }
    try {
      process = serve(dir, program, address);
      watch(process);
      log.info("embedded database in {}: answers again at {}", dir, address);
      return true;
    } catch (InterruptedException e) {
      return true;
    } catch (IOException | RuntimeException e) {
      log.error("embedded database in {}: does not start again", dir, e);
      return false;
    }
  }

  // ---- the directory

  private static void writePrivate(Path file, String text) throws IOException {
    Files.deleteIfExists(file);
    Files.createFile(
        file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    Files.writeString(file, text);
  }

  private static Path dburi(Path dir) {
    return dir.resolve("dburi");
  }

  private static Path data(Path dir) {
    return dir.resolve("data");
  }

  private static Path halfData(Path dir) {
    return dir.resolve("data.new");
  }

  private static Path serverLog(Path dir) {
    return dir.resolve("server.log");
  }

  // ---- the first start

  /**
   * Makes the system tables. Without the data that MariaDB's own installer puts in, so there never
   * is a root, an anonymous user or a test database; nor help texts, nor the sys schema.
   */
  private static void bootstrap(Path dir, Path server) throws IOException, InterruptedException {
    if (Files.exists(data(dir))) {
      return;
    }
    Path half = halfData(dir);
    MariaDbProgram.deleteTree(half);
    MariaDbProgram.privateDirectory(half);
    long logged = sizeOfLog(dir);
    List<String> command = command(dir, server, half);
    command.add("--bootstrap");
    Running process = program(command, dir, half).fed().start();
    feed(process, server.resolve("share/mariadb_system_tables.sql"));
    if (process.end(START_LIMIT) != 0) {
      throw endedTooSoon(process, dir, logged);
    }
    Files.move(half, data(dir), StandardCopyOption.ATOMIC_MOVE);
  }

  private static void feed(Running process, Path systemTables) {
    try (OutputStream sql = process.input()) {
      sql.write("CREATE DATABASE mysql;\nUSE mysql;\n".getBytes(UTF_8)); // one statement per line
      Files.copy(systemTables, sql);
    } catch (IOException e) {
      log.debug("the server ended before it had read all; its status and log tell more", e);
    }
  }

  // ---- serving

  private static EmbeddedMariaDb serve(Path dir, Path server, Ports ports, DirectoryLock lock)
      throws IOException, InterruptedException {
    for (int attempt = 1; ; attempt++) {
      var address = new Database.Address(HOST, ports.next(), NAME, NAME, newPassword());
      try {
        return new EmbeddedMariaDb(dir, server, address, serve(dir, server, address), lock);
      } catch (PortTaken e) {
        if (attempt == PORTS_TRIED) {
          throw e;
        }
      }
    }
  }

  private static Running serve(Path dir, Path server, Database.Address address)
      throws IOException, InterruptedException {
    Path initFile = dir.resolve("init.sql");
    Path pidFile = data(dir).resolve("mariadbd.pid");
    Files.deleteIfExists(pidFile);
    writePrivate(initFile, initSql(address));
    long logged = sizeOfLog(dir);
    List<String> command = command(dir, server, data(dir));
    command.add("--init-file=" + initFile);
    command.add("--pid-file=" + pidFile);
    command.add("--port=" + address.port());
    Running process = program(command, dir, data(dir)).start();
    boolean ready = false;
    try {
      awaitReady(process, pidFile, address, dir, logged);
      writePrivate(dburi(dir), address.uri() + "\n");
      ready = true;
      return process;
    } finally {
      Files.deleteIfExists(initFile);
      if (!ready) {
        end(process, Duration.ZERO);
      }
    }
  }

  private static String initSql(Database.Address address) {
    return """
        CREATE DATABASE IF NOT EXISTS %1$s CHARACTER SET utf8mb4;
        CREATE OR REPLACE USER %2$s@'%3$s' IDENTIFIED VIA mysql_native_password USING PASSWORD('%4$s');
        GRANT ALL PRIVILEGES ON %1$s.* TO %2$s@'%3$s';
        """
        .formatted(address.database(), address.user(), HOST, address.password());
  }

  /**
   * The server writes its pid file once it has bound the port, so whoever answers there from then
   * on is ours. It accepts and greets only after it has executed the init file, and ends if a
   * statement in that fails, so the greeting says that our user is there.
   */
  private static void awaitReady(
      Running process, Path pidFile, Database.Address address, Path dir, long logged)
      throws IOException, InterruptedException {
    long end = System.nanoTime() + START_LIMIT.toNanos();
    while (!names(pidFile, process)) {
      if (process.hasEnded(LOOK)) {
        throw endedTooSoon(process, dir, logged);
      }
      if (System.nanoTime() > end) {
        throw new IOException("it did not start within " + START_LIMIT + "; see " + serverLog(dir));
      }
    }
    int leftMs = (int) Math.max(1, TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime()));
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress(address.host(), address.port()), leftMs);
      socket.setSoTimeout(leftMs);
      byte[] head = socket.getInputStream().readNBytes(5); // length, number, protocol version
      if (head.length < 5 || head[4] != 10) {
        throw new EOFException("it does not greet; see " + serverLog(dir));
      }
    } catch (IOException e) {
      if (process.hasEnded(RESTART_PAUSE)) {
        throw endedTooSoon(process, dir, logged);
      }
      throw e;
    }
  }

  private static boolean names(Path pidFile, Running process) throws IOException {
    try {
      return Files.readString(pidFile).strip().equals(Long.toString(process.pid()));
    } catch (NoSuchFileException e) {
      return false;
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName(HOST))) {
      return socket.getLocalPort();
    }
  }

  private static String newPassword() {
    byte[] bytes = new byte[24];
    new SecureRandom().nextBytes(bytes);
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }

  // ---- the process

  private static List<String> command(Path dir, Path server, Path data) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                MariaDbProgram.executable(server).toString(),
                "--no-defaults", // must be the first
                "--basedir=" + server,
                "--datadir=" + data,
                "--tmpdir=" + dir.resolve("tmp"),
                "--lc-messages-dir=" + server.resolve("share"),
                "--log-error=" + serverLog(dir),
                "--bind-address=" + HOST,
                "--socket=", // none
                "--skip-name-resolve",
                "--skip-ssl", // making its keys takes 13 s, and nothing leaves the host
                "--character-set-server=utf8mb4",
                "--max-connections=200",
                "--innodb-flush-log-at-trx-commit=1",
                "--innodb-buffer-pool-size=64M",
                "--innodb-log-file-size=32M",
                "--innodb-log-buffer-size=2M",
                "--key-buffer-size=1M",
                "--aria-pagecache-buffer-size=8M",
                "--table-open-cache=400",
                "--performance-schema=OFF"));
    if (Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0)) {
      command.add("--user=root"); // else it refuses to run as root
    }
    return command;
  }

  /**
   * What it says before it has opened its log, such as a library that is missing, goes there too.
   */
  private static Program program(List<String> command, Path dir, Path data) {
    return new Program(command).in(data).appendingTo(serverLog(dir)).endingWithUs();
  }

  private static void end(Running process, Duration limit) {
    process.terminate();
    try {
      if (!process.hasEnded(limit)) {
        log.warn("embedded database: kills the server (pid {})", process.pid());
        process.kill();
        process.hasEnded(KILL_LIMIT);
      }
    } catch (InterruptedException e) {
      process.kill();
      Thread.currentThread().interrupt();
    }
  }

  private static void endServersLeftBehind(Path dir) throws IOException, InterruptedException {
    for (ProcessHandle server : ProcessHandle.allProcesses().filter(p -> isIn(dir, p)).toList()) {
      log.warn("embedded database in {}: ends pid {}, left by an earlier run", dir, server.pid());
      server.destroy();
      if (!isGone(dir, server, LEFT_BEHIND_LIMIT)) {
        server.destroyForcibly();
        if (!isGone(dir, server, KILL_LIMIT)) {
          throw new IOException(
              "a mariadbd of an earlier run, pid " + server.pid() + ", cannot be ended");
        }
      }
    }
  }

  /**
   * Whether it is a mariadbd at work in this very directory, by its working directory: that cannot
   * be stale or someone else's, as a number in a pid file can.
   */
  private static boolean isIn(Path dir, ProcessHandle process) {
    try {
      Path proc = Path.of("/proc", Long.toString(process.pid()));
      Path program = Files.readSymbolicLink(proc.resolve("exe"));
      Path workingDirectory = Files.readSymbolicLink(proc.resolve("cwd"));
      return program.getFileName().toString().matches("mariadbd( \\(deleted\\))?")
          && List.of(data(dir), halfData(dir)).contains(workingDirectory);
    } catch (IOException e) { // it has ended, or is another user's
      return false;
    }
  }

  private static boolean isGone(Path dir, ProcessHandle process, Duration limit)
      throws InterruptedException {
    long end = System.nanoTime() + limit.toNanos();
    // not isAlive(): a process that nobody waits for stays a zombie
    while (isIn(dir, process)) {
      if (System.nanoTime() > end) {
        return false;
      }
      TimeUnit.MILLISECONDS.sleep(20);
    }
    return true;
  }

  // ---- its log

  private static final class PortTaken extends IOException {
    private PortTaken(String message) {
      super(message);
    }
  }

  private static long sizeOfLog(Path dir) throws IOException {
    return Files.exists(serverLog(dir)) ? Files.size(serverLog(dir)) : 0;
  }

  /**
   * Quotes the first error, as the later ones are often its consequences ("Failed to initialize
   * plugins").
   *
   * @param logged where in the log the process began
   */
  private static IOException endedTooSoon(Running process, Path dir, long logged)
      throws IOException {
    List<String> errors;
    try (Stream<String> lines = logFrom(dir, logged).lines()) {
      errors =
          lines
              .filter(
                  l -> l.contains("ERROR") || l.contains("error while loading shared libraries"))
              .toList();
    }
    String message =
        "mariadbd ended with status %d, its first error: %s; see %s"
            .formatted(process.status(), errors.isEmpty() ? "none" : errors.get(0), serverLog(dir));
    return errors.stream().anyMatch(l -> l.contains("Bind on TCP/IP port"))
        ? new PortTaken(message)
        : new IOException(message);
  }

  private static String logFrom(Path dir, long start) throws IOException {
    try (InputStream in = Files.newInputStream(serverLog(dir))) {
      in.skipNBytes(start);
      return new String(in.readAllBytes(), UTF_8);
    }
  }
}
