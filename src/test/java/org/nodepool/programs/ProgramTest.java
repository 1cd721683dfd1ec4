package org.nodepool.programs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nodepool.Poll;

class ProgramTest {
  private static final Duration LONG = Duration.ofMinutes(1);

  @TempDir Path dir;

  @Test
  void it_has_of_our_environment_what_is_allowed() throws Exception {
    assertThat(System.getenv()).as("else this shows nothing").containsKey("HOME");

    List<String> names =
        printed(new Program(List.of("env"))).lines().map(line -> line.split("=")[0]).toList();

    assertThat(names).contains("PATH", "HOME").isSubsetOf(Environment.inherited(all()).keySet());
    assertThat(Environment.inherited(Map.of("NODEPOOL_API_PASSWORD", "s", "LANG", "C")))
        .containsOnlyKeys("LANG");
  }

  private static Map<String, String> all() {
    return System.getenv();
  }

  @Test
  void it_has_only_what_it_is_given() throws Exception {
    Program program = new Program(List.of("/usr/bin/env")).withOnly(Map.of("A", "a b"));
    assertThat(printed(program)).isEqualTo("A=a b\n");
  }

  @Test
  void it_leads_a_session_of_its_own() throws Exception {
    Running shell = shell("ps -o sid=,pgid= -p $$").read().start();
    String said = new String(shell.output().readAllBytes(), StandardCharsets.UTF_8).strip();
    assertThat(said.split(" +")).containsOnly(Long.toString(shell.pid()));
  }

  @Test
  void it_reads_nothing_and_what_it_prints_goes_away_unless_it_is_told() throws Exception {
    assertThat(shell("cat; echo printed").run(LONG)).isZero();
    assertThat(printed(shell("cat; pwd; echo error >&2").in(dir)))
        .isEqualTo(dir.toRealPath() + "\nerror\n");
  }

  @Test
  void it_reads_what_it_is_fed() throws Exception {
    Running running = shell("tr a-z A-Z").fed().read().start();
    try (var input = running.input()) {
      input.write("fed".getBytes(StandardCharsets.UTF_8));
    }
    assertThat(running.output().readAllBytes()).asString().isEqualTo("FED");
  }

  @Test
  void what_it_prints_is_added_to_a_file_or_becomes_one() throws Exception {
    Path log = dir.resolve("log");
    shell("echo one").appendingTo(log).run(LONG);
    shell("echo two >&2").appendingTo(log).run(LONG);
    assertThat(log).hasContent("one\ntwo\n");
    shell("echo three").writingTo(log).run(LONG);
    assertThat(log).hasContent("three\n");
  }

  @Test
  void its_status_is_told() throws Exception {
    assertThat(shell("exit 3").run(LONG)).isEqualTo(3);
    assertThat(shell("exit 4").start().ended().get()).isEqualTo(4);
  }

  @Test
  void one_that_takes_too_long_is_killed_with_what_it_started() throws Exception {
    Program program = shell("sleep 1000 & echo $! > child; wait").in(dir);
    assertThatThrownBy(() -> program.run(Duration.ofSeconds(2)))
        .isInstanceOf(IOException.class)
        .hasMessageEndingWith("took more than PT2S");
    long child = Long.parseLong(Files.readString(dir.resolve("child")).strip());
    Poll.until("its child is gone", () -> !isRunning(child));
  }

  @Test
  void one_that_nobody_waits_for_is_killed_at_its_limit_and_one_that_has_ended_is_not()
      throws Exception {
    Running slow = shell("sleep 1000").start();
    slow.killAfter(Duration.ofMillis(200));
    assertThat(slow.hasEnded(LONG)).isTrue();

    Running quick = shell("exit 5").start();
    quick.killAfter(LONG);
    assertThat(quick.end(LONG)).isEqualTo(5);
  }

  @Test
  void it_is_killed_with_what_it_started_also_when_that_ignores_all() throws Exception {
    Running running =
        shell("trap '' TERM HUP; (trap '' TERM; sleep 1000) & echo $! > child; wait")
            .in(dir)
            .start();
    Path file = dir.resolve("child");
    Poll.until("it has a child", () -> Files.exists(file) && Files.size(file) > 0);
    long child = Long.parseLong(Files.readString(file).strip());

    running.terminate();
    assertThat(running.hasEnded(Duration.ofMillis(300))).isFalse();
    running.kill();

    assertThat(running.hasEnded(LONG)).isTrue();
    Poll.until("its child is gone", () -> !isRunning(child));
  }

  @Test
  void a_program_that_is_not_there_is_told_by_its_status() throws Exception {
    assertThat(new Program(List.of("no-such-program")).run(LONG)).isNotZero();
  }

  /** A child that nobody waits for is a zombie for a while. */
  private static boolean isRunning(long pid) throws IOException {
    Path stat = Path.of("/proc", Long.toString(pid), "stat");
    try {
      return !Files.readString(stat).matches("(?s).*\\) Z .*");
    } catch (IOException e) {
      return false;
    }
  }

  private static Program shell(String script) {
    return new Program(List.of("bash", "-c", script));
  }

  private static String printed(Program program) throws Exception {
    Running running = program.read().start();
    return new String(running.output().readAllBytes(), StandardCharsets.UTF_8);
  }
}
