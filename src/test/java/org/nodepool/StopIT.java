package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.json.JsonObject;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How the packaged service stops. */
@RunsBesideOthers
class StopIT {
  private static final Duration LIMIT = Duration.ofSeconds(10);

  private ServiceProcess service;

  @AfterEach
  void end() {
    service.close();
  }

  @ParameterizedTest
  @CsvSource({"TERM, 143", "INT, 130"})
  void a_signal_ends_it_and_its_database(String signal, int status) throws Exception {
    service = ServiceProcess.in("stop").start();

    assertThat(service.end(signal)).isLessThan(LIMIT);

    assertThat(service.status()).isEqualTo(status);
    assertThat(service.remains()).isEmpty();
    assertThat(service.dir().resolve("var/db/dburi")).doesNotExist();
    assertNothingIsTold();
  }

  @Test
  void a_build_under_way_ends_with_it_and_runs_again_at_the_next_start_and_no_row_is_lost()
      throws Exception {
    service = ServiceProcess.in("stop-in-build").start();
    service.sql(
        "INSERT INTO node (provider_name, label_name, target_name, state, state_time) VALUES "
            + String.join(
                ", ", Collections.nCopies(500, "('directory', 'tiny', 'target', 2, 1416832000)")));
    Http.Answer build = service.http().post("/v1/dib_images/slow-install/build");
    service.awaitLog(build.job(), "slow-install sleeping");
    assertThat(service.remains("var/builds")).isNotEmpty();

    assertThat(service.terminate()).isLessThan(LIMIT);

    assertThat(service.remains()).isEmpty();
    assertThat(service.names("var/builds")).isEmpty();
    assertThat(service.names("images")).isEmpty();
    service.start();
    Http http = service.http();
    // all rows were read before it greeted: the first request is a probe
    assertThat(http.get("/metrics").body()).contains("nodepool_probes_total 1.0");
    assertThat(http.get("/v1/nodes").array()).hasSize(500);
    Poll.until(
        "it sleeps again",
        () -> http.get(build.job() + "/log").body().split("slow-install sleeping").length == 3);
    assertThat(http.get(build.location()).json().getString("state")).isEqualTo("building");
    JsonObject job = http.get(build.job()).json();
    assertThat(job.getString("state")).isEqualTo("running");
    assertThat(job.getInteger("attempts")).isEqualTo(2);
  }

  @Test
  void while_a_build_is_ended_writes_are_refused_and_reads_are_answered() throws Exception {
    service = ServiceProcess.in("stop-refuses").start();
    Http http = service.http();
    Http.Answer build = http.post("/v1/dib_images/slow-finalise/build");
    service.awaitLog(build.job(), "slow-finalise sleeping");

    service.signal("TERM");
    Poll.until("writes are refused", () -> http.post("/v1/dib_images/tiny/build").status() == 503);
    Http.Answer read = http.get(build.job());

    assertThat(read.status()).isEqualTo(200);
    assertThat(service.terminate()).isLessThan(LIMIT);
    assertThat(service.remains()).isEmpty();
  }

  @Test
  void streams_that_are_open_on_all_its_loops_end_with_it() throws Exception {
    service = ServiceProcess.in("stop-streams").jvm("-XX:ActiveProcessorCount=8").start();
    List<Wire> streams = new ArrayList<>();
    for (int i = 0; i < 16; i++) {
      Wire stream = new Wire(service.port());
      streams.add(stream);
      stream.send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
      assertThat(stream.readStreamHead().status()).isEqualTo(200);
    }

    assertThat(service.terminate()).isLessThan(LIMIT);

    assertThat(service.remains()).isEmpty();
    assertNothingIsTold();
    for (Wire stream : streams) {
      stream.close();
    }
  }

  /** But of the database: on a busy machine it may have been slow before. */
  private void assertNothingIsTold() throws Exception {
    assertThat(service.err().lines())
        .filteredOn(line -> !line.contains(" WARN  o.n.s.s.SchemaWatch: "))
        .noneMatch(line -> line.matches(".*(WARN|ERROR|Exception).*"));
  }
}
