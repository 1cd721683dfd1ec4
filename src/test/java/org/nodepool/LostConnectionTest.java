package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.sqlclient.SqlConnection;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.nodepool.store.Database;

/** What is answered when the server that is back after a loss lacks the newest commits. */
class LostConnectionTest {
  private static final Path DIR = Scratch.dir("test-service-lost");

  private final TestService service = TestService.shared();
  private DatabaseProxy proxy;
  private TestService other;
  private long node;

  @BeforeEach
  void start() throws Exception {
    service.empty();
    node = service.node("directory", 2);
    MySQLConnectOptions at = service.database();
    proxy = new DatabaseProxy(service.vertx(), at.getHost(), at.getPort());
    Database.Address address =
        new Database.Address(
            "127.0.0.1", proxy.port(), at.getDatabase(), at.getUser(), at.getPassword());
    other = TestService.start(DIR, "roles: [api]", Optional.of(address));
    other.awaitDatabase();
  }

  @AfterEach
  void stop() {
    other.stop();
  }

  @Test
  void a_log_that_ends_as_before_and_has_another_end_is_not_taken_for_the_same() {
    change("lost");
    for (int i = 0; i < 8; i++) { // on every event loop
      assertThat(host()).isEqualTo("lost");
    }

    proxy.refuse();
    SqlConnection connection = service.connection();
    connection.query("BEGIN").execute().await();
    long last = TestService.greatestChange(connection);
    for (String statement :
        new String[] {
          "UPDATE node SET hostname = 'another' WHERE id = " + node,
          "DELETE FROM api_change WHERE id = " + last,
          "UPDATE api_change SET id = %d ORDER BY id DESC LIMIT 1".formatted(last),
          "COMMIT"
        }) {
      connection.query(statement).execute().await();
    }
    assertThat(TestService.greatestChange(connection)).isEqualTo(last);
    connection.close().await();
    proxy.accept();

    for (int i = 0; i < 8; i++) {
      assertThat(host()).isEqualTo("another");
    }
    change("later");
    assertThat(host()).isEqualTo("later");
  }

  private void change(String hostname) {
    service.sql("UPDATE node SET hostname = ? WHERE id = ?", hostname, node);
  }

  private String host() {
    return other.http().get("/v1/nodes/" + node).json().getString("hostname");
  }
}
