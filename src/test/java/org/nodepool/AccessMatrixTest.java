package org.nodepool;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.stream.Collectors.toCollection;
import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.nodepool.api.DeclaredRoutes;

/** Walks the table in {@code access.txt}: path, method, login, status. */
@Tag("both-databases")
class AccessMatrixTest {
  private static final List<String> METHODS =
      List.of(
          "GET",
          "HEAD",
          "POST",
          "PUT",
          "DELETE",
          "PATCH",
          "OPTIONS",
          "TRACE",
          "PROPFIND",
          "FOO",
          "get");

  private static final String RIGHT = Http.basic("admin:" + TestService.PASSWORD);
  private static final Map<String, String> BAD_LOGINS = badLogins();
  private static final Map<String, String> GOOD_LOGINS =
      Map.of(
          "the administrator", RIGHT,
          "the scheme in lower case", RIGHT.replace("Basic", "basic"),
          "the scheme in upper case", RIGHT.replace("Basic", "BASIC"));

  /** A line of the file; its path has parameters as {@code :name}. */
  private record Row(
      String method, String path, int nobody, int badLogin, int administrator, int foreign) {
    boolean needsLogin() {
      return nobody == 401;
    }

    /** The path to a thing that does not exist. */
    String missing() {
      return path.replaceAll(":id", "999999").replaceAll(":(image|name)", "nothing");
    }
  }

  private static final List<Row> ROWS = read();

  private final TestService service = TestService.shared();
  private final int port = service.http().port();

  @BeforeEach
  void empty() {
    service.empty();
  }

  @Test
  void every_route_has_its_rows_and_every_row_its_route() {
    List<String> rows =
        ROWS.stream()
            .filter(row -> !List.of("*", "HEAD", "OPTIONS").contains(row.method()))
            .map(row -> row.method() + " " + row.path())
            .toList();
    assertThat(rows).containsExactlyInAnyOrderElementsOf(DeclaredRoutes.all());
  }

  @Test
  void every_method_of_every_path_answers_nobody_as_the_table_says() throws IOException {
    try (Wire wire = new Wire(port)) {
      for (Row row : each()) {
        check(row, row.missing(), row.nobody(), wire.ask(row.method(), row.missing()), "nobody");
      }
    }
  }

  @Test
  void every_method_of_every_path_answers_every_bad_login_as_the_table_says() throws IOException {
    for (var bad : BAD_LOGINS.entrySet()) {
      try (Wire wire = new Wire(port)) {
        for (Row row : each()) {
          Http.Answer answer =
              wire.ask(row.method(), row.missing(), "Authorization", bad.getValue());
          check(row, row.missing(), row.badLogin(), answer, bad.getKey());
        }
      }
    }
  }

  @Test
  void every_method_of_every_path_answers_the_administrator_as_the_table_says() throws IOException {
    for (var good : GOOD_LOGINS.entrySet()) {
      try (Wire wire = new Wire(port)) {
        for (Row row : each()) {
          Http.Answer answer =
              wire.ask(row.method(), row.missing(), "Authorization", good.getValue());
          check(row, row.missing(), row.administrator(), answer, good.getKey());
        }
      }
    }
  }

  @Test
  void every_method_of_every_path_answers_a_foreign_page_as_the_table_says() throws IOException {
    try (Wire wire = new Wire(port)) {
      for (Row row : each()) {
        Http.Answer answer =
            wire.ask(
                row.method(),
                row.missing(),
                "Authorization",
                RIGHT,
                "Origin",
                "https://evil.example.org");
        check(row, row.missing(), row.foreign(), answer, "a foreign page");
      }
    }
  }

  @Test
  void head_answers_as_get_without_the_body() throws IOException {
    long node = service.node("directory", 2);
    long image = service.image("directory", 2, null);
    long dibImage = service.dibImage("tiny", 2, null);
    List<String> paths = new ArrayList<>(each().stream().map(Row::missing).distinct().toList());
    paths.remove("/v1/events");
    paths.remove("/metrics"); // the next answer has counted this one
    paths.addAll(List.of("/v1/nodes/" + node, "/v1/images/" + image, "/v1/dib_images/" + dibImage));
    try (Wire wire = new Wire(port)) {
      for (String path : paths) {
        Http.Answer get = wire.ask("GET", path, "X-Request-Id", "same");
        Http.Answer head = wire.ask("HEAD", path, "X-Request-Id", "same");
        if (get.status() != 405) { // whose detail names the method
          assertThat(head.status()).as(path).isEqualTo(get.status());
          assertThat(head.steadyHeaders()).as(path).isEqualTo(get.steadyHeaders());
        }
        assertThat(get.header("Content-Length"))
            .isEqualTo(Integer.toString(get.body().getBytes(UTF_8).length));
      }
      // had a HEAD had a body, it would have been read as the next answer
      assertThat(wire.ask("GET", "/v1/jobs").body()).isEqualTo("[]");
    }
  }

  @Test
  void what_needs_the_login_changes_nothing_without_it_and_does_not_tell_what_exists()
      throws IOException {
    long node = service.node("directory", 2);
    long image = service.image("directory", 2, "file");
    long dibImage = service.dibImage("tiny", 2, null);
    long job = aJob().in(service);
    List<String> before = Tables.rows(service);

    Map<String, String> logins = new LinkedHashMap<>();
    logins.put("nobody", null);
    Extent.cases(3, List.copyOf(BAD_LOGINS.entrySet()))
        .forEach(login -> logins.put(login.getKey(), login.getValue()));
    byte[] body = "state=hold&provider_name=directory".getBytes(UTF_8);
    String form = "application/x-www-form-urlencoded";
    for (Row row : ROWS.stream().filter(Row::needsLogin).toList()) {
      String existing =
          row.path()
              .replace("/v1/nodes/:id", "/v1/nodes/" + node)
              .replace("/v1/images/:id", "/v1/images/" + image)
              .replace("/v1/dib_images/:id", "/v1/dib_images/" + dibImage)
              .replace("/v1/jobs/:id", "/v1/jobs/" + job)
              .replace(":image", "tiny-image")
              .replace(":name", "tiny");
      for (var login : logins.entrySet()) {
        try (Wire wire = new Wire(port)) {
          String[] headers =
              login.getValue() == null
                  ? new String[] {"Content-Type", form}
                  : new String[] {"Content-Type", form, "Authorization", login.getValue()};
          Http.Answer ofExisting = wire.ask(row.method(), existing, body, headers);
          Http.Answer ofMissing = wire.ask(row.method(), row.missing(), body, headers);
          check(row, existing, 401, ofExisting, login.getKey());
          assertThat(ofExisting.body().replace(existing, ""))
              .isEqualTo(ofMissing.body().replace(row.missing(), ""));
        }
      }
    }

    assertThat(Tables.rows(service)).isEqualTo(before);
  }

  private void check(Row row, String path, int status, Http.Answer answer, String login) {
    String what = row.method() + " " + path + ", " + login + ": " + answer;
    assertThat(answer.status()).as(what).isEqualTo(status);
    if (Wire.isStream(answer)) {
      return;
    }
    if (row.method().equals("HEAD")) {
      assertThat(answer.body()).as(what).isEmpty();
    } else if (status == 204) {
      assertThat(answer.header("Content-Length")).as(what).isNull();
    } else if (status >= 400) {
      Problems.check(answer, path);
    }
    String challenge = status == 401 ? "Basic realm=\"nodepool\", charset=\"UTF-8\"" : null;
    assertThat(answer.header("WWW-Authenticate")).as(what).isEqualTo(challenge);
    String allowed = status == 405 || status == 204 ? allowed(row.path()) : null;
    assertThat(answer.header("Allow")).as(what).isEqualTo(allowed);
  }

  /** The methods that the file has for a path. */
  private static String allowed(String path) {
    return String.join(
        ", ",
        ROWS.stream()
            .filter(row -> row.path().equals(path) && !row.method().equals("*"))
            .map(Row::method)
            .collect(toCollection(TreeSet::new)));
  }

  /** The rows, with one for each method where the file has an asterisk. Streams come last. */
  private static List<Row> each() {
    List<Row> each = new ArrayList<>();
    for (Row row : ROWS) {
      if (!row.method().equals("*")) {
        each.add(row);
        continue;
      }
      for (String method : METHODS) {
        if (ROWS.stream()
            .noneMatch(r -> r.path().equals(row.path()) && r.method().equals(method))) {
          each.add(
              new Row(
                  method,
                  row.path(),
                  row.nobody(),
                  row.badLogin(),
                  row.administrator(),
                  row.foreign()));
        }
      }
    }
    Row stream = each.stream().filter(AccessMatrixTest::isStream).findFirst().orElseThrow();
    each.remove(stream);
    each.add(stream);
    return each;
  }

  private static boolean isStream(Row row) {
    return row.method().equals("GET") && row.path().equals("/v1/events");
  }

  private static List<Row> read() {
    try (InputStream in = AccessMatrixTest.class.getResourceAsStream("/access.txt")) {
      return new String(in.readAllBytes(), UTF_8)
          .lines()
          .filter(line -> !line.isBlank() && !line.startsWith("#"))
          .map(line -> line.trim().split(" +"))
          .map(
              cells ->
                  new Row(
                      cells[0],
                      cells[1],
                      Integer.parseInt(cells[2]),
                      Integer.parseInt(cells[3]),
                      Integer.parseInt(cells[4]),
                      Integer.parseInt(cells[5])))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Map<String, String> badLogins() {
    String password = TestService.PASSWORD;
    Map<String, String> logins = new LinkedHashMap<>();
    logins.put("a wrong password", Http.basic("admin:wrong"));
    logins.put("the beginning of the password", Http.basic("admin:a:b c"));
    logins.put("the first part of the password", Http.basic("admin:a"));
    logins.put("more than the password", Http.basic("admin:" + password + ":d"));
    logins.put("the password in upper case", Http.basic("admin:" + password.toUpperCase()));
    logins.put("the password in Latin-1", base64(("admin:" + password).getBytes(ISO_8859_1)));
    logins.put("a wrong user", Http.basic("root:" + password));
    logins.put("the user in upper case", Http.basic("ADMIN:" + password));
    logins.put("no user", Http.basic(":" + password));
    logins.put("no password", Http.basic("admin:"));
    logins.put("no colon", Http.basic("admin"));
    logins.put("only a colon", Http.basic(":"));
    logins.put("nothing in base64", Http.basic(""));
    logins.put("not base64", "Basic %%%");
    logins.put("only padding", "Basic ====");
    logins.put("only the scheme", "Basic");
    logins.put("the scheme and a blank", "Basic ");
    logins.put("another scheme", "Bearer abc");
    logins.put("the right login under another scheme", RIGHT.replace("Basic", "Bearer"));
    logins.put("no scheme", RIGHT.replace("Basic ", ""));
    logins.put("an empty header", "");
    logins.put("something behind it", RIGHT + " x");
    logins.put("not UTF-8", base64(new byte[] {(byte) 0xff, (byte) 0xfe, ':', (byte) 0xff}));
    logins.put("NUL", Http.basic("admin:" + password + "\0"));
    logins.put("4 KB of nothing", "Basic " + "A".repeat(4096));
    logins.put("4 KB of a password", Http.basic("admin:" + password + "x".repeat(3000)));
    return logins;
  }

  private static String base64(byte[] login) {
    return "Basic " + Base64.getEncoder().encodeToString(login);
  }
}
