package org.nodepool.ssh;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.FreePort;
import org.nodepool.Poll;
import org.nodepool.RunsBesideOthers;
import org.nodepool.programs.OutputLines;
import org.nodepool.programs.OutputLines.Line;
import org.nodepool.programs.Program;

/** Against a real server; as root, for it has users of its own. */
@RunsBesideOthers
@Timeout(value = 10, unit = TimeUnit.MINUTES)
class SshTest {
  private static final Duration LONG = Duration.ofMinutes(1);
  private static final Duration SHORT = Duration.ofSeconds(3);

  @TempDir Path dir;

  private SshKey key;
  private HostKeys hostKeys;
  private SshServer server;
  private Ssh ssh;

  @BeforeEach
  void a_server_that_lets_root_in() throws Exception {
    key = SshKey.ownPair(Files.createDirectory(dir.resolve("100% of 'the' \"keys\" ${1}")));
    hostKeys = new HostKeys(Files.createDirectory(dir.resolve("attempt ${1}")));
    server = new SshServer(Files.createDirectory(dir.resolve("server")));
    server.lettingIn("root", key.publicKey());
    Files.setPosixFilePermissions(dir, PosixFilePermissions.fromString("rwxr-xr-x"));
    ssh = new Ssh(server.target(), key, hostKeys);
  }

  @AfterEach
  void stop() throws Exception {
    server.close();
  }

  private Login root() throws Exception {
    server.start();
    return login("root");
  }

  private Login login(String... users) throws Exception {
    return ssh.login(List.of(users), LONG, () -> true);
  }

  private SshFailure failure(ThrowingCallable call) {
    return catchThrowableOfType(SshFailure.class, call);
  }

  private SshFailure noLoginTo(Target target) {
    return failure(() -> new Ssh(target, key, hostKeys).login(List.of("root"), SHORT, () -> true));
  }

  // logins

  @Test
  void the_first_user_who_gets_in_is_it() throws Exception {
    server.start();
    assertThat(login("no-such-user", "tester", "root").user()).isEqualTo("root");
  }

  @Test
  void a_login_counts_when_a_command_has_answered() throws Exception {
    String advice = "command=\"echo 'Please login as the user tester rather than root.'\" ";
    server.lettingIn("root", advice + key.publicKey()).lettingIn("tester", key.publicKey());
    server.start();

    assertThat(login("root", "tester").user()).isEqualTo("tester");
    assertThat(failure(() -> ssh.login(List.of("root"), SHORT, () -> true)))
        .hasMessageContaining("as root (Please login as the user tester rather than root.)");
  }

  @Test
  void a_server_that_comes_later_is_waited_for() throws Exception {
    AtomicInteger asked = new AtomicInteger();
    Login login =
        ssh.login(
            List.of("root"),
            LONG,
            () -> {
              if (asked.incrementAndGet() == 3) {
                unchecked(server::start);
              }
              return true;
            });
    assertThat(login.user()).isEqualTo("root");
  }

  @Test
  void who_was_refused_and_why_is_told() throws Exception {
    server.start();
    assertThat(failure(() -> ssh.login(List.of("tester", "ubuntu"), SHORT, () -> true)))
        .hasMessageStartingWith("Nobody could log in to " + server.target() + " within PT3S: ")
        .hasMessageContainingAll("as tester (", "as ubuntu (", "Permission denied (publickey)");
  }

  @Test
  void nobody_listens() {
    assertThat(noLoginTo(server.target()))
        .hasMessageContaining("no connection (Connection refused");
  }

  @Test
  void a_server_that_is_reached_only_by_who_says_something_is_seen() throws Exception {
    server.start();
    try (ServerSocket between = listener()) {
      inBackground(
          () -> {
            while (true) {
              passOn(between.accept());
            }
          });
      Ssh through = new Ssh(targetOf(between), key, hostKeys);
      assertThat(through.login(List.of("root"), LONG, () -> true).user()).isEqualTo("root");
    }
  }

  /** As passt does: to the server goes nobody who says nothing. */
  private void passOn(Socket client) {
    inBackground(
        () -> {
          int first = client.getInputStream().read();
          Socket served = new Socket(server.target().ip(), server.target().port());
          served.getOutputStream().write(first);
          inBackground(() -> pass(served, client));
          pass(client, served);
        });
  }

  private static void pass(Socket from, Socket to) throws IOException {
    try (from;
        to) {
      from.getInputStream().transferTo(to.getOutputStream());
    }
  }

  /** As QEMU's user network does. */
  @Test
  void a_connection_that_stays_silent_is_no_server() throws Exception {
    try (ServerSocket silent = listener()) {
      assertThat(noLoginTo(targetOf(silent)))
          .hasMessageContaining("it takes connections, and no SSH server answers (no answer)");
    }
  }

  @Test
  void what_says_something_else_or_hangs_up_is_no_server() throws Exception {
    for (String said : List.of("", "HTTP/1.1 400 Bad Request\r\n\r\n", "x".repeat(100_000))) {
      try (ServerSocket other = listener()) {
        serve(other, said);
        assertThat(noLoginTo(targetOf(other))).hasMessageContaining("no SSH server answers");
      }
    }
  }

  /** Each byte comes in time for one more. */
  @Test
  void a_banner_that_comes_byte_by_byte_holds_nobody_for_longer_than_the_limit() throws Exception {
    try (ServerSocket slow = listener()) {
      inBackground(
          () -> {
            try (Socket client = slow.accept()) {
              while (true) {
                client.getOutputStream().write('x');
                TimeUnit.MILLISECONDS.sleep(300);
              }
            }
          });
      long began = System.nanoTime();
      assertThat(noLoginTo(targetOf(slow))).hasMessageContaining("no SSH server answers");
      assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(SHORT.multipliedBy(4));
    }
  }

  /** It looks like one, and then says nothing. */
  @Test
  void a_server_that_hangs_after_its_banner_ends_with_the_limit() throws Exception {
    try (ServerSocket hanging = listener()) {
      inBackground(
          () -> {
            List<Socket> kept = new ArrayList<>();
            while (true) {
              Socket client = hanging.accept();
              client.getOutputStream().write("SSH-2.0-hanging\r\n".getBytes(UTF_8));
              kept.add(client);
            }
          });
      assertThat(noLoginTo(targetOf(hanging)))
          .hasMessageContaining("an SSH server answers and refuses, as root (");
    }
  }

  @Test
  void a_machine_that_has_ended_is_not_waited_for() {
    AtomicInteger asked = new AtomicInteger();
    assertThat(failure(() -> ssh.login(List.of("root"), LONG, () -> asked.incrementAndGet() < 3)))
        .hasMessage("The machine ended before anybody could log in.");
  }

  @ParameterizedTest
  @ValueSource(strings = {"-oProxyCommand=touch x", "", "a b", "root\n", "$(id)", "a;b", "%h"})
  void no_name_of_a_user_is_taken_for_something_else(String user) {
    assertThat(failure(() -> ssh.login(List.of(user), LONG, () -> true)))
        .hasMessageStartingWith("No user can have the name ");
  }

  // host keys

  @Test
  void another_host_key_than_that_of_the_first_login_is_refused() throws Exception {
    Login login = root();
    assertThat(hostKeys.areKnown()).isTrue();
    server.close();
    server.makeHostKey();
    server.start();

    String told = "The host key of " + server.target() + " is not the one that was learned before.";
    assertThat(failure(() -> login("root"))).hasMessage(told);
    assertThat(failure(() -> login.run(Command.of("true"), line -> {}, LONG))).hasMessage(told);
    // also by another process
    hostKeys = new HostKeys(hostKeys.directory());
    ssh = new Ssh(server.target(), key, hostKeys);
    assertThat(failure(() -> login("root"))).hasMessage(told);
  }

  @Test
  void the_host_key_that_the_console_showed_is_the_only_one() throws Exception {
    hostKeys.learn(console(server.hostKey()));
    assertThat(root().user()).isEqualTo("root");

    HostKeys others = new HostKeys(Files.createDirectory(dir.resolve("others")));
    others.learn(console(key.publicKey()));
    Ssh toOther = new Ssh(server.target(), key, others);
    assertThat(failure(() -> toOther.login(List.of("root"), LONG, () -> true)))
        .hasMessageContaining("is not the one that was learned before");
  }

  private static String console(String hostKey) {
    return """
        -----BEGIN SSH HOST KEY KEYS-----\r
        %s\r
        -----END SSH HOST KEY KEYS-----\r
        """
        .formatted(hostKey);
  }

  /** A first boot may do so: it starts its server with the image's key, and then makes its own. */
  @Test
  void a_host_key_of_a_machine_that_let_nobody_in_is_not_kept() throws Exception {
    server.lettingIn("root").start();
    assertThat(failure(() -> ssh.login(List.of("root"), SHORT, () -> true)))
        .hasMessageContaining("Permission denied");
    assertThat(hostKeys.areKnown()).isFalse();
    server.close();
    server.makeHostKey();
    server.lettingIn("root", key.publicKey()).start();

    assertThat(login("root").user()).isEqualTo("root");
  }

  // commands

  @Test
  void a_command_has_its_words_its_variables_and_its_directory() throws Exception {
    String odd = "it's \"$(touch /x)\" `id` \\ *\n-v é\t!";
    Command command =
        Command.of("sh", "-c", "pwd; echo \"$0\"; env", odd)
            .with(Map.of("NODEPOOL_ODD", odd, "NODEPOOL_EMPTY", ""))
            .in("/usr/share");

    Printed printed = run(root(), command);

    assertThat(printed.status).isZero();
    assertThat(printed.text())
        .startsWith("/usr/share\n" + odd + "\n")
        .contains("\nNODEPOOL_EMPTY=\n", "\nNODEPOOL_ODD=" + odd + "\n");
  }

  @Test
  void a_word_that_begins_with_a_dash_or_is_a_keyword_is_a_word() throws Exception {
    Login login = root();
    assertThat(run(login, Command.of("printf", "%s", "--version")).text()).isEqualTo("--version\n");
    for (String name : List.of("-x", "if", "A=b", "}")) {
      Printed printed = run(login, Command.of(name));
      assertThat(printed.status).isEqualTo(127);
      assertThat(printed.text()).contains("not found");
    }
  }

  @Test
  void its_exit_status_is_told_also_one_that_ssh_itself_has() throws Exception {
    Login login = root();
    for (int status : List.of(3, 255, 127, 0)) {
      assertThat(run(login, Command.of("sh", "-c", "exit " + status)).status).isEqualTo(status);
    }
    assertThat(run(login, Command.of("sh", "-c", "kill -9 $$")).status).isEqualTo(128 + 9);
    Printed nowhere = run(login, Command.of("pwd").in("/no/such/directory"));
    assertThat(nowhere.status).isPositive();
    assertThat(nowhere.text()).contains("/no/such/directory");
  }

  @Test
  void what_it_prints_comes_as_it_is_errors_among_it() throws Exception {
    Login login = root();
    assertThat(shell(login, "printf 'no end'").lines).containsExactly(whole("no end"));
    assertThat(shell(login, "printf '\\n\\na\\n\\n'").lines)
        .containsExactly(whole(""), whole(""), whole("a"), whole(""));
    assertThat(shell(login, "true").lines).isEmpty();
    assertThat(shell(login, "echo 1; echo 2 >&2; echo 3").text()).isEqualTo("1\n2\n3\n");
    assertThat(shell(login, "printf 'a\\033[31m\\r\\b\\0b\\377\\n'").lines)
        .containsExactly(whole("a\033[31m\r\b\0b\uFFFD"));
    assertThat(shell(login, "head -c 20000 /dev/zero | tr '\\0' x; echo; echo next").lines)
        .containsExactly(
            new Line("x".repeat(OutputLines.LONGEST_BYTES), 20_000 - OutputLines.LONGEST_BYTES),
            whole("next"));
  }

  @Test
  void ten_megabytes_come_whole() throws Exception {
    Printed printed = shell(root(), "yes 123456789012345 | head -n 655360");
    assertThat(printed.lines).hasSize(655_360).containsOnly(whole("123456789012345"));
  }

  @Test
  void lines_come_while_it_runs() throws Exception {
    Path flag = dir.resolve("flag");
    Command command =
        Command.of("sh", "-c", "echo go; until [ -e \"$0\" ]; do sleep 0.1; done", flag.toString());
    int status = root().run(command, line -> unchecked(() -> Files.createFile(flag)), LONG);
    assertThat(status).isZero();
  }

  @Test
  void variables_of_any_size_a_machine_takes_arrive() throws Exception {
    String large = "x".repeat(100_000);
    Command command =
        Command.of("sh", "-c", "echo ${#A} ${#B}").with(Map.of("A", large, "B", large));
    assertThat(run(root(), command).text()).isEqualTo("100000 100000\n");
  }

  @Test
  void it_reads_nothing() throws Exception {
    assertThat(run(root(), Command.of("cat"))).isEqualTo(new Printed(0, List.of()));
  }

  @Test
  void what_it_leaves_running_keeps_nobody_waiting() throws Exception {
    Printed printed = shell(root(), "echo started; sleep 1000 & exit 4");
    assertThat(printed).isEqualTo(new Printed(4, List.of(whole("started"))));
  }

  @Test
  void one_that_hangs_ends_with_its_limit() throws Exception {
    Login login = root();
    assertThat(failure(() -> login.run(Command.of("sleep", "1000"), line -> {}, SHORT)))
        .hasMessage("The command at " + server.target() + " took more than PT3S.");
    assertThat(shell(login, "echo again").text()).isEqualTo("again\n");
  }

  @Test
  void a_server_that_hangs_up_before_a_session_is_asked_again() throws Exception {
    server.start();
    AtomicInteger hangUps = new AtomicInteger();
    try (ServerSocket between = listener()) {
      inBackground(
          () -> {
            while (true) {
              Socket client = between.accept();
              if (hangUps.getAndDecrement() > 0) {
                client.close();
              } else {
                passOn(client);
              }
            }
          });
      Login login =
          new Ssh(targetOf(between), key, hostKeys).login(List.of("root"), LONG, () -> true);
      hangUps.set(2);
      assertThat(shell(login, "exit 3").status).isEqualTo(3);
      assertThat(hangUps).as("it was asked three times").hasNegativeValue();
    }
  }

  @Test
  void a_connection_that_is_cut_is_no_exit_status() throws Exception {
    Login login = root();
    Command command = Command.of("sh", "-c", "echo the password is geheim; sleep 1000");
    assertThat(failure(() -> login.run(command, line -> server.cutConnections(), LONG)))
        .hasMessageStartingWith(
            "The connection to " + server.target() + " was lost before the command ended")
        .message()
        .doesNotContain("geheim");
    assertThat(shell(login, "echo again").text()).isEqualTo("again\n");
  }

  @Test
  void a_stop_ends_a_command_and_whatever_comes() throws Exception {
    Login login = root();
    CompletableFuture<Void> running = new CompletableFuture<>();
    inBackground(
        () -> {
          running.get();
          ssh.stop();
        });
    Command command = Command.of("sh", "-c", "echo started; sleep 1000");
    assertThat(failure(() -> login.run(command, line -> running.complete(null), LONG)))
        .hasMessage("SSH was stopped");
    assertThat(failure(() -> login.run(Command.of("true"), line -> {}, LONG)))
        .hasMessage("SSH was stopped");
    assertThat(failure(() -> login("root"))).hasMessage("SSH was stopped");
  }

  @Test
  void a_stop_ends_the_wait_for_a_login() throws Exception {
    try (ServerSocket silent = listener()) {
      ssh = new Ssh(targetOf(silent), key, hostKeys);
      CompletableFuture<Void> asked = new CompletableFuture<>();
      inBackground(
          () -> {
            asked.get();
            ssh.stop();
          });
      assertThat(
              failure(() -> ssh.login(List.of("root"), LONG, () -> asked.complete(null) || true)))
          .hasMessage("SSH was stopped");
    }
  }

  @Test
  void an_output_that_fails_ends_the_command() throws Exception {
    Login login = root();
    assertThatExceptionOfType(IllegalStateException.class)
        .isThrownBy(
            () ->
                login.run(
                    Command.of("yes"),
                    line -> {
                      throw new IllegalStateException("no log");
                    },
                    LONG));
    Poll.until("ssh has ended", () -> cmdlines().noneMatch(line -> line.contains(port())));
  }

  // what others can see

  @Test
  void nothing_of_our_environment_is_in_the_nodes() throws Exception {
    Set<String> itsOwn =
        Set.of(
            "PATH",
            "HOME",
            "USER",
            "LOGNAME",
            "SHELL",
            "PWD",
            "OLDPWD",
            "SHLVL",
            "_",
            "SSH_CONNECTION",
            "SSH_CLIENT",
            "SSH_PUBKEYINFO");
    assertThat(System.getenv().keySet())
        .as("else this shows nothing")
        .anyMatch(name -> !itsOwn.contains(name));
    assertThat(shell(root(), "env").lines)
        .extracting(line -> line.text().split("=")[0])
        .isSubsetOf(itsOwn);
  }

  @Test
  void no_list_of_processes_has_the_variables() throws Exception {
    String secret = "a-secret-of-a-node";
    Command command =
        Command.of("sh", "-c", "echo $NODEPOOL_TOKEN; sleep 1000")
            .with(Map.of("NODEPOOL_TOKEN", secret));
    List<String> seen = new ArrayList<>();
    Login login = root();
    failure(
        () ->
            login.run(
                command,
                line -> {
                  unchecked(() -> cmdlines().forEach(seen::add));
                  seen.add(line.text());
                  ssh.stop();
                },
                LONG));
    assertThat(seen).as("the node has it").contains(secret);
    assertThat(seen).as("ssh was seen").anyMatch(line -> line.contains(port()));
    assertThat(seen).filteredOn(line -> line.contains(secret)).containsExactly(secret);
    assertThat(command.toString()).doesNotContain(secret);
  }

  private String port() {
    return "-p " + server.target().port();
  }

  private static Stream<String> cmdlines() throws IOException {
    try (Stream<Path> processes = Files.list(Path.of("/proc"))) {
      return processes
          .filter(process -> process.getFileName().toString().matches("\\d+"))
          .toList()
          .stream()
          .flatMap(
              process -> {
                try {
                  String line = Files.readString(process.resolve("cmdline"));
                  return Stream.of(line.replace('\0', ' '));
                } catch (IOException e) {
                  return Stream.empty(); // it has ended
                }
              });
    }
  }

  // files

  @Test
  void regular_files_of_a_directory_are_copied_and_nothing_else() throws Exception {
    Path scripts = Files.createDirectory(dir.resolve("scripts ' of $(us)"));
    Path secret = Files.writeString(dir.resolve("elsewhere"), "of others");
    List<String> odd =
        List.of("-rf", "a b", "it's", "$(id)", "new\nline", "--help", "*", ".hidden");
    for (String name : odd) {
      Files.writeString(scripts.resolve(name), "I am " + name);
    }
    Files.writeString(scripts.resolve("x".repeat(200)), "long");
    file(scripts.resolve("run"), "rwx------");
    file(scripts.resolve("read"), "rw-------");
    file(scripts.resolve("everybody"), "rw-rw-rw-");
    assertThat(
            new Program(List.of("chmod", "6755", file(scripts.resolve("setuid"), "rwx------")))
                .run(LONG))
        .isZero();
    Files.createSymbolicLink(scripts.resolve("link"), secret);
    Files.createDirectories(scripts.resolve("deeper")).resolve("file").toFile().createNewFile();
    assertThat(new Program(List.of("mkfifo", scripts.resolve("fifo").toString())).run(LONG))
        .isZero();
    Path to = dir.resolve("opt/the scripts' place");

    root().copy(scripts, to.toString(), LONG);

    List<String> expected = new ArrayList<>(odd);
    expected.addAll(List.of("x".repeat(200), "run", "read", "everybody", "setuid"));
    try (Stream<Path> copied = Files.list(to)) {
      assertThat(copied.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrderElementsOf(expected);
    }
    for (String name : odd) {
      assertThat(to.resolve(name)).hasContent("I am " + name);
    }
    assertThat(mode(to.resolve("run"))).isEqualTo(0755);
    assertThat(mode(to.resolve("read"))).isEqualTo(0644);
    assertThat(mode(to.resolve("everybody"))).isEqualTo(0644);
    assertThat(mode(to.resolve("setuid"))).isEqualTo(0755);
    assertThat(mode(to)).isEqualTo(0755);
  }

  private static String file(Path file, String mode) throws IOException {
    Files.writeString(file, "#!/bin/sh\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(mode));
    return file.toString();
  }

  private static int mode(Path file) throws IOException {
    return (int) Files.getAttribute(file, "unix:mode") & 07777;
  }

  @Test
  void files_are_copied_again_beside_others_and_large_ones_whole() throws Exception {
    Path scripts = Files.createDirectory(dir.resolve("scripts"));
    Path to = Files.createDirectory(dir.resolve("to"));
    Files.writeString(to.resolve("other"), "stays");
    Login login = root();
    login.copy(scripts, to.toString(), LONG);
    byte[] large = new byte[20_000_000];
    Files.write(scripts.resolve("setup"), large);
    login.copy(scripts, to.toString(), LONG);
    login.copy(scripts, to.toString(), LONG);
    assertThat(to.resolve("setup")).hasBinaryContent(large);
    assertThat(to.resolve("other")).hasContent("stays");
  }

  @Test
  void a_user_copies_with_sudo() throws Exception {
    server.lettingIn("tester", key.publicKey()).withSudo("tester ALL=(ALL) NOPASSWD: ALL").start();
    Path scripts = Files.createDirectory(dir.resolve("scripts"));
    file(scripts.resolve("setup"), "rwx------");
    Path to = dir.resolve("it's root's");

    Login login = login("tester");
    login.copy(scripts, to.toString(), LONG);

    assertThat(Files.getAttribute(to.resolve("setup"), "unix:uid")).isEqualTo(0);
    assertThat(run(login, Command.of("./setup").in(to.toString())).status).isZero();
  }

  @Test
  void who_may_not_use_sudo_is_refused_in_its_words() throws Exception {
    server.lettingIn("tester", key.publicKey()).withSudo("").start();
    Path scripts = Files.createDirectory(dir.resolve("scripts"));
    file(scripts.resolve("setup"), "rwx------");
    Login login = login("tester");
    assertThat(failure(() -> login.copy(scripts, dir.resolve("to").toString(), LONG)))
        .hasMessageStartingWith(scripts + " could not be copied to ")
        .hasMessageContaining("sudo: ");
  }

  @Test
  void a_copy_that_fails_at_either_end_says_why() throws Exception {
    Login login = root();
    Path scripts = Files.createDirectory(dir.resolve("scripts"));
    Files.write(scripts.resolve("large"), new byte[5_000_000]);
    Path file = Files.writeString(dir.resolve("file"), "");
    assertThat(failure(() -> login.copy(scripts, file + "/to", LONG)))
        .hasMessageContaining("mkdir: ")
        .hasMessageContaining("Not a directory");
    assertThat(failure(() -> login.copy(dir.resolve("none"), dir + "/to", LONG)))
        .hasMessageContaining("none: No such file or directory");
    assertThat(failure(() -> login.copy(scripts, "/dev/full", LONG))).hasMessageContaining("mkdir");
    server.close();
    assertThat(failure(() -> login.copy(scripts, dir + "/to", SHORT)))
        .hasMessageContaining("Connection refused");
  }

  // helpers

  private record Printed(int status, List<Line> lines) {
    String text() {
      return lines.stream().map(line -> line.text() + "\n").reduce("", String::concat);
    }
  }

  private static Printed run(Login login, Command command) throws Exception {
    List<Line> lines = new ArrayList<>();
    int status = login.run(command, lines::add, LONG);
    return new Printed(status, lines);
  }

  private static Printed shell(Login login, String script) throws Exception {
    return run(login, Command.of("sh", "-c", script));
  }

  private static Line whole(String text) {
    return new Line(text, 0);
  }

  private static ServerSocket listener() throws IOException {
    return new ServerSocket(FreePort.next(), 50, InetAddress.getByName("127.0.0.1"));
  }

  private static Target targetOf(ServerSocket listener) {
    return new Target("127.0.0.1", listener.getLocalPort());
  }

  /** Says that to whoever comes, and hangs up. */
  private static void serve(ServerSocket listener, String said) {
    inBackground(
        () -> {
          while (true) {
            try (Socket client = listener.accept()) {
              client.getOutputStream().write(said.getBytes(UTF_8));
            }
          }
        });
  }

  private interface Action {
    void run() throws Exception;
  }

  private static void inBackground(Action action) {
    Thread thread =
        new Thread(
            () -> {
              try {
                action.run();
              } catch (Exception e) {
                // the test is over
              }
            });
    thread.setDaemon(true);
    thread.start();
  }

  private static void unchecked(Action action) {
    try {
      action.run();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }
}
