package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.net.http.HttpHeaders;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What README.md promises. */
@RunsBesideOthers
class ReadmeIT {
  private static final Path ROUTES = Path.of("src/main/java/org/nodepool/api/Routes.java");
  private static final Pattern SHELL = Pattern.compile("(?ms)^```sh\n(.*?)^```$");
  private static final Pattern ROUTE = Pattern.compile("new Operation\\((\\w+), *\"(/[^\"]+)\"");
  private static final Pattern OPERATION = Pattern.compile("`(?:([A-Z]+) )?(/[^`]*)`");
  private static final Pattern CODE = Pattern.compile("`([^`]+)`");
  private static final Pattern KEY = Pattern.compile("(?m)^( *)#?([a-z_]+):");

  /** What curl is to say of every answer; not its body. */
  private static final String TELLS_WHAT_CAME =
      "%{stderr}{'method':'%{method}','url':'%{url_effective}','status':%{http_code},"
              .replace("'", "\\\"")
          + "\\\"headers\\\":%{header_json}}\\n";

  @Test
  void every_command_works_as_it_is_written() throws Exception {
    try (ServiceProcess service = ServiceProcess.asShipped("readme").start()) {
      String script = String.join("", found(SHELL, readme()).map(block -> block.group(1)).toList());
      assertThat(script).contains("http://127.0.0.1:8080");
      service.write("readme.sh", script.replace("http://127.0.0.1:8080", service.url()));

      service.write(".curlrc", "write-out = \"%s\"".formatted(TELLS_WHAT_CAME));

      String said =
          ServiceProcess.run(
              "bash",
              "-c",
              "cd $0 && CURL_HOME=. exec timeout 600 bash -e -o pipefail readme.sh 2>answers",
              service.dir().toString());

      assertThat(said).doesNotContain("urn:nodepool:problem");
      String answers = Files.readString(service.dir().resolve("answers"));
      List<String> each = List.of(answers.split("(?m)(?=^\\{\"method\")"));
      assertThat(each).hasSizeGreaterThan(10);
      each.forEach(ReadmeIT::checkContract);
      List<String> ends = new ArrayList<>();
      for (Object job : service.http().get("/v1/jobs").array()) {
        ends.add(service.ended("/v1/jobs/" + ((JsonObject) job).getLong("id")).getString("state"));
      }
      // newest first
      assertThat(ends).startsWith("cancelled").filteredOn("cancelled"::equals).hasSize(1);
      assertThat(ends).filteredOn("succeeded"::equals).hasSize(9);
    }
  }

  private static void checkContract(String answer) {
    JsonObject json = new JsonObject(answer);
    Map<String, List<String>> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    for (var header : json.getJsonObject("headers")) {
      headers.put(
          header.getKey(), ((JsonArray) header.getValue()).stream().map(Object::toString).toList());
    }
    Contract.SERVED.check(
        json.getString("method"),
        json.getString("url"),
        new Http.Answer(
            json.getInteger("status"), null, HttpHeaders.of(headers, (name, value) -> true)));
  }

  @Test
  void the_operations_are_those_of_the_service() throws IOException {
    Set<String> served = new TreeSet<>();
    found(ROUTE, Files.readString(ROUTES))
        .forEach(line -> served.add(line.group(1) + " " + line.group(2).replaceAll(":\\w+", "{}")));
    Set<String> described = new TreeSet<>();
    for (String row : table("## Operations")) {
      String cell = row.split("\\|")[1];
      String method = null;
      for (MatchResult operation : found(OPERATION, cell).toList()) {
        method = operation.group(1) == null ? method : operation.group(1);
        described.add(method + " " + operation.group(2).replaceAll("\\{[^}]*}", "{}"));
      }
      if (cell.contains("and so on")) { // an object of each list in the rows before
        List.copyOf(described).stream()
            .filter(operation -> operation.matches("GET /v1/\\w+"))
            .forEach(list -> described.add(list + "/{}"));
      }
    }

    assertThat(served).hasSizeGreaterThan(10);
    assertThat(described).isEqualTo(served);
  }

  @Test
  void the_settings_are_in_the_shipped_file() throws IOException {
    Set<String> shipped = keys(Files.readString(Path.of("conf/api.yaml")));
    Set<String> described = new LinkedHashSet<>();
    for (String row : table("## Settings")) {
      found(CODE, row.split("\\|")[1]).forEach(key -> described.add(key.group(1)));
    }

    assertThat(described).hasSizeGreaterThan(5);
    assertThat(shipped).containsAll(described);
  }

  /** Every key, commented out or not, with those it is in: {@code server.port}. */
  private static Set<String> keys(String yaml) {
    Set<String> keys = new TreeSet<>();
    Deque<String> path = new ArrayDeque<>();
    Deque<Integer> indents = new ArrayDeque<>();
    for (MatchResult key : found(KEY, yaml).toList()) {
      while (!indents.isEmpty() && indents.peekLast() >= key.group(1).length()) {
        indents.removeLast();
        path.removeLast();
      }
      indents.addLast(key.group(1).length());
      path.addLast(key.group(2));
      keys.add(String.join(".", path));
    }
    return keys;
  }

  /** The rows, without the head, of the first table below that heading. */
  private static List<String> table(String heading) throws IOException {
    String section = readme().split("(?m)^\\Q" + heading + "\\E$")[1];
    return section
        .lines()
        .dropWhile(line -> !line.startsWith("|---"))
        .skip(1)
        .takeWhile(line -> line.startsWith("|"))
        .toList();
  }

  private static Stream<MatchResult> found(Pattern pattern, String text) {
    return pattern.matcher(text).results();
  }

  private static String readme() throws IOException {
    return Files.readString(Path.of("README.md"));
  }
}
