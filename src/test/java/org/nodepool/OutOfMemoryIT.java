package org.nodepool;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The packaged service when its memory off the heap is used up all the same. */
@RunsBesideOthers
class OutOfMemoryIT {
  private static final byte[] HALF_A_LINE = ("GET /" + "a".repeat(7_900)).getBytes(ISO_8859_1);

  @Test
  void the_process_ends_with_a_line_and_is_right_after_the_next_start() throws Exception {
    try (ServiceProcess service = ServiceProcess.in("out-of-memory")) {
      service.jvm("-Xmx160m", "-XX:MaxDirectMemorySize=5m").start();
      service.sql(
          "INSERT INTO node (provider_name, label_name, target_name, state, state_time)"
              + " VALUES ('directory', 'tiny', 'target', 2, 1416832000)");
      List<Socket> clients = new ArrayList<>();
      Poll.until(
          "the process has ended",
          () -> {
            for (int i = 0; i < 100 && service.isAlive(); i++) {
              send(clients, service.port());
            }
            return !service.isAlive();
          });
      for (Socket client : clients) {
        client.close();
      }
      assertThat(service.status()).isEqualTo(3);
      assertThat(service.err()).contains("nodepool ends: out of memory");

      service.jvm("-Xmx160m").start();
      assertThat(service.http().get("/v1/nodes").ids()).hasSize(1);
    }
  }

  private static void send(List<Socket> clients, int port) {
    try {
      Socket client = new Socket("127.0.0.1", port);
      clients.add(client);
      client.getOutputStream().write(HALF_A_LINE);
    } catch (IOException e) {
      // it has just ended
    }
  }
}
