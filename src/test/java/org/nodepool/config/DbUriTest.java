package org.nodepool.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.Chars;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DbUriTest {
  private static final String ME = System.getProperty("user.name");

  @ParameterizedTest
  @CsvSource(
      nullValues = "-",
      value = {
        "mysql://nodepool:secret@localhost/nodepool, localhost, 3306, nodepool, secret",
        "mysql+pymysql://nodepool:secret@db.example.org:3307/np, db.example.org, 3307, nodepool,"
            + " secret",
        "mysql+mysqldb://u:p@h/np, h, 3306, u, p",
        "mysql://nodepool@localhost/np, localhost, 3306, nodepool, -",
        "mysql://nodepool:@localhost/np, localhost, 3306, nodepool, -",
        "mysql://u:p@/np, localhost, 3306, u, p",
        "mysql://u:p@:3307/np, localhost, 3307, u, p",
        "mysql://u:a@b@c:d@h/np, h, 3306, u, a@b@c:d",
        "mysql://u:a+b%2B%2f%25%3Fé%C3%A9@h/np, h, 3306, u, a b+/%?éé",
        "mysql://u?:p?#[]@h/np, h, 3306, u?, p?#[]",
        "mysql://u:50%off%@h/np, h, 3306, u, 50%off%",
        "mysql://u:%4@h/np, h, 3306, u, %4",
        "mysql://u%40+:p@h/np, h, 3306, u%40+, p",
        "mysql://u@v:p@h/np, h, 3306, u@v, p",
        "mysql://u:p@[::1]/np, ::1, 3306, u, p",
        "mysql://u:p@[fe80::1]:3307/np, fe80::1, 3307, u, p",
        "mysql://u:p@h:1/np, h, 1, u, p",
        "mysql://u:p@h:65535/np, h, 65535, u, p",
      })
  void an_address_is_read_as_sqlalchemy_reads_it(
      String text, String host, int port, String user, String password) throws Exception {
    DbUri uri = DbUri.parse(text);
    assertThat(uri)
        .isEqualTo(
            new DbUri(host, port, null, text.endsWith("/np") ? "np" : "nodepool", user, password));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"mysql:///np", "mysql://localhost/np", "mysql://@localhost/np", "mysql://@/np"})
  void without_a_user_it_is_the_one_that_runs_the_service(String text) throws Exception {
    assertThat(DbUri.parse(text)).isEqualTo(new DbUri("localhost", 3306, null, "np", ME, null));
  }

  @Test
  void a_unix_socket_is_one_of_the_drivers_arguments() throws Exception {
    assertThat(
            DbUri.parse("mysql://u:p@/np?charset=utf8&unix_socket=%2Frun/my+sql%40&use_unicode=0"))
        .isEqualTo(new DbUri("localhost", 3306, "/run/my sql@", "np", "u", "p"));
    assertThat(DbUri.parse("mysql://u:p@h/np?unix_socket=").unixSocket()).isNull();
    assertThat(DbUri.parse("mysql://u:p@h/np?").unixSocket()).isNull();
  }

  @ParameterizedTest
  @CsvSource({
    "charset=utf8&use_unicode=0, 0",
    "charset=utf8;unix_socket=/s, 0",
    "77742=1, 1",
    "77742=1&connect_timeout=5, 1",
    "77742=, 0",
    "77742, 0",
  })
  void an_argument_that_is_not_known_is_a_warning_that_does_not_name_it(String query, int count) {
    Findings findings = new Findings();
    assertThat(DbUri.parse("NODEPOOL_DBURI", "mysql://u:77742@h/np?" + query, findings))
        .isNotNull();
    assertThat(findings.warnings())
        .hasSize(count)
        .allMatch(warning -> warning.startsWith("NODEPOOL_DBURI: has arguments after the ?"))
        .noneMatch(warning -> warning.contains("777"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'' | must be the address of a MySQL or MariaDB database, as in mysql://",
        "{dburi} | must be the address of a MySQL",
        "sqlite:////tmp/77742 | must be the address of a MySQL",
        "postgresql://u:77742@h/np | must be the address of a MySQL",
        "MYSQL://u:77742@h/np | must be the address of a MySQL",
        "mysql:u:77742@h/np | must be the address of a MySQL",
        "mysql+://u:77742@h/np | must be the address of a MySQL",
        "u:77742@h/np | must be the address of a MySQL",
        "mysql:// | must end with the name of the database",
        "mysql://u:77742@h | must end with the name of the database",
        "mysql://u:77742@h/ | must end with the name of the database",
        "mysql://u:77742@h/?charset=utf8 | must end with the name of the database",
        "mysql://u:77742@h:x77742/np | must have a port of 1 to 65535",
        "mysql://u:77742@h:0/np | must have a port of 1 to 65535",
        "mysql://u:77742@h:65536/np | must have a port of 1 to 65535",
        "mysql://u:77742@h:-1/np | must have a port of 1 to 65535",
        "mysql://u:77742@h:/np | must have a port of 1 to 65535",
        "mysql://u:77742@h:٣/np | must have a port of 1 to 65535",
        "mysql://u:x/77742@h/np | must have a port of 1 to 65535",
        "mysql://u:77742/x@h/np | must have a port of 1 to 65535",
        "mysql://u:42/77742@h/np | must not have a / or @ after the database",
        "mysql://u:42/777?42=x@h | must not have a / or @ after the database",
        "mysql://u:77742@[::1]x/np | must have a port of 1 to 65535",
        "mysql://u:77742@h:1:2/np | must have a port of 1 to 65535",
        "mysql://u:77742%E9@h/np | must have UTF-8 in its percent escapes",
        "mysql://u:77742@h/np?ssl=77742 | must not have arguments that begin with ssl",
        "mysql://u:77742@h/np?a=b&ssl_ca=/x | must not have arguments that begin with ssl",
        "mysql://u:77742@h/np?SSL | must not have arguments that begin with ssl",
        "mysql://u:77742@h/np?unix_socket=77742 | must have an absolute path for unix_socket",
      })
  void a_wrong_one_is_one_mistake_that_says_what_would_be_right(String text, String mistake) {
    assertThat(refused(text).mistakes())
        .singleElement()
        .asString()
        .startsWith(mistake)
        .doesNotContain("777");
  }

  @Test
  void control_characters_are_refused() {
    assertThat(refused("mysql://u:p@h/np\n").mistakes())
        .containsExactly("must not have control characters");
  }

  @Test
  void the_password_is_not_printed() throws Exception {
    assertThat(DbUri.parse("mysql://u:77742@[::1]/np")).hasToString("mysql://u:***@[::1]:3306/np");
    assertThat(DbUri.parse("mysql://u@h:1/np")).hasToString("mysql://u@h:1/np");
    assertThat(DbUri.parse("mysql://u:p@h/np?unix_socket=/s")).hasToString("mysql://u:***@/s/np");
  }

  @Property
  void what_is_composed_is_read_again(
      @ForAll("users") String user,
      @ForAll("texts") String password,
      @ForAll("hosts") String host,
      @ForAll @IntRange(min = 1, max = 65535) int port,
      @ForAll("databases") String database,
      @ForAll("texts") String socket)
      throws Exception {
    String text =
        "mysql://%s:%s@%s:%d/%s?unix_socket=%s&charset=utf8"
            .formatted(
                user,
                encoded(password),
                host.contains(":") ? "[" + host + "]" : host,
                port,
                database,
                encoded("/" + socket));
    assertThat(DbUri.parse(text))
        .isEqualTo(new DbUri(host, port, "/" + socket, database, user, password))
        .asString()
        .doesNotContain(password.length() > 20 ? password : "77742");
  }

  @Property
  void a_password_may_have_anything_but_a_slash_and_escapes(
      @ForAll @Chars({'a', '@', ':', '?', '#', '[', ']', '&', ';', '=', ' ', 'é'}) String password)
      throws Exception {
    DbUri uri = DbUri.parse("mysql://u:" + password + "@h/np");
    assertThat(uri.password()).isEqualTo(password.isEmpty() ? null : password);
    assertThat(uri.host()).isEqualTo("h");
  }

  @Property
  void any_text_is_read_or_refused_without_a_word_of_it(@ForAll String text) {
    assertThat(wordsOf("mysql://u:77742" + text + "@h/np")).doesNotContain("777");
    assertThat(wordsOf("mysql://" + text)).isNotNull();
    assertThat(wordsOf(text)).isNotNull();
  }

  @Property
  void nearly_right_text_is_read_or_refused_without_the_password(
      @ForAll @Chars({'m', ':', '/', '@', '?', '&', '=', '%', '4', '[', ']', '\n', ';', '{'})
          String text,
      @ForAll @IntRange(min = 0, max = 30) int place) {
    String right = "mysql://u:77742@h:3306/np?charset=utf8";
    assertThat(wordsOf(right.substring(0, place) + text + right.substring(place)))
        .doesNotContain("777");
  }

  /** All that is said when the text is refused. */
  private static String wordsOf(String text) {
    Findings findings = new Findings();
    DbUri.parse("dburi", text, findings);
    try {
      findings.finish();
      return String.join("\n", findings.warnings());
    } catch (ConfigException e) {
      return e.getMessage();
    }
  }

  @Provide
  static Arbitrary<String> users() {
    return Arbitraries.strings()
        .withChars("ab_-.%+@?ü")
        .ofMinLength(1)
        .filter(user -> !user.isBlank());
  }

  @Provide
  static Arbitrary<String> texts() {
    return Arbitraries.strings().filter(text -> !text.isEmpty() && text.equals(utf8(text)));
  }

  @Provide
  static Arbitrary<String> hosts() {
    return Arbitraries.oneOf(
        Arbitraries.strings().withCharRange('a', 'z').withChars(".-").ofMinLength(1),
        Arbitraries.of("::1", "fe80::1%eth0", "127.0.0.1"));
  }

  @Provide
  static Arbitrary<String> databases() {
    return Arbitraries.strings().alpha().numeric().withChars("_$-%").ofMinLength(1);
  }

  private static String encoded(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  /** Other than the text where it has half a character. */
  private static String utf8(String text) {
    return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
  }

  private static ConfigException refused(String text) {
    ConfigException refused = catchThrowableOfType(ConfigException.class, () -> DbUri.parse(text));
    assertThat(refused.warnings()).isEqualTo(List.of());
    return refused;
  }
}
