package org.nodepool.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConfigurationTest {
  private static final Path REAL_SECURE_CONF = Path.of("../shared/configs/secure.conf");

  @TempDir Path directory;

  @BeforeEach
  void an_empty_pool() throws IOException {
    write("api.yaml", "");
    write("nodepool.yaml", "providers: []");
  }

  @Test
  void the_shipped_files_are_fine_and_mean_the_embedded_database() throws Exception {
    Configuration shipped = Configuration.read(Path.of("conf/api.yaml"), Map.of());
    assertThat(shipped.api()).isEqualTo(ApiConfig.read(Path.of("conf/api.yaml"), Map.of()));
    assertThat(shipped.pool())
        .isEqualTo(PoolConfig.read(Path.of("conf/nodepool.yaml"), new CloudsFile(List.of())));
    assertThat(shipped.database()).isEmpty();
    assertThat(shipped.warnings()).isEmpty();
  }

  @Test
  void the_environments_database_comes_before_secure_confs_before_nodepool_yamls()
      throws Exception {
    write("nodepool.yaml", "providers: []\ndburi: mysql://u@of-pool/np");
    assertThat(databaseHost(Map.of())).isEqualTo("of-pool");
    secureConf("[database]\ndburi=mysql://u@of-secure/np");
    assertThat(databaseHost(Map.of())).isEqualTo("of-secure");
    assertThat(databaseHost(Map.of("NODEPOOL_DBURI", "mysql://u@of-env/np"))).isEqualTo("of-env");
  }

  @Test
  void nodepool_yaml_says_which_database_unless_environment_or_secure_conf_do() throws Exception {
    Map<String, String> environment = Map.of("NODEPOOL_DBURI", "mysql://u@of-env/np");
    assertThat(read(Map.of()).poolHasDatabase()).isTrue();
    assertThat(read(environment).poolHasDatabase()).isFalse();
    secureConf("");
    assertThat(read(Map.of()).poolHasDatabase()).isTrue();
    secureConf("[database]\ndburi=mysql://u@of-secure/np");
    assertThat(read(Map.of()).poolHasDatabase()).isFalse();
  }

  @Test
  void only_the_database_address_that_is_used_must_be_right() throws Exception {
    write("nodepool.yaml", "providers: []\ndburi: '{dburi}'");
    assertThat(mistakes(Map.of()))
        .singleElement()
        .asString()
        .startsWith("nodepool.yaml: dburi: must be the address of a MySQL");
    secureConf("[database]\ndburi=mysql://u:x/77742@of-secure/np");
    assertThat(mistakes(Map.of()))
        .singleElement()
        .asString()
        .startsWith("secure.conf: [database] dburi: must have a port")
        .doesNotContain("777");
    assertThat(mistakes(Map.of("NODEPOOL_DBURI", "")))
        .singleElement()
        .asString()
        .startsWith("NODEPOOL_DBURI: must be the address of a MySQL");
    assertThat(databaseHost(Map.of("NODEPOOL_DBURI", "mysql://u@of-env/np"))).isEqualTo("of-env");
  }

  @Test
  void every_mistake_and_warning_of_all_files_is_told_at_once() throws Exception {
    secureConf("bogus\n[other]\n[database]\ndburi=x");
    write("api.yaml", "secure_conf_file: secure.conf\nbogus: 1\nserver: {port: x}");
    write("nodepool.yaml", "images-dir: 7\nproviders: []\nfoo: 1\ndburi: '{dburi}'");

    ConfigException refused = refused(Map.of("NODEPOOL_API_PASSWORD", ""));

    assertThat(refused.mistakes())
        .extracting(mistake -> mistake.replaceFirst(": (must|is) .*", ""))
        .containsExactlyInAnyOrder(
            "api.yaml: bogus",
            "api.yaml: server.port",
            "NODEPOOL_API_PASSWORD",
            "nodepool.yaml: images-dir",
            "secure.conf: line 1",
            "secure.conf: [database] dburi");
    assertThat(refused.warnings())
        .containsExactlyInAnyOrder(
            "nodepool.yaml: foo: unknown key, ignored",
            "secure.conf: line 2: unknown section, ignored");
  }

  @Test
  void a_pool_that_is_no_yaml_is_told_with_the_other_mistakes() throws Exception {
    write("api.yaml", "bogus: 1");
    write("nodepool.yaml", "a: b: c");
    assertThat(mistakes(Map.of("NODEPOOL_DBURI", "x")))
        .extracting(mistake -> mistake.substring(0, mistake.indexOf(": ")))
        .containsExactly("api.yaml", "nodepool.yaml", "NODEPOOL_DBURI");
  }

  @Test
  void a_secure_conf_that_is_not_there_is_a_mistake() throws Exception {
    write("api.yaml", "secure_conf_file: sub/secure.conf");
    write("nodepool.yaml", "providers: []\ndburi: '{dburi}'");
    assertThat(mistakes(Map.of()))
        .containsExactly("secure.conf: no such file: " + directory.resolve("sub/secure.conf"));
  }

  @Test
  void what_the_address_has_and_is_not_used_is_a_warning() throws Exception {
    Configuration read = read(Map.of("NODEPOOL_DBURI", "mysql://u@h/np?connect_timeout=7"));
    assertThat(read.warnings()).singleElement().asString().startsWith("NODEPOOL_DBURI: has arg");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "[database]\\ndburi=mysql://u:p@h/np",
        "[database]\\ndburi: mysql://u:p@h/np",
        "\uFEFF[database]\\ndburi=mysql://u:p@h/np",
        "[database]\\n  # a comment\\n; another\\n\\nDBuri \\t= mysql://u:p@h/np  ",
        "[database]\\r\\ndburi=mysql://u:p@h/np\\r\\n",
        "[database]\\ndburi=mysql://u:p@h/np ; the one at home",
        "[database]\\ndburi=mysql://u:p@h/np\\n  # a comment",
        "[database]\\ndburi=\\n  mysql://x\\ndburi=mysql://u:p@h/np",
        "[jenkins \"a b\"]\\nuser=x\\napikey: y=z\\ncredentials=c\\nURL=http://x\\n"
            + "[database]\\ndburi=mysql://u:p@h/np\\n[jenkins \"b\"]",
      })
  void a_secure_conf_is_read_as_pythons_config_parser_reads_it(String text) throws Exception {
    secureConf(text.translateEscapes());
    assertThat(read(Map.of()).database()).contains(DbUri.parse("mysql://u:p@h/np"));
    assertThat(read(Map.of()).warnings()).isEmpty();
  }

  @Test
  void an_indented_line_in_secure_conf_goes_on_with_the_value() throws Exception {
    secureConf("[database]\ndburi=mysql://u:p@h/np\n  more");
    assertThat(mistakes(Map.of()))
        .containsExactly("secure.conf: [database] dburi: must not have control characters");
  }

  @Test
  void a_percent_sign_in_secure_conf_is_one() throws Exception {
    secureConf("[database]\ndburi=mysql://u:%40%25(x)s@h/np");
    assertThat(read(Map.of()).database().orElseThrow().password()).isEqualTo("@%(x)s");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "dburi=mysql://u:77742@h/np",
        "[database]\n77742",
        "[database\ndburi=77742",
        "[database]\n= 77742",
        "[database]\ndburi=mysql://u:77742\n @h/np",
      })
  void a_broken_secure_conf_is_refused_without_a_word_of_it(String text) throws Exception {
    secureConf(text);
    assertThat(refused(Map.of())).message().startsWith("secure.conf: ").doesNotContain("777");
  }

  @Test
  void what_secure_conf_has_and_nobody_knows_is_a_warning_without_a_word_of_it() throws Exception {
    secureConf(
        """
        [77742]
        77742=77742
        [database]
        77742=77742
        [jenkins "x"]
        password=77742
        apikey=77742
        """);
    assertThat(read(Map.of()).warnings())
        .containsExactly(
            "secure.conf: line 1: unknown section, ignored",
            "secure.conf: line 4: unknown key, ignored",
            "secure.conf: line 6: unknown key, ignored");
  }

  @Test
  void a_secure_conf_that_everybody_can_read_is_a_warning() throws Exception {
    Path file = secureConf("[database]\ndburi=mysql://u:p@h/np");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
    assertThat(read(Map.of()).warnings())
        .containsExactly(
            "secure.conf: can be read by every user of this machine; its mode should be 600");
  }

  @Test
  void a_secure_conf_as_nodepools_own_tests_have_it_is_read() throws Exception {
    String text = Files.readString(Path.of("src/test/resources/configs/secure.conf"));
    secureConf(text);
    assertThat(mistakes(Map.of()))
        .singleElement()
        .asString()
        .startsWith("secure.conf: [database] dburi: must be the address of");
    secureConf(text.replace("{dburi}", "mysql://u:p@of-secure/np"));
    assertThat(read(Map.of()).database()).contains(DbUri.parse("mysql://u:p@of-secure/np"));
    assertThat(read(Map.of()).warnings()).isEmpty();
  }

  @Test
  void a_real_secure_conf_is_read() throws Exception {
    assumeTrue(
        Files.exists(REAL_SECURE_CONF),
        () ->
            "real configuration files are looked for beside the project, and there is no "
                + REAL_SECURE_CONF);
    secureConf(Files.readString(REAL_SECURE_CONF));
    assertThat(mistakes(Map.of()))
        .singleElement()
        .asString()
        .startsWith("secure.conf: [database] dburi: must be the address of");
    assertThat(read(Map.of("NODEPOOL_DBURI", "mysql://u@h/np")).warnings()).isEmpty();
  }

  @Test
  void nothing_that_is_secret_is_printed() throws Exception {
    write("api.yaml", "api_password: 'hunter2'");
    write("nodepool.yaml", "providers: []\ndburi: mysql://u:hunter2@h/np");
    assertThat(read(Map.of()).toString()).doesNotContain("hunter2");
  }

  private String databaseHost(Map<String, String> environment) throws ConfigException {
    return read(environment).database().orElseThrow().host();
  }

  private Configuration read(Map<String, String> environment) throws ConfigException {
    return Configuration.read(directory.resolve("api.yaml"), environment);
  }

  private List<String> mistakes(Map<String, String> environment) {
    return refused(environment).mistakes();
  }

  private ConfigException refused(Map<String, String> environment) {
    return catchThrowableOfType(ConfigException.class, () -> read(environment));
  }

  private Path secureConf(String text) throws IOException {
    write("api.yaml", "secure_conf_file: secure.conf");
    Path file = write("secure.conf", text);
    return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
  }

  private Path write(String name, String text) throws IOException {
    return Files.writeString(directory.resolve(name), text);
  }
}
