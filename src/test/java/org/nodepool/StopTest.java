package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.sqlclient.SqlConnection;
import io.vertx.sqlclient.Transaction;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What is answered while the service stops. */
@Tag("both-databases")
class StopTest {
  @Test
  void while_it_stops_writes_are_refused_and_reads_are_answered() throws Exception {
    TestService service = TestService.start(Scratch.dir("stop-service"), "");
    service.empty();
    Http http = service.http();
    Http.Answer build = http.post("/v1/dib_images/slow-install/build");
    service.awaitState(build.job(), "running");
    SqlConnection other = service.connection();
    Transaction lock = other.begin().await();
    // the end of the job cannot be written, so the stop takes a second at least
    other.query("SELECT id FROM api_job FOR UPDATE").execute().await();

    CompletableFuture<Void> stopped = CompletableFuture.runAsync(service::stopService);
    Poll.until("writes are refused", () -> http.delete("/v1/nodes/1").status() == 503);

    Http.Answer write = http.post("/v1/dib_images/tiny/build");
    assertThat(write.status()).isEqualTo(503);
    Problems.check(write, "/v1/dib_images/tiny/build");
    assertThat(write.slug()).isEqualTo("unavailable");
    assertThat(write.header("Retry-After")).isEqualTo("1");
    assertThat(write.json().getString("detail")).contains("is being stopped");
    assertThat(http.anonymous().post("/v1/dib_images/tiny/build").status()).isEqualTo(401);
    assertThat(http.get("/v1/dib_images").array()).hasSize(1);

    lock.rollback().await();
    other.close().await();
    stopped.join();
    service.closeClients();
  }
}
