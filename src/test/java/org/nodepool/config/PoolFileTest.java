package org.nodepool.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.Poll;
import org.nodepool.RunsAlone;

@RunsAlone("has a second at most for a change")
@Execution(ExecutionMode.CONCURRENT) // they wait, each for files of its own
class PoolFileTest {
  private static final String EMPTY = "providers: []\n";
  private static final String STAYS = "; the configuration of 2026-11-23T18:40:00Z stays in force";
  private static final Duration SOON = Duration.ofSeconds(1);

  @TempDir Path directory;

  private final List<Process> programs = new ArrayList<>();
  private Path file;
  private PoolFile pool;

  @BeforeEach
  void a_pool_without_images() throws Exception {
    file = directory.resolve("nodepool.yaml");
    Files.writeString(file, EMPTY);
    Files.setLastModifiedTime(file, FileTime.from(Instant.parse("2026-11-23T18:40:00.5Z")));
    pool = PoolFile.open(file, clouds(), true, PoolFile.SETTLE);
  }

  private CloudsFile clouds() {
    return new CloudsFile(List.of(directory.resolve("clouds.yaml")));
  }

  @Test
  void a_changed_clouds_yaml_is_in_force_after_a_refresh_and_a_broken_one_a_warning()
      throws Exception {
    Path clouds = directory.resolve("clouds.yaml");
    String cloud = "clouds: {c: {auth: {auth_url: x, username: a, password: %s, project_id: p}}}";
    replace("providers: [{name: p, cloud: c}]");
    pool.refresh();
    assertThat(pool.warning())
        .contains("\"c\" is in no clouds.yaml")
        .doesNotContain("" + directory);

    Files.writeString(clouds, cloud.formatted("old"));
    pool.refresh();
    assertThat(pool.warning()).isNull();
    assertThat(password()).isEqualTo(new Secret("old"));

    Files.writeString(clouds, cloud.formatted("1"));
    pool.refresh();
    assertThat(pool.warning()).contains("clouds.yaml: clouds.c.auth.password: must be text");
    assertThat(password()).isEqualTo(new Secret("old"));

    Files.writeString(clouds, cloud.formatted("new"));
    pool.refresh();
    assertThat(pool.warning()).isNull();
    assertThat(password()).isEqualTo(new Secret("new"));
  }

  private Secret password() {
    DriverConfig cloud = pool.current().providers().get("p").driver();
    CloudAccess access = ((DriverConfig.OpenStack) cloud).access();
    return ((CloudAccess.Password) access.credentials()).password();
  }

  @AfterEach
  void end_programs() {
    programs.forEach(Process::destroyForcibly);
  }

  @Test
  void a_file_that_is_replaced_is_in_force_after_a_refresh() throws Exception {
    replace(EMPTY + "images-dir: /new");
    assertThat(pool.current().imagesDir()).isNull();

    pool.refresh();

    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));
    assertThat(pool.warning()).isNull();
  }

  @Test
  void a_file_that_is_rewritten_in_place_is_in_force_after_a_refresh() throws Exception {
    Files.writeString(file, EMPTY + "images-dir: /new");
    pool.refresh();
    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));

    Files.writeString(file, EMPTY);
    pool.refresh();
    assertThat(pool.current().imagesDir()).isNull();
  }

  @Test
  void a_change_that_leaves_size_and_time_is_noticed() throws Exception {
    Files.writeString(file, EMPTY + "images-dir: /a");
    pool.refresh();
    FileTime time = Files.getLastModifiedTime(file);

    Files.writeString(file, EMPTY + "images-dir: /b");
    Files.setLastModifiedTime(file, time);
    pool.refresh();

    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/b"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z"})
  void a_file_of_another_time_is_in_force_after_a_refresh(String time) throws Exception {
    Files.writeString(file, EMPTY + "images-dir: /new");
    Files.setLastModifiedTime(file, FileTime.from(Instant.parse(time)));
    pool.refresh();
    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));
  }

  @Test
  void a_file_that_is_half_written_is_not_taken() throws Exception {
    Process writer =
        run(
            """
            exec 3> nodepool.yaml
            echo 'providers: []' >&3
            echo half; read -r
            echo 'images-dir: /new' >&3
            exec 3>&-
            echo whole; read -r
            """);
    awaitLine(writer, "half");

    pool.refresh();
    assertThat(pool.warning())
        .isEqualTo("nodepool.yaml: is still being written by another program" + STAYS);
    assertThat(pool.current().imagesDir()).isNull();
    long second = millis(pool::refresh);
    assertThat(Duration.ofMillis(second)).isLessThan(SOON);

    tell(writer);
    awaitLine(writer, "whole");
    pool.refresh();
    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));
    assertThat(pool.warning()).isNull();
  }

  @Test
  void a_file_that_is_soon_written_to_its_end_is_waited_for() throws Exception {
    Process writer =
        run(
            """
            exec 3>> nodepool.yaml
            echo 'script-dir: /half' >&3
            echo half
            sleep 1
            echo 'images-dir: /new' >&3
            """);
    awaitLine(writer, "half");

    pool.refresh();

    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));
    assertThat(pool.warning()).isNull();
  }

  @Test
  void a_file_that_is_written_all_the_time_costs_those_who_queue_up_three_seconds_in_all()
      throws Exception {
    Process writer =
        run("while :; do echo '# more' >> nodepool.yaml; echo begun; sleep 0.05; done");
    awaitLine(writer, "begun");
    long asked = System.nanoTime();

    for (int i = 0; i < 4; i++) {
      pool.refresh(asked);
    }

    assertThat(Duration.ofNanos(System.nanoTime() - asked)).isLessThan(Duration.ofSeconds(5));
    assertThat(pool.warning()).contains("is still being written by another program");
  }

  @Test
  void a_file_is_not_taken_before_it_has_been_quiet_for_a_moment() throws Exception {
    Files.writeString(file, EMPTY + "images-dir: /new");
    Instant written = ((FileTime) Files.getAttribute(file, "unix:ctime")).toInstant();

    pool.refresh();

    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));
    assertThat(Duration.between(written, Instant.now())).isGreaterThan(Duration.ofMillis(250));
  }

  @Test
  void where_open_files_are_not_seen_a_file_must_have_been_quiet_for_two_seconds()
      throws Exception {
    pool = PoolFile.open(file, clouds(), true, PoolFile.SETTLE_UNSEEN);
    Process writer =
        run(
            """
            echo 'script-dir: /half' >> nodepool.yaml
            echo half
            sleep 1
            echo 'images-dir: /new' >> nodepool.yaml
            """);
    awaitLine(writer, "half");
    Files.setLastModifiedTime(file, FileTime.from(Instant.EPOCH));
    Instant written = Instant.now();

    pool.refresh(System.nanoTime() + Duration.ofSeconds(30).toNanos());

    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));
    assertThat(Duration.between(written, Instant.now())).isGreaterThan(Duration.ofSeconds(2));
  }

  @Test
  void only_root_sees_what_all_programs_have_open() throws Exception {
    boolean isRoot =
        new String(new ProcessBuilder("id", "-u").start().getInputStream().readAllBytes())
            .strip()
            .equals("0");
    assertThat(OpenFiles.areAllSeen()).isEqualTo(isRoot);
  }

  @Test
  void a_program_that_reads_the_file_is_not_waited_for() throws Exception {
    Process reader = run("exec 3< nodepool.yaml; echo open; read -r");
    awaitLine(reader, "open");
    Files.writeString(file, EMPTY + "images-dir: /new");

    long taken = millis(pool::refresh);

    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));
    assertThat(Duration.ofMillis(taken)).isLessThan(Duration.ofSeconds(2));
  }

  @Test
  void a_program_that_writes_what_a_link_leads_to_is_noticed() throws Exception {
    Path real = directory.resolve("real.yaml");
    Files.move(file, real);
    Files.createSymbolicLink(file, real);
    Process writer = run("exec 3>> real.yaml; echo 'images-dir: /new' >&3; echo open; read -r");
    awaitLine(writer, "open");

    pool.refresh();

    assertThat(pool.warning()).contains("is still being written by another program");
  }

  @Test
  void open_files_of_other_names_are_not_touched_as_that_may_hang() throws Exception {
    Files.createLink(directory.resolve("other"), file);
    Process writer = run("exec 3>> other; echo 'images-dir: /new' >&3; echo open; read -r");
    awaitLine(writer, "open");

    pool.refresh();

    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));
  }

  @Test
  void a_deleted_file_leaves_the_last_one_in_force_until_it_is_back() throws Exception {
    Files.writeString(file, EMPTY + "images-dir: /old");
    pool.refresh();
    Files.setLastModifiedTime(file, FileTime.from(Instant.parse("2026-11-23T18:40:00Z")));
    pool.refresh();

    Files.delete(file);
    pool.refresh();
    assertThat(pool.warning()).isEqualTo("nodepool.yaml: no such file" + STAYS);
    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/old"));
    assertThat(Duration.ofMillis(millis(pool::refresh))).isLessThan(SOON);

    Files.writeString(file, EMPTY + "images-dir: /new");
    pool.refresh();
    assertThat(pool.warning()).isNull();
    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));
  }

  @Test
  void a_file_that_is_gone_for_a_moment_is_waited_for() throws Exception {
    Files.writeString(directory.resolve("next"), EMPTY + "images-dir: /new");
    Process editor =
        run("mv nodepool.yaml backup; echo gone; sleep 0.4; mv next nodepool.yaml; read -r");
    awaitLine(editor, "gone");

    pool.refresh();

    assertThat(pool.warning()).isNull();
    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));
  }

  @Test
  void a_broken_file_leaves_the_last_one_in_force_until_it_is_fixed() throws Exception {
    replace("providers: []\nimages-dir: {");
    pool.refresh();
    assertThat(pool.warning()).startsWith("nodepool.yaml: line 2, column ").endsWith(STAYS);
    assertThat(pool.current().providers()).isEmpty();

    replace("images-dir: 7\nlabels: x");
    pool.refresh();
    assertThat(pool.warning())
        .isEqualTo(
            "nodepool.yaml: providers: is required, and may be an empty list (and 2 more)" + STAYS);

    replace(EMPTY);
    pool.refresh();
    assertThat(pool.warning()).isNull();
  }

  @Test
  void a_file_that_cannot_be_read_is_tried_again() throws Exception {
    Files.delete(file);
    Files.createDirectory(file);
    pool.refresh();
    assertThat(pool.warning()).startsWith("nodepool.yaml: cannot be read; the conf");

    Files.delete(file);
    Files.writeString(file, EMPTY + "images-dir: /new");
    pool.refresh();
    assertThat(pool.warning()).isNull();
    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));
  }

  @Test
  void a_changed_database_has_no_effect_until_the_next_start() throws Exception {
    replace(EMPTY + "images-dir: /new\ndburi: mysql://u:hunter2@h/np");
    pool.refresh();
    assertThat(pool.warning())
        .isEqualTo("nodepool.yaml: dburi: has changed, which has no effect until the next start");
    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));

    replace(EMPTY);
    pool.refresh();
    assertThat(pool.warning()).isNull();
  }

  @Test
  void a_changed_database_that_does_not_count_is_no_warning() throws Exception {
    pool = PoolFile.open(file, clouds(), false, PoolFile.SETTLE);
    replace(EMPTY + "images-dir: /new\ndburi: mysql://u@h/np");
    pool.refresh();
    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));
    assertThat(pool.warning()).isNull();
  }

  @Test
  void refreshes_at_one_time_read_a_change_once() throws Exception {
    replace(EMPTY + "images-dir: /new");
    ExecutorService threads = Executors.newFixedThreadPool(16);
    Callable<PoolConfig> refresh =
        () -> {
          pool.refresh();
          return pool.current();
        };
    List<PoolConfig> seen = new ArrayList<>();
    for (Future<PoolConfig> each : threads.invokeAll(Collections.nCopies(64, refresh))) {
      seen.add(each.get());
    }
    threads.shutdown();

    assertThat(seen).allMatch(each -> each == pool.current());
    assertThat(pool.current().imagesDir()).isEqualTo(Path.of("/new"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "images-dir: 7"})
  void a_file_that_has_not_changed_is_not_read(String more) throws Exception {
    Path io = Path.of("/proc/thread-self/io");
    assumeTrue(Files.isReadable(io), "what a thread has read cannot be seen here");
    String padding = ("#" + "x".repeat(99) + "\n").repeat(10_000);
    Files.writeString(file, EMPTY + more + "\n" + padding);
    long beforeReading = bytesRead(io);
    pool.refresh();
    long afterReading = bytesRead(io);
    pool.refresh();
    pool.refresh();
    long afterLooking = bytesRead(io);

    assertThat(afterReading - beforeReading).isGreaterThan(padding.length());
    assertThat(afterLooking - afterReading).isLessThan(10_000);
  }

  @Test
  void a_file_that_is_not_right_at_the_start_is_refused() throws Exception {
    Files.writeString(file, "images-dir: 7");
    assertThat(refused().mistakes()).hasSize(2);
    Files.delete(file);
    assertThat(refused().mistakes()).containsExactly("nodepool.yaml: no such file");
  }

  @Test
  void a_file_that_is_being_written_at_the_start_is_refused() throws Exception {
    Process writer = run("exec 3>> nodepool.yaml; echo open; read -r");
    awaitLine(writer, "open");
    assertThat(refused().mistakes())
        .containsExactly("nodepool.yaml: is still being written by another program");
  }

  private ConfigException refused() {
    return catchThrowableOfType(
        ConfigException.class, () -> PoolFile.open(file, clouds(), true, PoolFile.SETTLE));
  }

  /** As careful editors do it. */
  private void replace(String text) throws IOException {
    Path next = Files.writeString(directory.resolve("nodepool.yaml.next"), text);
    Files.setLastModifiedTime(next, Files.getLastModifiedTime(file));
    Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
  }

  private Process run(String script) throws IOException {
    Process program =
        new ProcessBuilder("bash", "-c", script)
            .directory(directory.toFile())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    programs.add(program);
    return program;
  }

  private static void awaitLine(Process program, String line) {
    Poll.until(line, () -> program.getInputStream().available() > 0);
    try {
      byte[] said = program.getInputStream().readNBytes(line.length() + 1);
      assertThat(new String(said)).isEqualTo(line + "\n");
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static void tell(Process program) throws IOException {
    program.getOutputStream().write('\n');
    program.getOutputStream().flush();
  }

  private static long millis(Runnable act) {
    long begin = System.nanoTime();
    act.run();
    return Duration.ofNanos(System.nanoTime() - begin).toMillis();
  }

  private static long bytesRead(Path io) throws IOException {
    return Long.parseLong(Files.readString(io).lines().findFirst().orElseThrow().split(" ")[1]);
  }
}
