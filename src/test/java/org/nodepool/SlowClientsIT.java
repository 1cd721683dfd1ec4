package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.mysqlclient.MySQLConnection;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Clients that ask for much and read nothing, of a service with little memory. */
@RunsAlone("it waits for what takes the machine")
@ExtendWith(VertxExtension.class)
class SlowClientsIT {
  private static final int CLIENTS = 100;

  private static final String NODES =
      "INSERT INTO node (provider_name, label_name, target_name, hostname, external_id, ip, state,"
          + " state_time) SELECT CONCAT('provider-', seq % 7), 'a-label', 'a-target',"
          + " CONCAT('host-', seq, '.example.org'), UUID(), '203.0.113.7', 2, seq"
          + " FROM seq_1_to_10000";

  @Test
  void those_who_read_are_answered_and_the_others_are_cut(Vertx vertx) throws Exception {
    try (ServiceProcess service = ServiceProcess.in("slow-clients").jvm("-Xmx160m").start()) {
      MySQLConnection sql =
          MySQLConnection.connect(
                  vertx,
                  MySQLConnectOptions.fromUri(
                      Files.readString(service.dir().resolve("var/db/dburi")).strip()))
              .await();
      sql.query(NODES).execute().await();
      sql.close().await();
      Http http = service.http();
      assertThat(http.get("/v1/nodes").ids()).hasSize(10_000);

      List<Socket> clients = new ArrayList<>();
      for (int i = 0; i < CLIENTS; i++) {
        // the same for all, and what is one client's alone, some 3 MB each
        clients.add(asking(service, "/v1/nodes", "*/*"));
        clients.add(asking(service, "/v1/nodes?limit=9000&marker=" + i, "*/*"));
        clients.add(asking(service, "/v1/nodes?limit=9000&marker=" + i, "text/plain"));
      }

      Poll.until("who reads is answered", () -> http.get("/v1/nodes?limit=3").status() == 200);
      Poll.within(
          Duration.ofSeconds(90),
          "those are cut who were sent the most",
          () -> connections(http) < 2 * CLIENTS);
      Poll.until(
          "there is room again for what is one client's alone",
          () -> http.get("/v1/nodes?limit=9000&marker=777").status() == 200);
      assertThat(service.err()).contains(" 503 ").doesNotContain("OutOfMemoryError");
      for (Socket client : clients) {
        client.close();
      }
    }
  }

  /** A client that asks three times, and reads nothing. */
  private static Socket asking(ServiceProcess service, String path, String accept)
      throws IOException {
    Socket client = new Socket();
    client.setReceiveBufferSize(4096);
    client.connect(new InetSocketAddress("127.0.0.1", service.port()));
    String request =
        "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n\r\n".formatted(path, accept);
    client.getOutputStream().write(request.repeat(3).getBytes(StandardCharsets.US_ASCII));
    return client;
  }

  private static double connections(Http http) throws IOException {
    return http.get("/metrics")
        .body()
        .lines()
        .filter(line -> line.startsWith("nodepool_connections "))
        .mapToDouble(line -> Double.parseDouble(line.substring(line.indexOf(' '))))
        .sum();
  }
}
