package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.nodepool.ServiceProcess.Ended;

/** The packaged service's command line: how it starts, and how it says that it does not. */
@RunsBesideOthers
class StartIT {
  private ServiceProcess service;
  private ServiceProcess other;

  @AfterEach
  void end() {
    service.close();
    if (other != null) {
      other.close();
    }
  }

  @Test
  void a_port_in_use_is_named_and_nothing_is_left_running() throws Exception {
    service = ServiceProcess.in("port-in-use");
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      service.replace("api.yaml", "port: 0", "port: " + taken.getLocalPort());

      Ended ended = service.startFails();

      assertThat(ended.status()).isEqualTo(1);
      assertThat(ended.err())
          .contains("nodepool does not start: it cannot listen at")
          .contains("127.0.0.1:" + taken.getLocalPort())
          .contains("in use");
      assertThat(ended.out()).isEmpty();
    }
    assertThat(service.remains()).isEmpty();
  }

  @Test
  void directories_of_another_instance_are_refused_and_that_one_goes_on() throws Exception {
    service = ServiceProcess.in("in-use").start();
    other = ServiceProcess.in("another");
    String data = service.dir().resolve("var/db").toString();
    other.replace("api.yaml", "data_dir: var/db", "data_dir: " + data);

    Ended sameData = other.startFails();
    other.replace("api.yaml", "state_dir: var", "state_dir: " + service.dir().resolve("var"));
    Ended sameState = other.startFails();

    assertThat(sameData.status()).isEqualTo(1);
    assertThat(sameData.err())
        .contains("nodepool does not start: the data directory " + data + " is in use");
    assertThat(sameState.status()).isEqualTo(1);
    assertThat(sameState.err()).contains("nodepool does not start: the state directory");
    assertThat(other.remains()).isEmpty();
    assertThat(service.http().get("/v1/nodes").status()).isEqualTo(200);
    assertThat(service.databases()).hasSize(1);
  }

  @Test
  void a_file_that_is_no_yaml_is_told_by_line_and_column() throws Exception {
    service = ServiceProcess.in("malformed");
    String pool = Files.readString(service.dir().resolve("nodepool.yaml"));

    service.write("nodepool.yaml", "labels:\n\t- name: tiny\n");
    Ended ofPool = service.startFails();
    service.write("nodepool.yaml", pool).write("api.yaml", "server: {port: 0\njobs: {}\n");
    Ended ofApi = service.startFails();

    assertThat(ofPool.status()).isEqualTo(1);
    assertThat(ofPool.err()).startsWith("nodepool.yaml: line 2, column 1: ").hasLineCount(1);
    assertThat(ofApi.status()).isEqualTo(1);
    assertThat(ofApi.err()).startsWith("api.yaml: line 2, column ").hasLineCount(1);
  }

  @Test
  void every_mistake_is_told_at_once() throws Exception {
    service = ServiceProcess.in("mistakes");
    service.write("api.yaml", "server: {port: many}\nauth: {protect_reads: perhaps}\nport: 1\n");

    Ended ended = service.startFails();

    assertThat(ended.status()).isEqualTo(1);
    assertThat(ended.err().lines())
        .hasSize(3)
        .anyMatch(line -> line.startsWith("api.yaml: server.port: "))
        .anyMatch(line -> line.startsWith("api.yaml: auth.protect_reads: "))
        .anyMatch(line -> line.startsWith("api.yaml: port: "));
    assertThat(service.dir().resolve("var/admin-password")).doesNotExist();
  }

  @Test
  void a_missing_pool_file_is_named() throws Exception {
    service = ServiceProcess.in("missing");
    Files.delete(service.dir().resolve("nodepool.yaml"));

    Ended ended = service.startFails();

    assertThat(ended.status()).isEqualTo(1);
    assertThat(ended.err())
        .contains("no such file: " + service.dir().resolve("nodepool.yaml"))
        .hasLineCount(1);
  }

  @Test
  void check_says_ok_or_tells_the_mistakes_and_starts_nothing() throws Exception {
    service = ServiceProcess.in("check");

    Ended good = service.command("check", "--config", service.config().toString());
    service.replace("nodepool.yaml", "min-ready: 0", "min-ready: none");
    Ended bad = service.command("check", "--config", service.config().toString());

    assertThat(good).isEqualTo(new Ended(0, "ok\n", ""));
    assertThat(bad.status()).isEqualTo(1);
    assertThat(bad.out()).isEmpty();
    assertThat(bad.err()).startsWith("nodepool.yaml: labels").contains("min-ready");
    assertThat(service.dir().resolve("var/admin-password")).doesNotExist();
  }

  @Test
  void check_tells_the_warnings_and_every_mistake_of_all_files() throws Exception {
    service = ServiceProcess.in("check-all");
    service.write("secure.conf", "[database]\ndburi=mysql://u:hunter2@h:x/np\n");
    service.replace("nodepool.yaml", "min-ready: 0", "min-reddy: 0");
    Ended warned = service.command("check", "--config", service.config().toString());
    service.write("api.yaml", "secure_conf_file: secure.conf\nserver: {port: many}\n");
    Ended refused = service.command("check", "--config", service.config().toString());

    assertThat(warned.status()).isZero();
    assertThat(warned.out()).isEqualTo("ok\n");
    assertThat(warned.err()).startsWith("warning: nodepool.yaml: labels").hasLineCount(1);
    assertThat(refused.status()).isEqualTo(1);
    assertThat(refused.out()).isEmpty();
    assertThat(refused.err())
        .contains("warning: nodepool.yaml: labels", "\napi.yaml: server.port: ")
        .contains("\nsecure.conf: [database] dburi: ")
        .doesNotContain("hunter2");
  }

  @Test
  void a_password_and_tls_files_that_cannot_be_used_are_told_with_the_other_mistakes()
      throws Exception {
    service = ServiceProcess.in("check-api");
    service.replace("nodepool.yaml", "min-ready: 0", "min-ready: none");
    service.write("garbage", "hunter2");
    service.write(
        "api.yaml",
        """
        api_password: $6$hunter2
        server: {port: 0, tls: {cert: garbage, key: garbage}}
        database: {data_dir: var/db}
        state_dir: var
        """);

    Ended checked = service.command("check", "--config", service.config().toString());
    Ended started = service.startFails();

    for (Ended each : List.of(checked, started)) {
      assertThat(each.status()).isEqualTo(1);
      assertThat(each.err().lines())
          .hasSize(3)
          .anyMatch(line -> line.startsWith("api.yaml: api_password: begins like a hash"))
          .anyMatch(line -> line.startsWith("api.yaml: server.tls.cert: "))
          .anyMatch(line -> line.startsWith("nodepool.yaml: labels"));
      assertThat(each.err()).doesNotContain("hunter2");
    }
    assertThat(service.dir().resolve("var/installation")).doesNotExist();
  }

  @Test
  void bad_arguments_are_answered_with_the_usage() throws Exception {
    service = ServiceProcess.in("arguments");

    Ended ended = service.command("--no-such-option");

    assertThat(ended.status()).isEqualTo(2);
    assertThat(ended.out()).isEmpty();
    assertThat(ended.err()).contains("--no-such-option").contains("Usage: nodepool");
  }

  @Test
  void a_password_in_the_environment_comes_first() throws Exception {
    service = ServiceProcess.in("password");
    String settings = Files.readString(service.dir().resolve("api.yaml"));
    service.write("api.yaml", settings + "api_password: in-the-file\n");

    service.with("NODEPOOL_API_PASSWORD", "in the environment").start();

    int port = Integer.parseInt(service.url().replaceAll(".*:", ""));
    String form = "provider_name=nowhere";
    String path = "/v1/dib_images/tiny/upload";
    assertThat(new Http(port, "admin", "in the environment").post(path, form).status())
        .isEqualTo(404);
    assertThat(new Http(port, "admin", "in-the-file").post(path, form).status()).isEqualTo(401);
    assertThat(service.dir().resolve("var/admin-password")).doesNotExist();
    assertThat(service.out()).contains("-u admin").doesNotContain("in the environment");
  }

  @Test
  void a_worker_alone_listens_nowhere_and_runs_also_while_its_database_is_away() throws Exception {
    service =
        ServiceProcess.in("worker-alone")
            .with("NODEPOOL_DBURI", "mysql://ann:hunter2@127.0.0.1:1/nodepool")
            .replace("api.yaml", "server: {port: 0}", "server: {host: 0.0.0.0}\nroles: [worker]");

    Ended checked = service.command("check", "--config", service.config().toString());
    service.startAsWorker();

    assertThat(checked.out()).isEqualTo("ok\n");
    assertThat(service.out())
        .isEqualTo("nodepool runs jobs as a worker on %s\n".formatted(Installation.hostName()));
    assertThat(service.err()).doesNotContain("warning:");
    assertThat(ServiceProcess.run("ss", "-tlnp")).doesNotContain("pid=" + service.pid() + ",");
    assertThat(service.dir().resolve("var/admin-password")).doesNotExist();
    assertThat(service.terminate()).isLessThan(Duration.ofSeconds(10));
    assertThat(service.status()).isEqualTo(143);
    assertThat(service.remains()).isEmpty();
  }

  @Test
  void a_failpoint_that_there_is_not_stops_the_start_and_one_that_there_is_is_warned_of()
      throws Exception {
    service =
        ServiceProcess.in("failpoint").with("JAVA_TOOL_OPTIONS", "-Dnodepool.failpoint=claim");

    Ended unknown = service.startFails();
    service.with("JAVA_TOOL_OPTIONS", "-Dnodepool.failpoint=claim.after").start();

    assertThat(unknown.status()).isEqualTo(1);
    assertThat(unknown.err())
        .contains("nodepool does not start: there is no failpoint claim to halt at");
    assertThat(service.err()).contains("warning: a test's failpoint is armed");
    aJob().kind("delete-node").subject("/v1/nodes/1").notBefore(null).in(service);
    service.awaitEnd();
    assertThat(service.status()).isEqualTo(99);
  }
}
