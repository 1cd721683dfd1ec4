package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.vertx.core.json.JsonObject;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.nodepool.ServiceProcess.Ended;

/** The packaged service on the database of an operator, the distribution's MariaDB. */
@RunsBesideOthers
class OwnDatabaseIT {

  /** Every kind of character that an address has a meaning for. */
  private static final String PASSWORD = "p@ss:w+o r%4/d?#ü";

  private static final String ENCODED = "p%40ss:w%2Bo+r%254%2Fd?#%C3%BC";

  private final ExternalMariaDb server = ExternalMariaDb.shared();
  private ServiceProcess service;

  @BeforeEach
  void makeDatabase() throws Exception {
    server.sql(
        "DROP DATABASE IF EXISTS own",
        "CREATE DATABASE own",
        "CREATE OR REPLACE USER np IDENTIFIED BY '" + PASSWORD + "'",
        "CREATE OR REPLACE USER bare",
        "GRANT ALL ON own.* TO np",
        "GRANT ALL ON own.* TO bare");
    service = ServiceProcess.in("own-database").with("NODEPOOL_API_PASSWORD", "pw");
  }

  @AfterEach
  void end() {
    service.close();
  }

  static List<String> addresses() {
    return Extent.cases(
        2,
        List.of(
            "mysql+pymysql://np:{password}@localhost:{port}/own?charset=utf8",
            "mysql://bare:@/own?unix_socket={socket}",
            "mysql://np:{password}@127.0.0.1:{port}/own",
            "mysql://np:{password}@[::1]:{port}/own",
            "mysql://np:{password}@localhost/own?unix_socket={socket}",
            "mysql+pymysql://np:{password}@/own?unix_socket={socket}&charset=utf8mb4",
            "mysql://bare@127.0.0.1:{port}/own",
            "mysql://root@/own?unix_socket={socket}"));
  }

  @ParameterizedTest
  @MethodSource("addresses")
  void an_address_in_any_of_its_forms_is_used(String dburi) throws Exception {
    service.with("NODEPOOL_DBURI", filled(dburi)).start();

    awaitReady();
    server.sqlIn(
        "own",
        "INSERT INTO node (id, provider_name, label_name, target_name)"
            + " VALUES (7, 'p', 'l', 't')");
    assertThat(http().get("/v1/nodes/7").json().getString("provider_name")).isEqualTo("p");
    assertThat(service.databases()).as("no server of its own").isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "environment, secure.conf and nodepool.yaml are wrong",
    "secure.conf, nodepool.yaml is a template",
    "nodepool.yaml, alone",
  })
  void the_environment_comes_before_secure_conf_and_that_before_nodepool_yaml(
      String place, String others) throws Exception {
    String right = filled("mysql://np:{password}@127.0.0.1:{port}/own");
    String wrong = "mysql://np:hidden-77742@127.0.0.1:1/own";
    boolean inEnvironment = place.equals("environment");
    boolean inSecure = place.equals("secure.conf");
    if (inEnvironment) {
      service.with("NODEPOOL_DBURI", right);
    }
    if (inEnvironment || inSecure) {
      service
          .write("secure.conf", "[database]\ndburi=" + (inSecure ? right : wrong) + "\n")
          .replace("api.yaml", "state_dir: var", "state_dir: var\nsecure_conf_file: secure.conf");
    }
    String inPool = inEnvironment ? wrong : inSecure ? "{dburi}" : right;
    service.replace("nodepool.yaml", "images-dir", "dburi: '" + inPool + "'\nimages-dir");

    service.start();

    awaitReady();
    assertThat(service.err()).doesNotContain("77742", PASSWORD, ENCODED);
  }

  @Test
  void a_template_in_the_place_that_counts_is_a_mistake() throws Exception {
    service.replace("nodepool.yaml", "images-dir", "dburi: '{dburi}'\nimages-dir");

    Ended ended = service.startFails();

    assertThat(ended.status()).isEqualTo(1);
    assertThat(ended.err()).contains("nodepool.yaml: dburi: must be the address of a MySQL");
  }

  static List<Arguments> unreachable() {
    return Extent.cases(
        3,
        List.of(
            arguments(
                "np", "wrong-77742", "127.0.0.1:{port}/own", "the user or the password is wrong"),
            arguments("np", "{password}", "127.0.0.1:{port}/other", "no right to this database"),
            arguments(
                "np", "{password}", "/own?unix_socket=/nowhere/sock", "there is no such socket"),
            arguments(
                "nobody",
                "wrong-77742",
                "127.0.0.1:{port}/own",
                "the user or the password is wrong"),
            arguments("np", "{password}", "127.0.0.1:1/own", "connection refused"),
            arguments("np", "{password}", "no-such-host.invalid:{port}/own", "unknown host")));
  }

  @ParameterizedTest
  @MethodSource("unreachable")
  void one_that_cannot_be_reached_is_told_in_words_and_the_process_stays(
      String user, String password, String rest, String why) throws Exception {
    service
        .with("NODEPOOL_DBURI", filled("mysql://%s:%s@%s".formatted(user, password, rest)))
        .start();

    Poll.until(
        "it says why",
        () -> http().get("/readyz").body().contains(why) && service.err().contains(why));
    Http.Answer ready = http().get("/readyz");
    assertThat(ready.status()).isEqualTo(503);
    assertThat(ready.json().getBoolean("ready")).isFalse();
    assertThat(ready.body()).contains(user, rest.contains("unix") ? "/nowhere/sock" : ":");
    assertThat(http().get("/healthz").status()).isEqualTo(200);
    assertThat(http().get("/v1/nodes").slug()).isEqualTo("unavailable");
    assertThat(http().post("/v1/dib_images/tiny/build").status()).isEqualTo(503);
    assertThat(ready.body() + service.err() + service.out())
        .doesNotContain("77742", PASSWORD, ENCODED);
    assertThat(service.terminate()).isLessThan(Duration.ofSeconds(10));
  }

  @Test
  void a_database_that_is_made_later_is_used_then_and_jobs_run() throws Exception {
    server.sql("DROP DATABASE own");
    service.with("NODEPOOL_DBURI", filled("mysql://np:{password}@127.0.0.1:{port}/own")).start();
    Poll.until("it says why", () -> http().get("/readyz").body().contains("unknown database"));

    server.sql("CREATE DATABASE own");

    awaitReady();
    Http.Answer built = http().post("/v1/dib_images/tiny/build");
    assertThat(built.status()).isEqualTo(201);
    Poll.until("the build ends", () -> http().get(built.job()).json().getValue("finished") != null);
    JsonObject job = http().get(built.job()).json();
    assertThat(job.getString("state")).as("%s", job).isEqualTo("succeeded");
  }

  @Test
  void what_is_ours_is_taken_out_once_no_service_uses_it() throws Exception {
    String dburi = filled("mysql://np:{password}@127.0.0.1:{port}/own");
    String[] newId = {"schema", "--new-id", "--config", service.config().toString()};
    String[] remove = {"schema", "--remove", "--config", service.config().toString()};
    service.with("NODEPOOL_DBURI", dburi).start();
    awaitReady();

    try (ServiceProcess other = ServiceProcess.in("own-database-2").with("NODEPOOL_DBURI", dburi)) {
      Ended refused = other.command(remove);
      assertThat(refused.status()).isEqualTo(1);
      assertThat(refused.err()).contains("a service uses it").doesNotContain(PASSWORD, ENCODED);
      refused = other.command(newId);
      assertThat(refused.status()).isEqualTo(1);
      assertThat(refused.err())
          .startsWith("the id stays as it is: ")
          .contains("a service uses it")
          .doesNotContain(PASSWORD, ENCODED);
    }
    assertThat(http().get("/v1/jobs").body()).isEqualTo("[]");

    service.terminate();
    Ended given = service.command(newId);
    assertThat(given.out()).startsWith("the id of ").doesNotContain(PASSWORD, ENCODED);
    Ended removed = service.command(remove);
    assertThat(removed.err()).doesNotContain("Exception");
    assertThat(removed.out()).startsWith("removed api_schema, ").doesNotContain(PASSWORD, ENCODED);
    assertThat(removed.status()).isZero();
    assertThat(server.sqlIn("own", "SHOW TABLES LIKE 'api%'").size()).isZero();
    assertThat(server.sqlIn("own", "SHOW TABLES").size()).isEqualTo(4);
  }

  @Test
  void the_password_is_not_in_the_list_of_processes() throws Exception {
    service.with("NODEPOOL_DBURI", filled("mysql://np:{password}@127.0.0.1:{port}/own")).start();
    awaitReady();

    List<String> commands =
        ProcessHandle.allProcesses().map(p -> ServiceProcess.read(p, "cmdline")).toList();

    assertThat(String.join("\n", commands)).doesNotContain(ENCODED, PASSWORD);
  }

  private void awaitReady() {
    Poll.until("it is ready", () -> http().get("/readyz").status() == 200);
  }

  private Http http() {
    return new Http(service.port(), "admin", "pw");
  }

  private String filled(String dburi) {
    return dburi
        .replace("{password}", ENCODED)
        .replace("{port}", Integer.toString(server.port()))
        .replace("{socket}", server.socket().toString());
  }
}
