package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aNode;
import static org.nodepool.Rows.aWorker;

import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the servers of nodes have printed, or why that cannot be told. */
@RunsBesideOthers
class ConsoleTest {
  private static TestService service;
  private static Http http;
  private static EndedMachines machines;

  @BeforeAll
  static void start() throws Exception {
    Path dir = Scratch.dir("consoles");
    service =
        TestService.withProviders(
            dir,
            "roles: [api]",
            """
              - {name: machines, driver: qemu, directory: '{dir}/machines', images: []}
              - {name: there, driver: qemu, directory: '{dir}/there', host: another, images: []}
            """);
    http = service.http();
    machines = new EndedMachines(dir.resolve("machines"));
  }

  @BeforeEach
  void empty() {
    service.empty();
  }

  @AfterAll
  static void stop() {
    service.stop();
  }

  @Test
  void the_last_100_kilobytes_are_shown_and_no_control_character_reaches_a_terminal()
      throws Exception {
    String server = machines.made(service.databaseId(), 1);
    Files.writeString(
        machines.of(server).resolve("console.log"),
        "x".repeat(200_000) + "\r\n\u001b[31mred\u0000\tend \u00fc");

    Http.Answer answer = http.get(console("machines", server));

    assertThat(answer.status()).isEqualTo(200);
    assertThat(answer.body()).endsWith("xx\n\\u001b[31mred\\u0000\tend \u00fc\n");
    assertThat(answer.body().length()).isBetween(99_900, 100_100);
  }

  @Test
  void a_server_that_is_not_there_has_no_console() {
    assertRefused(console("machines", null), 409, "Node %d has no server.");
    assertRefused(
        console("machines", "00000000-0000-0000-0000-000000000000"),
        409,
        "Provider machines has no server 00000000-0000-0000-0000-000000000000.");
    assertRefused(
        console("machines", "../x"), 409, "'../x' is not the id of a server of this host.");
    assertRefused(console("directory", "any"), 409, "This provider has no servers.");
    assertRefused(
        console("removed", "any"), 409, "Provider removed is no longer in nodepool.yaml.");
    assertRefused("/v1/nodes/999999/console", 404, "");
  }

  @Test
  void servers_of_a_cloud_are_still_to_come() {
    assertRefused(
        console("cloud", "any"),
        501,
        "Servers at OpenStack clouds (provider cloud) are not supported yet by this version.");
  }

  @Test
  void who_asks_on_the_wrong_host_is_told_the_right_one() {
    aWorker("w").in(service); // on the host elsewhere
    String other = "The server of node %%d is on the host %s, and this one is %s.";
    String here = Installation.hostName();

    assertRefused(console("there", "any"), 409, other.formatted("another", here));
    assertRefused(console("machines", "any"), 409, other.formatted("elsewhere", here));
  }

  @Test
  void of_several_hosts_one_must_be_named() {
    aWorker("w").in(service);
    aWorker("v").host("third").in(service);

    assertRefused(
        console("machines", "any"),
        409,
        "The servers of provider machines are on one host, and there are workers on several"
            + " (elsewhere, third). Say which one it is with host: in nodepool.yaml.");
  }

  @Test
  void a_console_that_cannot_be_read_is_given_up_and_not_read_by_more_and_more() throws Exception {
    String server = machines.made(service.databaseId(), 1);
    Path file = machines.of(server).resolve("console.before");
    ServiceProcess.run("mkfifo", file.toString()); // whoever opens it waits
    String path = console("machines", server);
    ExecutorService askers = Executors.newCachedThreadPool();
    List<Future<Http.Answer>> asked = new ArrayList<>();
    try {
      for (int i = 0; i < 3; i++) {
        asked.add(askers.submit(() -> http.get(path)));
      }
      List<String> told = new ArrayList<>();
      for (Future<Http.Answer> answer : asked) {
        assertThat(answer.get().status()).isEqualTo(503);
        told.add(answer.get().json().getString("detail"));
      }
      assertThat(told)
          .containsExactlyInAnyOrder(
              "Provider machines does not answer now. Try again.",
              "Provider machines does not answer now. Try again.",
              "2 consoles of provider machines are being read. Try again.");
    } finally {
      RandomAccessFile opened = new RandomAccessFile(file.toFile(), "rw");
      Files.delete(file);
      opened.close(); // to those who wait it is an empty file
      askers.shutdown();
    }
    Poll.until("it is read again", () -> http.get(path).status() == 200);
  }

  private static String console(String provider, String externalId) {
    long node = aNode().provider(provider).state(2).externalId(externalId).in(service);
    return "/v1/nodes/%d/console".formatted(node);
  }

  private static void assertRefused(String path, int status, String why) {
    Http.Answer answer = http.get(path);
    assertThat(answer.status()).as(path).isEqualTo(status);
    String node = path.split("/")[3];
    assertThat(answer.json().getString("detail")).startsWith(why.replace("%d", node));
  }
}
