package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Vertx;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.nodepool.config.CloudsFile;
import org.nodepool.config.PoolConfig;
import org.nodepool.model.Mark;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;
import org.nodepool.provider.Compute;
import org.nodepool.provider.Compute.NewServer;
import org.nodepool.provider.Compute.Server;
import org.nodepool.provider.Providers;

/** Images that scripts make, and nodes with servers, on real machines that really boot. */
@RunsBesideOthers
class SetupIT {
  static final String POOL =
      """
      images-dir: images
      elements-dir: %s
      script-dir: scripts
      diskimages:
        - name: tiny-node
          elements: [tiny-node]
          env-vars: {DIB_IMAGE_SIZE: '1', DIB_JOURNAL_SIZE: '16'}
      providers:
        - name: local
          driver: qemu
          directory: local
          boot-timeout: 200
          images:
            - {name: tiny-node, diskimage: tiny-node, username: root, min-ram: 96}
            - {name: made, base-image: tiny-node, setup: make.sh, username: root, min-ram: 96}
            - {name: of-made, base-image: made, setup: make.sh, username: root, min-ram: 96}
            - {name: of-none, base-image: nothing, setup: make.sh}
            - {name: no-script, base-image: tiny-node, setup: ../make.sh, min-ram: 96}
        - name: slow
          driver: qemu
          directory: local
          boot-timeout: 3
          images: &both
            - {name: tiny-node, diskimage: tiny-node, username: root, min-ram: 96}
            - {name: made, base-image: tiny-node, setup: make.sh, username: root, min-ram: 96}
        - name: outside
          driver: qemu
          directory: local
          network: out
          boot-timeout: 200
          images: *both
      """
          .formatted(Path.of("conf/elements").toAbsolutePath());

  private static ServiceProcess service;
  private static Http http;

  @BeforeAll
  static void start() throws Exception {
    service =
        ServiceProcess.in("setup")
            .write("nodepool.yaml", POOL)
            .with("NODEPOOL_TOLD", "it's told")
            .with("NODEPOOL_SECRET_TOKEN", "never shown");
    Files.createDirectories(service.dir().resolve("scripts"));
    service.start();
    http = service.http();
    service.succeeds(update("tiny-node", "local"));
  }

  @AfterAll
  static void stop() throws Exception {
    service.terminate();
    service.command("servers", "--remove", "--config", service.config().toString());
    service.close();
  }

  /** Nothing runs and nothing lies there that no row knows. */
  @AfterEach
  void nothing_is_left() throws Exception {
    Poll.until("the servers are gone", () -> service.names("local/servers").isEmpty());
    List<String> known =
        http.get("/v1/images").array().stream()
            .map(image -> ((JsonObject) image).getString("external_id"))
            .toList();
    assertThat(service.names("local"))
        .filteredOn(name -> name.endsWith(".qcow2"))
        .allMatch(known::contains);
    assertThat(service.names("local")).noneMatch(name -> name.endsWith(".part"));
    Poll.until("what was kept of it is gone", () -> service.names("var/setups").isEmpty());
  }

  /** The path of the job. */
  private static String update(String image, String provider) throws IOException {
    Http.Answer answer = http.post("/v1/images/" + image + "/update", "provider_name=" + provider);
    assertThat(answer.status()).as(answer.body()).isEqualTo(201);
    return answer.job();
  }

  private static void script(String text) throws Exception {
    Path script = service.dir().resolve("scripts/make.sh");
    Files.writeString(script, "#!/bin/sh\n" + text + "\n");
    ServiceProcess.run("chmod", "0755", script.toString());
  }

  private static JsonObject imageOf(JsonObject job) throws IOException {
    return http.get(job.getString("subject")).json();
  }

  @Test
  void a_script_makes_an_image_of_another_and_that_one_boots() throws Exception {
    script(
        """
        echo "I am $1 as $(id -un)"; echo "told: $NODEPOOL_TOLD, $NODEPOOL_SECRET_TOKEN"
        env | grep -c DBURI
        hostname > /root/made-by; cat /root/made-by""");
    String job = update("made", "local");
    service.succeeds(job);
    JsonObject image = imageOf(http.get(job).json());
    assertThat(image.getString("state")).isEqualTo("ready");
    assertThat(image.getString("hostname")).startsWith("template-made-");
    String log = http.get(job + "/log").body();
    assertThat(log)
        .contains("I am " + image.getString("hostname") + " as root", "told: it's told, ***\n0\n")
        .doesNotContain("never shown");
    Poll.until(
        "its server is gone",
        () -> http.get(subject(job)).json().getValue("server_external_id") == null);
    String file = service.dir().resolve("local").resolve(image.getString("external_id")).toString();
    assertThat(ServiceProcess.run("qemu-img", "info", file)).doesNotContain("backing file");

    script("cat /root/made-by");
    String next = update("of-made", "local");
    service.succeeds(next);
    assertThat(http.get(next + "/log").body()).contains("\n" + image.getString("hostname") + "\n");
  }

  private static String subject(String job) throws IOException {
    return http.get(job).json().getString("subject");
  }

  @Test
  void a_script_that_fails_fails_the_image_and_leaves_nothing() throws Exception {
    script("echo it began; echo 'no room for this' >&2; exit 3");
    String job = update("made", "local");
    JsonObject ended = service.ended(job);
    assertThat(ended.getString("state")).isEqualTo("failed");
    assertThat(ended.getString("error")).isEqualTo("make.sh ended with status 3: no room for this");
    assertThat(imageOf(ended).getString("state")).isEqualTo("failed");
    assertThat(http.get(job + "/log").body())
        .contains("\nit began\n", "the console of the server ended so:");
  }

  @Test
  @Tag("long")
  void a_machine_that_ends_in_the_middle_fails_the_image() throws Exception {
    script("echo going; poweroff -f; sleep 60");
    JsonObject ended = service.ended(update("made", "local"));
    assertThat(ended.getString("state")).isEqualTo("failed");
    assertThat(ended.getString("error")).startsWith("It could not run make.sh: ");
  }

  @Test
  @Tag("long")
  void a_machine_that_nobody_gets_into_in_time_fails_the_image() throws Exception {
    script("true");
    service.succeeds(update("tiny-node", "slow"));
    JsonObject ended = service.ended(update("made", "slow"));
    assertThat(ended.getString("state")).isEqualTo("failed");
    assertThat(ended.getString("error")).startsWith("It could not log in: Nobody could log in");
  }

  @Test
  @Tag("long")
  void a_machine_with_a_way_out_reaches_others_and_never_the_loopback_of_this_host()
      throws Exception {
    upload("outside");
    script(
        """
        ask() {
          timeout 5 bash -c "exec 3<>/dev/tcp/$1/$2 && printf 'GET $3 HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3"
        }
        for host in $(ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p') 10.0.2.2; do
          echo "trying $host"
          [ -z "$(ask $host %d /healthz)" ] || echo "reached $host"
        done
        ask 10.99.7.2 8000 /hello"""
            .formatted(service.port()));
    Process server = outside();
    try {
      String job = update("made", "outside");
      service.succeeds(job);
      assertThat(http.get(job + "/log").body())
          .containsPattern("trying (?!10.0.2.2)")
          .contains("\nhello from outside\n")
          .doesNotContain("reached");
    } finally {
      server.destroy();
      ServiceProcess.run("ip", "netns", "delete", "nodepool-setup");
    }
  }

  /** Starts a server that this host reaches, and that is not on it. */
  private static Process outside() throws Exception {
    ServiceProcess.run(
        "bash",
        "-ec",
        """
        ip netns delete nodepool-setup 2>/dev/null || true
        ip netns add nodepool-setup
        ip link add nodepool-setup type veth peer name eth0 netns nodepool-setup
        ip address add 10.99.7.1/24 dev nodepool-setup
        ip link set nodepool-setup up
        ip -n nodepool-setup address add 10.99.7.2/24 dev eth0
        ip -n nodepool-setup link set eth0 up""");
    Path served = Files.createDirectories(service.dir().resolve("served"));
    Files.writeString(served.resolve("hello"), "hello from outside\n");
    Process server =
        new ProcessBuilder(
                ("ip netns exec nodepool-setup python3 -m http.server --bind 10.99.7.2 8000"
                        + " --directory "
                        + served)
                    .split(" "))
            .redirectErrorStream(true)
            .redirectOutput(service.dir().resolve("served.log").toFile())
            .start();
    Poll.until("it answers", () -> isAnswered("http://10.99.7.2:8000/hello"));
    return server;
  }

  private static boolean isAnswered(String url) {
    try {
      ServiceProcess.run("curl", "-sf", "--noproxy", "*", url);
      return true;
    } catch (Exception | AssertionError e) {
      return false;
    }
  }

  private static void upload(String provider) throws Exception {
    Http.Answer upload = http.post("/v1/dib_images/tiny-node/upload", "provider_name=" + provider);
    assertThat(upload.status()).as(upload.body()).isEqualTo(201);
    service.succeeds(upload.job());
  }

  @Test
  @Tag("long")
  void a_script_that_hangs_is_ended_when_its_job_is_cancelled() throws Exception {
    script("echo hanging; sleep 1000");
    String job = update("made", "local");
    service.awaitLog(job, "\nhanging\n");
    String image = subject(job);
    assertThat(http.delete(job).status()).isEqualTo(204);
    assertThat(service.ended(job).getString("state")).isEqualTo("cancelled");
    assertThat(http.get(image).status()).isEqualTo(404);
  }

  @Test
  void a_service_that_is_killed_in_the_middle_begins_again_and_leaves_nothing_of_before()
      throws Exception {
    script("echo begun; [ -e /tmp/never ] || sleep 5; echo over");
    String job = update("made", "local");
    service.awaitLog(job, "\nbegun\n");
    List<String> before = service.names("local/servers");
    service.kill9();
    service.start();
    http = service.http();
    service.succeeds(job);
    assertThat(http.get(job).json().getInteger("attempts")).isEqualTo(2);
    Poll.until("its server is gone", () -> service.names("local/servers").isEmpty());
    assertThat(before).hasSize(1);
  }

  @ParameterizedTest
  @CsvSource({
    "of-none, 409, 'base-image nothing is no image of provider local'",
    "nobody, 404, 'Image nobody is not configured at provider local'"
  })
  void what_cannot_be_made_is_refused(String image, int status, String why) throws Exception {
    Http.Answer answer = http.post("/v1/images/" + image + "/update", "provider_name=local");
    assertThat(answer.status()).isEqualTo(status);
    assertThat(answer.body()).contains(why);
  }

  @Test
  void a_base_that_is_not_ready_is_told_with_what_makes_it() throws Exception {
    for (Object image : http.get("/v1/images?image_name=made&state=ready").array()) {
      http.delete("/v1/images/" + ((JsonObject) image).getLong("id"));
    }
    Poll.until(
        "none is ready",
        () -> http.get("/v1/images?image_name=made&state=ready").array().isEmpty());
    Http.Answer answer = http.post("/v1/images/of-made/update", "provider_name=local");
    assertThat(answer.status()).isEqualTo(409);
    assertThat(answer.body()).contains("POST /v1/images/made/update with provider_name=local");
  }

  @Test
  void servers_are_deleted_by_command_only_when_the_service_is_stopped() throws Exception {
    String command = "! \"$0\" -jar target/nodepool.jar servers --remove --config \"$1\" 2>&1";
    String java = Path.of(System.getProperty("java.home"), "bin/java").toString();
    assertThat(ServiceProcess.run("bash", "-c", command, java, service.config().toString()))
        .contains("nothing is deleted: the state directory", "is in use");
  }

  @Test
  void a_script_out_of_the_directory_is_not_run() throws Exception {
    JsonObject ended = service.ended(update("no-script", "local"));
    assertThat(ended.getString("error")).isEqualTo("There is no file ../make.sh in script-dir.");
  }

  @Test
  void a_node_goes_with_its_servers_those_of_its_subnodes_and_those_whose_ids_no_row_has()
      throws Exception {
    Vertx vertx = Vertx.vertx();
    Path yaml = service.dir().resolve("nodepool.yaml");
    PoolConfig pool = PoolConfig.read(yaml, new CloudsFile(List.of()));
    Providers providers = TestProviders.of(vertx, () -> pool);
    try {
      Compute servers = providers.find("local").orElseThrow().servers();
      String database =
          service
              .sql("SELECT name FROM api_schema WHERE version = -2")
              .iterator()
              .next()
              .getString("name");
      long node = node("local");
      Mark mark = new Mark(database, new Subject(What.NODE, node), UUID.randomUUID().toString());
      Mark other = new Mark(UUID.randomUUID().toString(), mark.subject(), mark.attempt());
      String main = made(servers, "node", mark);
      String sub = made(servers, "node-1", mark);
      made(servers, "node-2", mark); // its id was never stored
      String others = made(servers, "node", other);
      service.sql("UPDATE node SET external_id = ? WHERE id = ?", main, node);
      service.sql(
          "INSERT INTO subnode (node_id, external_id, state, state_time) VALUES (?, ?, 2, 1)",
          node,
          sub);

      String console = "/v1/nodes/" + node + "/console";
      Poll.until("it has printed", () -> http.get(console).body().contains("SYSLINUX"));
      try (Wire wire = new Wire(service.port())) {
        assertThat(wire.ask("GET", console).status()).isEqualTo(401);
      }

      assertThat(http.delete("/v1/nodes/" + node).status()).isEqualTo(204);
      service.awaitGone("/v1/nodes/" + node);

      assertThat(servers.list().await()).extracting(Server::externalId).containsExactly(others);
      servers.delete(others).await();
    } finally {
      providers.close().await();
      vertx.close().await();
    }
  }

  private static String made(Compute servers, String name, Mark mark) throws Exception {
    String image;
    try (Stream<Path> files = Files.list(service.dir().resolve("local"))) {
      image =
          files
              .map(file -> file.getFileName().toString())
              .filter(file -> file.startsWith("template-tiny-node") && file.endsWith(".qcow2"))
              .findFirst()
              .orElseThrow();
    }
    return servers
        .create(new NewServer(name, image, 96, mark, "ssh-ed25519 AAAA nobody"))
        .await()
        .externalId();
  }

  private static long node(String provider) throws IOException {
    service.sql(
        "INSERT INTO node (provider_name, label_name, target_name, state, state_time)"
            + " VALUES (?, 'a-label', 'a-target', 2, 1)",
        provider);
    return service.sql("SELECT MAX(id) AS id FROM node").iterator().next().getLong("id");
  }
}
