package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Clients that keep their connections, after a refusal: no answer is taken for another's. */
@RunsBesideOthers
@Tag("long")
class StandardClientsIT {
  private static ServiceProcess service;

  @BeforeAll
  static void start() throws Exception {
    service = ServiceProcess.in("standard-clients").start();
  }

  @AfterAll
  static void stop() {
    service.close();
  }

  @ParameterizedTest
  @CsvSource({"python3, clients.py, 11", "node, clients.js, 8", "go run, clients.go, 12"})
  void a_client_gets_its_own_answer_after_each_refusal(String command, String script, int refusals)
      throws Exception {
    List<String> words = new ArrayList<>(List.of(command.split(" ")));
    String program = words.get(0);
    Assumptions.assumeTrue(isThere(program), program + " is not installed");
    Path said = Files.createTempFile(program, ".out");
    Path file = Path.of(StandardClientsIT.class.getResource("/" + script).toURI());
    String password = Files.readString(service.dir().resolve("var/admin-password")).strip();
    words.add(file.toString());
    words.add(Integer.toString(service.port()));
    words.add(Http.basic("admin:" + password));
    Process client =
        new ProcessBuilder(words).redirectErrorStream(true).redirectOutput(said.toFile()).start();
    Poll.ends(client);

    String text = Files.readString(said, StandardCharsets.UTF_8);
    assertThat(client.exitValue()).as(text).isZero();
    assertThat(text.lines().filter(line -> line.startsWith("ok "))).as(text).hasSize(refusals);
  }

  private static boolean isThere(String program) throws Exception {
    Process which = new ProcessBuilder("sh", "-c", "command -v " + program).start();
    return which.waitFor(10, TimeUnit.SECONDS) && which.exitValue() == 0;
  }
}
