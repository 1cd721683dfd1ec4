package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.nodepool.store.Database.Address;

/** An operator's database that is away, or refuses: what is answered, and that it is used later. */
@RunsBesideOthers
class ExternalDatabaseTest {
  private static final Path DIR = Scratch.dir("test-service-external");
  private static final String NAME = "external_test";

  /** The contract says 2 s; the rest is for a busy machine. */
  private static final Duration AT_ONCE = Duration.ofSeconds(4);

  private final ExternalMariaDb server = ExternalMariaDb.shared();
  private ExternalMariaDb own;
  private TestService service;

  @AfterEach
  void end() {
    if (service != null) {
      service.stop();
    }
    if (own != null) {
      own.kill();
    }
  }

  @Test
  void it_is_used_over_tcp_over_its_socket_over_ipv6_and_without_a_password() throws Exception {
    Address tcp = server.newDatabase(NAME);
    server.sql("CREATE OR REPLACE USER no_password", "GRANT ALL ON " + NAME + ".* TO no_password");
    String socket = server.socket().toString();
    for (Address address :
        List.of(
            tcp,
            new Address(null, 0, socket, NAME, NAME, tcp.password()),
            new Address("::1", tcp.port(), NAME, NAME, tcp.password()),
            new Address("127.0.0.1", tcp.port(), NAME, "no_password", null))) {
      start(address);
      service.awaitDatabase();
      assertThat(service.http().get("/v1/nodes").body()).as("%s", address).isEqualTo("[]");
      assertThat(address.toString()).doesNotContain("secret");
      service.stop();
    }
    service = null;
  }

  @Test
  void a_port_on_which_nobody_listens_is_told() throws Exception {
    start(new Address("127.0.0.1", FreePort.next(), NAME, NAME, "secret"));

    assertTrouble(
        "The database external_test at 127.0.0.1:%d does not serve the user external_test:"
                .formatted(service.database().getPort())
            + " connection refused, no server listens there.");
  }

  @Test
  void an_unknown_host_is_told() throws Exception {
    start(new Address("no-such-host.invalid", 3306, NAME, NAME, "secret"));

    assertTrouble(
        "at no-such-host.invalid:3306 does not serve the user external_test: unknown host.");
  }

  @Test
  void a_socket_that_is_not_there_is_told() throws Exception {
    start(new Address(null, 0, "/nowhere/mysqld.sock", NAME, NAME, "secret"));

    assertTrouble(
        "at /nowhere/mysqld.sock does not serve the user external_test: there is no such");
  }

  @Test
  void a_wrong_password_is_told_and_the_right_one_is_used_once_the_server_knows_it()
      throws Exception {
    Address address = server.newDatabase(NAME);
    start(new Address(address.host(), address.port(), NAME, NAME, "another secret"));
    assertTrouble("access denied: the user or the password is wrong.");

    server.sql("ALTER USER " + NAME + " IDENTIFIED BY 'another secret'");

    assertServes();
  }

  @Test
  void a_database_that_is_not_there_is_told_and_used_once_it_is() throws Exception {
    Address address = server.newDatabase(NAME);
    server.sql("DROP DATABASE " + NAME);
    start(address);
    assertTrouble("does not serve the user external_test: unknown database.");

    server.sql("CREATE DATABASE " + NAME);

    assertServes();
  }

  @Test
  void a_user_who_may_create_nothing_is_told_the_grant() throws Exception {
    Address address = server.newDatabase(NAME);
    server.sql(
        "REVOKE ALL ON external_test.* FROM external_test",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON external_test.* TO external_test");
    start(address);
    assertTrouble(
        "the user has no right to CREATE; it needs SELECT, INSERT, UPDATE, DELETE, CREATE and ALTER"
            + " (for fast polls: TRIGGER; to remove the schema: DROP) ON `external_test`.*, by a GRANT");

    server.sql("GRANT CREATE, ALTER ON external_test.* TO external_test");

    assertServes();
  }

  @Test
  void a_user_who_may_make_no_triggers_is_served_and_told_the_grant() throws Exception {
    Address address = server.newDatabase(NAME);
    server.sql("REVOKE TRIGGER ON external_test.* FROM external_test");
    start(address);
    assertServes();
    String grant = "GRANT TRIGGER ON `external_test`.`node` TO 'external_test'@'%'";
    Poll.until("it is told", () -> warnings().contains(grant));
    assertThat(service.triggers().hasTriggers()).isFalse();
    long node = service.node("directory", 2);
    String tag = service.http().get("/v1/nodes").header("ETag");
    CompletableFuture<Http.Answer> waiting =
        CompletableFuture.supplyAsync(
            () ->
                service
                    .http()
                    .send(
                        "GET", "/v1/nodes", null, null, "If-None-Match", tag, "Prefer", "wait=30"));
    PollWaitTest.awaitWaiters(service.http(), 1);
    assertThat(service.http().put("/v1/nodes/" + node, "state=hold").status()).isEqualTo(200);
    assertThat(waiting.get(10, TimeUnit.SECONDS).body()).contains("\"hold\"");
    assertThat(service.http().post("/v1/dib_images/fails/build").status()).isEqualTo(201);

    server.sql("GRANT TRIGGER ON `external_test`.* TO 'external_test'@'%'");
    service.triggers().missing(); // or in a minute

    Poll.until("they are made", service.triggers()::hasTriggers);
    assertThat(warnings()).isEqualTo("[]");
    assertThat(service.http().put("/v1/nodes/" + node, "state=ready").status()).isEqualTo(200);
    assertThat(service.sql("SELECT * FROM api_change WHERE of_table = 'node'").size()).isOne();
  }

  @Test
  void a_trigger_that_is_dropped_is_made_again_when_somebody_misses_it() throws Exception {
    start(server.newDatabase(NAME));
    Poll.until("they are made", service.triggers()::hasTriggers);
    server.sqlIn(NAME, "DROP TRIGGER api_change_node_insert");

    service.triggers().missing();

    assertThat(service.triggers().hasTriggers()).isFalse();
    Poll.until("it is made", service.triggers()::hasTriggers);
    service.node("directory", 2);
    assertThat(service.sql("SELECT * FROM api_change").size()).isOne();
  }

  @Test
  void a_trigger_that_was_dropped_before_anybody_asked_is_made_again_after_the_first_poll()
      throws Exception {
    start(server.newDatabase(NAME));
    Poll.until("they are made", service.triggers()::hasTriggers);

    for (int i = 0; i < 2; i++) { // and again, before all rows are read again
      server.sqlIn(NAME, "DROP TRIGGER api_change_node_insert");
      assertThat(service.http().get("/v1/nodes").status()).isEqualTo(200);
      Poll.until("it is made", () -> triggers() == 15);
    }
  }

  private int triggers() {
    return server
        .sql(
            "SELECT * FROM information_schema.triggers WHERE trigger_schema = '%s'".formatted(NAME))
        .size();
  }

  private String warnings() {
    return service.http().get("/readyz").json().getJsonArray("warnings").encode();
  }

  @Test
  void a_column_that_is_missing_is_told_with_the_statement_that_adds_it() throws Exception {
    Address address = server.newDatabase(NAME);
    start(address);
    assertServes();
    server.sqlIn(NAME, "ALTER TABLE node DROP COLUMN ip_private");
    assertTrouble(
        "columns are missing; what helps is ALTER TABLE node ADD COLUMN ip_private VARCHAR");

    server.sqlIn(NAME, "ALTER TABLE node ADD COLUMN ip_private VARCHAR(255)");

    assertServes();
  }

  @Test
  void a_read_only_server_is_read_and_not_written() throws Exception {
    own = ExternalMariaDb.in("own").start();
    Address address = own.newDatabase(NAME);
    start(address);
    assertServes();
    long node = service.node("directory", 2);
    own.sql("SET GLOBAL read_only = 1");

    Poll.until("it is told", () -> service.trouble().isPresent());
    assertThat(service.trouble().orElseThrow()).endsWith(": the server is read-only.");
    assertThat(service.http().get("/v1/nodes/" + node).status()).isEqualTo(200);
    assertUnavailable(service.http().put("/v1/nodes/" + node, "state=hold"));
    assertUnavailable(service.http().post("/v1/dib_images/tiny/build"));

    own.sql("SET GLOBAL read_only = 0");
    assertThat(service.http().put("/v1/nodes/" + node, "state=hold").status()).isEqualTo(200);
  }

  @Test
  void a_server_that_is_started_later_is_used_and_the_work_that_waits_there_is_done()
      throws Exception {
    own = ExternalMariaDb.in("own").start();
    Address address = own.newDatabase(NAME);
    start(address);
    service.awaitDatabase();
    service.stop();
    long node = nodeToDelete();
    own.stop();

    start(address);
    assertTrouble("connection refused, no server listens there.");
    own.start();

    assertServes();
    service.awaitGone("/v1/nodes/" + node);
    assertThat(service.http().post("/v1/dib_images/fails/build").status()).isEqualTo(201);
  }

  /** With the job that an earlier process ran when it ended. */
  private long nodeToDelete() throws IOException {
    own.sqlIn(
        NAME,
        "INSERT INTO node (id, provider_name, label_name, target_name, state)"
            + " VALUES (7, 'directory', 'l', 't', 4)",
        "INSERT INTO api_job (uuid, kind, state, subject, host, worker, attempts, created, started)"
            + " VALUES (UUID(), 'delete-node', 'running', '/v1/nodes/7', 'here', '%s', 1, 1, 1)"
                .formatted(service.installation()));
    return 7;
  }

  @Test
  void a_server_that_stops_or_hangs_under_us_is_told_and_used_when_it_is_back() throws Exception {
    own = ExternalMariaDb.in("own").start();
    start(own.newDatabase(NAME));
    assertServes();
    service.node("directory", 2);

    own.stop();
    assertTrouble("connection refused, no server listens there.");
    own.start();
    assertServes();

    own.signal("STOP");
    assertTrouble("no answer in time.");
    own.signal("CONT");
    assertServes();

    own.signal("STOP");
    assertTrouble("no answer in time.");
    own.kill();
    own.start();
    assertServes();
    assertThat(service.http().get("/v1/nodes").array()).hasSize(1);
  }

  @Test
  void tables_that_vanish_are_made_again() throws Exception {
    start(server.newDatabase(NAME));
    assertServes();

    server.sql("DROP DATABASE " + NAME, "CREATE DATABASE " + NAME);

    Poll.until("they are there", () -> service.http().get("/v1/nodes").status() == 200);
    assertServes();
    Poll.until("so are the triggers", service.triggers()::hasTriggers);
    service.node("directory", 2);
    assertThat(service.sql("SELECT * FROM api_change").size()).isOne();
  }

  @Test
  void the_service_stops_at_once_while_its_database_is_away_or_hangs() throws Exception {
    start(new Address("127.0.0.1", FreePort.next(), NAME, NAME, "secret"));
    assertStopsAtOnce();

    own = ExternalMariaDb.in("own").start();
    start(own.newDatabase(NAME));
    assertServes();
    own.signal("STOP");
    assertUnavailable(service.http().get("/v1/nodes"));
    assertStopsAtOnce();
  }

  private void assertStopsAtOnce() {
    long began = System.nanoTime();
    service.stop();
    service = null;
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(5));
  }

  private void start(Address address) throws Exception {
    service = TestService.start(DIR, "", Optional.of(address));
  }

  /** The process lives, answers all that needs the database with 503, and says why. */
  private void assertTrouble(String sentence) {
    Poll.until(
        sentence + " is told",
        () -> service.trouble().filter(told -> told.contains(sentence)).isPresent());
    assertThat(service.trouble().orElseThrow()).endsWith(".").doesNotContain("secret");
    Http http = service.http();
    for (String path : List.of("/v1/nodes", "/v1/images/1", "/v1/dib_images", "/v1/jobs/1")) {
      assertUnavailable(http.get(path));
    }
    assertUnavailable(http.put("/v1/nodes/1", "state=hold"));
    assertUnavailable(http.delete("/v1/images/1"));
    assertUnavailable(http.post("/v1/dib_images/tiny/build"));
    assertThat(http.get("/v1/nope").status()).isEqualTo(404);
  }

  private static void assertUnavailable(Http.Answer answer) {
    Problems.check(answer);
    assertThat(answer.status()).as("%s", answer).isEqualTo(503);
    assertThat(answer.slug()).isEqualTo("unavailable");
    assertThat(answer.header("Retry-After")).isEqualTo("1");
    assertThat(answer.body()).doesNotContain("secret");
  }

  private void assertServes() {
    // the first read may have to wait for the triggers, which are made at the same time
    Poll.until(
        "it serves",
        () -> service.trouble().isEmpty() && service.http().get("/v1/nodes").status() == 200);
    long began = System.nanoTime();
    assertThat(service.http().get("/v1/nodes").status()).isEqualTo(200);
    assertThat(service.http().put("/v1/nodes/999999", "state=hold").status()).isEqualTo(404);
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(AT_ONCE);
  }
}
