package org.nodepool;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.nodepool.config.CloudsFile;
import org.nodepool.config.PoolConfig;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Mark;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;
import org.nodepool.provider.Compute;
import org.nodepool.provider.Compute.NewServer;
import org.nodepool.provider.Compute.Server;
import org.nodepool.provider.Compute.State;
import org.nodepool.provider.ImageStore;
import org.nodepool.provider.Providers;

/**
 * What every driver's servers do alike, a line of {@link Kind} each; and what those of this host do
 * besides. Their guests find nothing to boot.
 */
@RunsBesideOthers
class ComputeContractTest {
  private static final String KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ1 nodepool";
  private static final String DATABASE = UUID.randomUUID().toString();
  private static final String IMAGE = "empty.qcow2";

  @TempDir Path dir;

  private final Vertx vertx = Vertx.vertx();
  private final List<Providers> made = new ArrayList<>();
  private Providers providers;

  /** The drivers whose providers have servers. */
  enum Kind {
    QEMU
  }

  @BeforeEach
  void configure() throws Exception {
    Files.createDirectories(dir.resolve("pool"));
    ServiceProcess.run(
        "qemu-img", "create", "-q", "-f", "qcow2", dir.resolve("pool/" + IMAGE).toString(), "1M");
    providers = providers("");
  }

  /** As another process would have them. */
  private Providers providers(String more) throws Exception {
    Path yaml = dir.resolve("nodepool.yaml");
    Files.writeString(
        yaml,
        "providers:\n  - {name: QEMU, driver: qemu, directory: pool, images: []%s}\n"
            .formatted(more));
    PoolConfig pool = PoolConfig.read(yaml, new CloudsFile(List.of()));
    Providers opened = TestProviders.of(vertx, () -> pool);
    made.add(opened);
    return opened;
  }

  @AfterEach
  void close() {
    for (Server server : servers(Kind.QEMU).list().await()) {
      servers(Kind.QEMU).delete(server.externalId()).await();
    }
    made.forEach(each -> each.close().await());
    vertx.close().await();
  }

  private Compute servers(Kind kind) {
    return servers(kind, providers);
  }

  private static Compute servers(Kind kind, Providers of) {
    return of.find(kind.name()).orElseThrow().servers();
  }

  private static Mark mark() {
    return new Mark(DATABASE, new Subject(What.NODE, 7), UUID.randomUUID().toString());
  }

  private static NewServer server(String name, Mark mark) {
    return new NewServer(name, IMAGE, 32, mark, KEY);
  }

  private Server create(Kind kind) {
    return servers(kind).create(server("node-7", mark())).await();
  }

  @ParameterizedTest
  @EnumSource
  void a_server_carries_its_mark_and_is_listed(Kind kind) {
    Mark mark = mark();
    Server server = servers(kind).create(server("node-7", mark)).await();
    assertThat(server.mark()).isEqualTo(mark);
    assertThat(server.name()).isEqualTo("node-7");
    assertThat(server.created()).isNotNull();
    assertThat(servers(kind).list().await()).containsExactly(server);
  }

  @ParameterizedTest
  @EnumSource
  void a_create_that_is_tried_again_gives_the_server_that_is_there(Kind kind) {
    Mark mark = mark();
    Server first = servers(kind).create(server("node-7", mark)).await();
    assertThat(servers(kind).create(server("node-7", mark)).await()).isEqualTo(first);
    assertThat(servers(kind).list().await()).containsExactly(first);
  }

  @ParameterizedTest
  @EnumSource
  void servers_of_one_attempt_have_one_mark_and_names_of_their_own(Kind kind) {
    Mark mark = mark();
    servers(kind).create(server("node-7", mark)).await();
    servers(kind).create(server("node-7-1", mark)).await();
    assertThat(servers(kind).list().await())
        .extracting(Server::name)
        .containsExactlyInAnyOrder("node-7", "node-7-1");
  }

  @ParameterizedTest
  @EnumSource
  void a_deletion_can_be_done_twice_and_touches_no_other(Kind kind) {
    Server server = create(kind);
    Server other = create(kind);
    servers(kind).delete(server.externalId()).await();
    servers(kind).delete(server.externalId()).await();
    servers(kind).delete(UUID.randomUUID().toString()).await();
    assertThat(servers(kind).list().await()).containsExactly(other);
  }

  @ParameterizedTest
  @EnumSource
  void an_id_of_a_row_leads_nowhere_else(Kind kind) {
    for (String id : List.of("../" + IMAGE, "..", "", "x\u0000y", "é")) {
      assertThat(catchThrowable(() -> servers(kind).delete(id).await()))
          .as(id)
          .hasMessageContaining("is not the id of a server");
      assertThat(catchThrowable(() -> servers(kind).console(id).await())).as(id).isNotNull();
    }
    assertThat(dir.resolve("pool/" + IMAGE)).exists();
  }

  @ParameterizedTest
  @EnumSource
  void an_image_that_is_gone_is_told(Kind kind) {
    NewServer server = new NewServer("node-7", "no-such-image.qcow2", 32, mark(), KEY);
    assertThat(catchThrowable(() -> servers(kind).create(server).await()))
        .isInstanceOf(ProviderFailure.class)
        .hasMessageContaining("no-such-image.qcow2");
    assertThat(servers(kind).list().await()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void servers_outlive_who_made_them_and_another_process_finds_and_deletes_them(Kind kind)
      throws Exception {
    Server server = create(kind);
    providers.close().await();
    providers = providers("");
    assertThat(servers(kind).list().await()).containsExactly(server);
    servers(kind).delete(server.externalId()).await();
    assertThat(servers(kind).list().await()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void where_as_many_are_as_may_be_the_next_one_waits(Kind kind) throws Exception {
    Server server = create(kind);
    providers = providers(", max-servers: 1");
    assertThat(catchThrowable(() -> create(kind)))
        .isInstanceOf(ProviderAway.class)
        .hasMessage(
            "Provider QEMU has no room: all 1 servers that it may have (max-servers) are there.");
    assertThat(servers(kind).limits().await().mostServers()).isEqualTo(1);
    assertThat(servers(kind).limits().await().servers()).isEqualTo(1);
    servers(kind).delete(server.externalId()).await();
    create(kind);
  }

  @Test
  void what_qemu_refuses_fails_and_says_why_and_leaves_nothing() {
    NewServer odd = new NewServer("node,7=no-option", IMAGE, 32, mark(), KEY);
    assertThat(catchThrowable(() -> servers(Kind.QEMU).create(odd).await()))
        .isInstanceOf(ProviderFailure.class)
        .hasMessageStartingWith("Provider QEMU cannot start a server: QEMU ended: ");
    assertThat(servers(Kind.QEMU).list().await()).isEmpty();
  }

  @Test
  void a_drained_provider_says_so() throws Exception {
    providers = providers(", max-servers: -1");
    assertThat(catchThrowable(() -> create(Kind.QEMU)))
        .isInstanceOf(ProviderAway.class)
        .hasMessage("Provider QEMU has no room: max-servers is -1, so no server is started.");
  }

  @Test
  void what_does_not_fit_into_the_memory_waits() {
    NewServer large = new NewServer("node-7", IMAGE, 9_000_000, mark(), KEY);
    assertThat(catchThrowable(() -> servers(Kind.QEMU).create(large).await()))
        .isInstanceOf(ProviderAway.class)
        .hasMessageMatching(
            "Provider QEMU has no room: a server takes 90000\\d\\d MiB of memory, and \\d+ MiB are"
                + " free\\.");
    assertThat(servers(Kind.QEMU).list().await()).isEmpty();
  }

  @Test
  void in_a_directory_that_is_full_none_is_made_and_nothing_is_left() throws Exception {
    Path pool = dir.resolve("pool");
    ServiceProcess.run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", pool.toString());
    try {
      Files.createDirectory(pool.resolve("servers"));
      ServiceProcess.run("qemu-img", "create", "-q", "-f", "qcow2", pool.resolve(IMAGE) + "", "1M");
      ServiceProcess.run(
          "bash", "-c", "! cat /dev/zero > \"$1\"", "-", pool.resolve("filler") + "");

      assertThat(catchThrowable(() -> create(Kind.QEMU)))
          .isInstanceOf(ProviderAway.class)
          .hasMessageContaining("No space left on device");

      assertThat(pool.resolve("servers")).isEmptyDirectory();
      Files.delete(pool.resolve("filler"));
      servers(Kind.QEMU).delete(create(Kind.QEMU).externalId()).await();
    } finally {
      ServiceProcess.run("umount", "-l", pool.toString());
    }
  }

  @Test
  void guests_of_others_count_in_the_unit_that_they_are_started_with() throws Exception {
    long before = servers(Kind.QEMU).limits().await().ramMib();
    Process other =
        new ProcessBuilder("bash", "-c", "exec -a qemu-system-x86_64 bash -c 'sleep 100; :' -m 1G")
            .start();
    try {
      Poll.until("it counts", () -> servers(Kind.QEMU).limits().await().ramMib() >= before + 512);
    } finally {
      other.descendants().forEach(ProcessHandle::destroyForcibly);
      other.destroyForcibly();
    }
  }

  @Test
  void each_has_an_address_of_its_own_that_nobody_else_has() throws Exception {
    try (ServerSocket taken = new ServerSocket(2222, 1, InetAddress.getByName(free()))) {
      Server first = create(Kind.QEMU);
      Server second = create(Kind.QEMU);
      assertThat(
              List.of(first.address(), second.address(), taken.getInetAddress().getHostAddress()))
          .doesNotHaveDuplicates()
          .allMatch(address -> address.startsWith("127.64."));
      assertThat(first.port()).isEqualTo(2222);
    }
  }

  /** The address that the next server would have. */
  private String free() {
    Server server = create(Kind.QEMU);
    servers(Kind.QEMU).delete(server.externalId()).await();
    return server.address();
  }

  @Test
  void two_processes_that_start_servers_at_once_are_given_different_addresses() throws Exception {
    Providers other = providers("");
    List<Future<Server>> creating = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      creating.add(servers(Kind.QEMU).create(server("a-" + i, mark())));
      creating.add(servers(Kind.QEMU, other).create(server("b-" + i, mark())));
    }
    assertThat(creating.stream().map(each -> each.await().address())).doesNotHaveDuplicates();
  }

  @Test
  void servers_at_the_address_and_ports_that_are_configured() throws Exception {
    providers = providers(", address: 127.0.0.1, ports: 42210-42211");
    assertThat(List.of(create(Kind.QEMU).port(), create(Kind.QEMU).port()))
        .containsExactlyInAnyOrder(42210, 42211);
    assertThat(catchThrowable(() -> create(Kind.QEMU)))
        .isInstanceOf(ProviderAway.class)
        .hasMessage("Provider QEMU has no room: no address and port is free.");
  }

  @Test
  void one_that_has_ended_by_itself_is_seen_and_can_be_deleted() throws Exception {
    Server server = create(Kind.QEMU);
    killed(server);
    Poll.until(
        "it has ended", () -> servers(Kind.QEMU).list().await().get(0).state() == State.ENDED);
    servers(Kind.QEMU).delete(server.externalId()).await();
    assertThat(servers(Kind.QEMU).list().await()).isEmpty();
  }

  private static void killed(Server server) throws Exception {
    ServiceProcess.run("kill", "-KILL", Long.toString(process(server).pid()));
  }

  private static ProcessHandle process(Server server) {
    return ProcessHandle.allProcesses()
        .filter(p -> ServiceProcess.read(p, "cmdline").contains("-uuid " + server.externalId()))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void the_image_may_go_while_a_server_runs_on_it() throws Exception {
    Server server = create(Kind.QEMU);
    Files.delete(pool(IMAGE));
    assertThat(servers(Kind.QEMU).list().await()).containsExactly(server);
  }

  @Test
  void a_directory_whose_server_cannot_be_read_is_listed_without_a_mark() throws Exception {
    Server server = create(Kind.QEMU);
    Files.writeString(pool("servers/" + server.externalId() + "/server"), "{}");
    Server listed = servers(Kind.QEMU).list().await().get(0);
    assertThat(listed.mark()).isNull();
    assertThat(listed.externalId()).isEqualTo(server.externalId());
    assertThat(listed.state()).isEqualTo(State.RUNNING);
  }

  @Test
  void a_console_that_grows_is_cut_and_its_end_is_shown() throws Exception {
    Server server = create(Kind.QEMU);
    Path console = pool("servers/" + server.externalId() + "/console.log");
    Files.writeString(console, "x".repeat(2 << 20) + "the end", StandardOpenOption.APPEND);
    Poll.until("it is cut", () -> Files.size(console) == 0);
    Files.writeString(console, ", and on", StandardOpenOption.APPEND);
    byte[] shown = servers(Kind.QEMU).console(server.externalId()).await();
    assertThat(shown).hasSize(100_000);
    assertThat(new String(shown, US_ASCII)).endsWith("xthe end, and on");
  }

  @Test
  void what_a_killed_process_left_half_made_goes_with_the_next_start() throws Exception {
    Path half = Files.createDirectories(pool("servers/.half-" + UUID.randomUUID() + "/run"));
    assertThat(servers(Kind.QEMU).list().await()).isEmpty();
    create(Kind.QEMU);
    assertThat(half.getParent()).doesNotExist();
  }

  @Test
  void of_one_that_has_ended_by_itself_no_image_is_made() throws Exception {
    Server server = create(Kind.QEMU);
    killed(server);
    Poll.until(
        "it has ended", () -> servers(Kind.QEMU).list().await().get(0).state() == State.ENDED);
    assertThat(catchThrowable(() -> snapshot(server, new Watcher())))
        .isInstanceOf(ProviderFailure.class)
        .hasMessageContaining("ended by itself");
    assertThat(names(dir.resolve("pool"))).containsExactlyInAnyOrder(IMAGE, "servers");
  }

  @Test
  void another_process_with_a_machines_arguments_is_not_the_machine() throws Exception {
    Server server = create(Kind.QEMU);
    killed(server);
    Process other =
        new ProcessBuilder("bash", "-c", "sleep 100", "bash", "-uuid", server.externalId()).start();
    try {
      Poll.until(
          "it has ended", () -> servers(Kind.QEMU).list().await().get(0).state() == State.ENDED);
      servers(Kind.QEMU).delete(server.externalId()).await();
      assertThat(other.isAlive()).isTrue();
    } finally {
      other.destroyForcibly();
    }
  }

  private void snapshot(Server server, Watcher watcher) {
    Mark mark = new Mark(DATABASE, new Subject(What.IMAGE, 9), DATABASE);
    servers(Kind.QEMU)
        .snapshot(
            server.externalId(), new ImageStore.NewImage("made", mark, Map.of("a", "b")), watcher)
        .await();
  }

  @Test
  void an_image_that_is_to_stop_stops_and_leaves_nothing() throws Exception {
    Server server = create(Kind.QEMU);
    Watcher watcher = new Watcher();
    watcher.isStopped = true;
    assertThat(catchThrowable(() -> snapshot(server, watcher)))
        .isInstanceOf(ProviderFailure.class)
        .hasMessageContaining("stopped");
    assertThat(names(dir.resolve("pool"))).containsExactlyInAnyOrder(IMAGE, "servers");
  }

  private static List<String> names(Path directory) throws Exception {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).toList();
    }
  }

  @Test
  void the_process_has_no_more_rights_and_knows_no_more_than_it_needs() throws Exception {
    Server server = create(Kind.QEMU);
    String status = ServiceProcess.read(process(server), "status");
    assertThat(status).containsPattern("(?m)^Seccomp:\t2$");
    assertThat(ServiceProcess.read(process(server), "environ")).doesNotContain("NODEPOOL");
  }

  @Test
  void as_a_user_of_its_own() throws Exception {
    providers = providers(", run-as: nobody");
    // directories of tests are their user's alone
    ServiceProcess.run("chmod", "a+x", dir.toString());
    Server server = create(Kind.QEMU);
    String status = ServiceProcess.read(process(server), "status");
    assertThat(status).containsPattern("(?m)^Uid:\t65534\t65534\t");
    assertThat(status).containsPattern("(?m)^NoNewPrivs:\t1$");
    assertThat(Files.getOwner(pool(IMAGE)).getName()).isEqualTo("root");
    assertThat(server.state()).isEqualTo(State.RUNNING);
  }

  @Test
  void a_user_that_is_not_there_is_told() throws Exception {
    providers = providers(", run-as: no-such-user");
    assertThat(catchThrowable(() -> create(Kind.QEMU)))
        .isInstanceOf(ProviderFailure.class)
        .hasMessage("There is no user no-such-user on this host (run-as).");
    assertThat(pool("servers")).isEmptyDirectory();
  }

  private Path pool(String name) {
    return dir.resolve("pool").resolve(name);
  }

  /** Notes what it is told; stops what it watches when it is told to. */
  private static final class Watcher implements ImageStore.Observer {
    volatile String externalId;
    volatile boolean isStopped;

    @Override
    public Future<Void> created(String id) {
      externalId = id;
      return Future.succeededFuture();
    }

    @Override
    public void sent(double fraction) {}

    @Override
    public void note(String line) {}

    @Override
    public boolean isStopped() {
      return isStopped;
    }
  }
}
