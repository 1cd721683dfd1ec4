package org.nodepool.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.config.ApiConfig.Role;

class ApiConfigTest {
  private static final Path SHIPPED = Path.of("conf/api.yaml");

  @TempDir Path directory;

  @Test
  void an_empty_file_means_all_defaults() throws Exception {
    ApiConfig config = read("");
    assertThat(config)
        .isEqualTo(
            new ApiConfig(
                directory.resolve("nodepool.yaml"),
                null,
                null,
                "admin",
                null,
                directory.resolveSibling("var"),
                new ApiConfig.Server(
                    "127.0.0.1", 8080, null, null, List.of(), false, List.of(), List.of()),
                new ApiConfig.Auth(false),
                new ApiConfig.Database(directory.resolveSibling("var/db"), false),
                new ApiConfig.Jobs(
                    1,
                    4,
                    Duration.ofHours(8),
                    Duration.ofHours(6),
                    2,
                    Duration.ofDays(30),
                    20_000,
                    Duration.ofMinutes(1),
                    1 << 30,
                    directory.resolveSibling("var/log/jobs")),
                new ApiConfig.Cleanup(null, Duration.ofHours(8)),
                Set.of(Role.API, Role.WORKER)));
  }

  @Test
  void sections_without_a_key_mean_their_defaults() throws Exception {
    assertThat(read("server:\nauth:\ndatabase:\njobs:\ncleanup:\ncluster:\n")).isEqualTo(read(""));
  }

  @Test
  void every_key_is_read() throws Exception {
    Path cert = Files.createFile(directory.resolve("cert.pem"));
    Path key = Files.createFile(directory.resolve("key.pem"));
    ApiConfig config =
        read(
            """
            nodepool_conf_file: /etc/nodepool/nodepool.yaml
            secure_conf_file: secrets/secure.conf
            clouds_file: secrets/clouds.yaml
            api_user: ann
            api_password: "secret: \\u00e9"
            state_dir: state/./x
            server:
              host: '::1'
              port: 0
              tls: {cert: cert.pem, key: ./key.pem}
              max_connections: 20000
              trusted_proxies: [10.0.0.0/8]
              forwarded: forwarded
              hosts: [nodepool.example.org]
              allowed_origins: ['https://ci.example.org']
            auth: {protect_reads: yes}
            database: {data_dir: db, failed_rows: remove}
            jobs:
              build_workers: 64
              upload_workers: 1
              build_timeout: PT90M
              upload_timeout: P1D
              max_attempts: 100
              keep: P365D
              keep_most: 100000
              look_interval: PT2M
              disk_floor: 500 MiB
              log_dir: /var/log/nodepool/../jobs
            cleanup: {enabled: false, image_age: PT1H}
            roles: [worker]
            """);
    assertThat(config)
        .isEqualTo(
            new ApiConfig(
                Path.of("/etc/nodepool/nodepool.yaml"),
                directory.resolve("secrets/secure.conf"),
                directory.resolve("secrets/clouds.yaml"),
                "ann",
                "secret: é",
                directory.resolve("state/x"),
                new ApiConfig.Server(
                    "::1",
                    0,
                    new ApiConfig.Tls(cert, key),
                    20_000,
                    List.of("10.0.0.0/8"),
                    true,
                    List.of("nodepool.example.org"),
                    List.of("https://ci.example.org")),
                new ApiConfig.Auth(true),
                new ApiConfig.Database(directory.resolve("db"), true),
                new ApiConfig.Jobs(
                    64,
                    1,
                    Duration.ofMinutes(90),
                    Duration.ofDays(1),
                    100,
                    Duration.ofDays(365),
                    100_000,
                    Duration.ofMinutes(2),
                    500 << 20,
                    Path.of("/var/log/jobs")),
                new ApiConfig.Cleanup(false, Duration.ofHours(1)),
                Set.of(Role.WORKER)));
  }

  @Test
  void paths_are_absolute_for_a_file_named_relatively() throws Exception {
    Path conf = SHIPPED.toAbsolutePath().getParent();
    ApiConfig config = ApiConfig.read(SHIPPED, Map.of());
    assertThat(config.nodepoolConfFile()).isEqualTo(conf.resolve("nodepool.yaml"));
    assertThat(config.stateDir()).isEqualTo(conf.resolveSibling("var"));
  }

  @Test
  void the_shipped_file_has_the_defaults() throws Exception {
    String shipped = Files.readString(SHIPPED);
    assertThat(read(shipped)).isEqualTo(read(""));
  }

  @Test
  void every_default_that_the_shipped_file_documents_is_the_default() throws Exception {
    String shipped = Files.readString(SHIPPED).replaceAll("(?m)^( *)#(?! ?[A-Z]| [a-z])", "$1");
    assertThat(shipped).contains("\n  port: 8080\n", "\n  tls:\n    cert:\n", "\nroles: [api");
    assertThat(read(shipped)).isEqualTo(read(""));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "server: {port: 99999} | server.port: must be a port, 0 to 65535, is 99999",
        "server: {port: -1} | server.port: must be a port, 0 to 65535, is -1",
        "server: {port: '80'} | server.port: must be a port, 0 to 65535, is \"80\"",
        "server: {port: 80.5} | server.port: must be a port, 0 to 65535, is 80.5",
        "server: {port: 99999999999} | server.port: must be a port, 0 to 65535, is 99999999999",
        "server: {port: } | server.port: must be a port, 0 to 65535, is nothing",
        "server: {host: ' '} | server.host: must not be blank",
        "server: {host: 127} | server.host: must be text (put it in quotes), is 127",
        "server: {host: [a]} | server.host: must be text, is a list",
        "server: {host: \"a\\nb\"}"
            + "| server.host: must not have control characters, is \"a\\u{a}b\"",
        "server: x | server: must be a mapping of keys to values, is text",
        "server: [] | server: must be a mapping of keys to values, is a list",
        "auth: {protect_reads: 'yes'} | auth.protect_reads: must be true or false, is \"yes\"",
        "database: {failed_rows: drop}"
            + "| database.failed_rows: must be one of keep, remove, is \"drop\"",
        "database: {data_dir: ''} | database.data_dir: must not be blank",
        "jobs: {build_workers: 0} | jobs.build_workers: must be a number, 1 to 64, is 0",
        "jobs: {upload_workers: 65} | jobs.upload_workers: must be a number, 1 to 64, is 65",
        "jobs: {build_workers: yes} | jobs.build_workers: must be a number, 1 to 64, is true",
        "jobs: {max_attempts: 0} | jobs.max_attempts: must be a number, 1 to 100, is 0",
        "jobs: {max_attempts: 101} | jobs.max_attempts: must be a number, 1 to 100, is 101",
        "jobs: {keep: 30}"
            + "| jobs.keep: must be a duration such as PT90M, PT0.001S to P36500D, is 30",
        "cleanup: {enabled: 'no'} | cleanup.enabled: must be true or false, is \"no\"",
        "cleanup: {image_age: 8h}"
            + "| cleanup.image_age: must be a duration such as PT90M, PT0.001S to P36500D,"
            + " is \"8h\"",
        "api_user: '' | api_user: must not be blank",
        "api_user: a:b | api_user: must not have a colon",
        "api_user: \"a\\tb\" | api_user: must not have control characters, is \"a\\u{9}b\"",
        "api_password: '' | api_password: must not be empty",
        "bogus: 1 | bogus: is not a setting",
        "server: {bogus: 1} | server.bogus: is not a setting",
        "cleanup: {bogus: 1} | cleanup.bogus: is not a setting",
        "server: {tls: {bogus: 1}} | server.tls.bogus: is not a setting",
        "\"a\\e[2J\": 1 | a\\u{1b}[2J: is not a setting",
        "7: 1 | 7: is not a setting",
      })
  void a_wrong_value_is_refused_with_its_key(String yaml, String mistake) throws Exception {
    assertThat(mistakes(yaml)).containsExactly("api.yaml: " + mistake);
  }

  @ParameterizedTest
  @ValueSource(strings = {"90m", "8", "PT0S", "-PT8H", "PT-8H", "P1Y", "''", "P36501D", "PT8"})
  void a_duration_is_positive_and_iso_8601(String value) throws Exception {
    assertThat(mistakes("jobs: {build_timeout: " + value + "}"))
        .singleElement()
        .asString()
        .startsWith("api.yaml: jobs.build_timeout: must be a duration such as PT90M")
        .contains(", is ");
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "1, 1",
    "1 B, 1",
    "1K, 1024",
    "1KiB, 1024",
    "3 M, 3145728",
    "3   MiB, 3145728",
    "2G, 2147483648",
    "4294967296, 4294967296",
    "1 TiB, 1099511627776",
    "1T, 1099511627776",
    "1024 TiB, 1125899906842624",
  })
  void a_size_is_bytes_or_has_a_unit_of_powers_of_1024(String given, long bytes) throws Exception {
    assertThat(read("jobs: {disk_floor: " + given + "}").jobs().diskFloorBytes()).isEqualTo(bytes);
    assertThat(read("jobs: {disk_floor: '" + given + "'}").jobs().diskFloorBytes())
        .isEqualTo(bytes);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "-1",
        "1.5",
        "'1.5 GiB'",
        "1 GB",
        "1 gib",
        "1 PiB",
        "GiB",
        "1 GiB each",
        "1025 TiB",
        "9999999999999999999 TiB",
        "99999999999999999999",
        "'99999999999999999999'",
        "true",
        "[1]",
      })
  void what_is_no_size_is_refused(String value) throws Exception {
    assertThat(mistakes("jobs: {disk_floor: " + value + "}"))
        .singleElement()
        .asString()
        .startsWith(
            "api.yaml: jobs.disk_floor: must be a size such as 500 MiB or 1 GiB, 0 to 1024 TiB,"
                + " is ");
  }

  @Test
  void roles_are_kept_in_whichever_order_they_are_given() throws Exception {
    assertThat(read("roles: [api]").roles()).containsExactly(Role.API);
    assertThat(read("roles: [worker, api]").roles())
        .containsExactlyInAnyOrder(Role.API, Role.WORKER);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "[]", "api", "[api, api]", "[API]", "[api, builder]", "[api, 1]", "[[api]]"})
  void roles_are_a_list_of_one_or_both(String value) throws Exception {
    assertThat(mistakes("roles: " + value))
        .singleElement()
        .asString()
        .startsWith(
            "api.yaml: roles: must be a list of api, worker, each at most once and not none, is ");
  }

  @Test
  void whether_old_images_are_deleted_is_said_or_left_to_whose_the_tables_are() throws Exception {
    assertThat(read("cleanup: {enabled: true}").cleanup().enabled()).isTrue();
    assertThat(read("cleanup: {enabled: }").cleanup().enabled()).isNull();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "cluster.host: 10.0.0.1",
      })
  void a_setting_that_would_have_no_effect_is_refused(String setting) throws Exception {
    String key = setting.substring(0, setting.indexOf(':'));
    String yaml = setting.replaceAll("\\.(?=[a-z_.]*:)", ": {");
    String close = "}".repeat((int) key.chars().filter(c -> c == '.').count());
    assertThat(mistakes(yaml + close))
        .containsExactly("api.yaml: " + key + ": is not supported by this version");
  }

  @Test
  void connections_are_counted_from_one_to_a_million() throws Exception {
    assertThat(read("").server().maxConnections()).isNull();
    assertThat(read("server: {max_connections: 1}").server().maxConnections()).isEqualTo(1);
    assertThat(mistakes("server: {max_connections: 0}")).hasSize(1);
    assertThat(mistakes("server: {max_connections: 1000001}")).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"pool.example.org:80", "https://pool.example.org", "*.example.org", "-a"})
  void a_host_is_a_name_alone(String host) throws Exception {
    assertThat(mistakes("server: {hosts: [a, '%s']}".formatted(host)))
        .containsExactly(
            "api.yaml: server.hosts[1]: must be a host name alone, as in pool.example.org");
  }

  @Test
  void the_default_of_a_setting_that_would_have_no_effect_is_fine() throws Exception {
    ApiConfig config =
        read(
            """
            secure_conf_file:
            clouds_file: null
            server: {tls: {cert: , key: }, max_connections: , allowed_origins: []}
            cluster: off
            """);
    assertThat(config).isEqualTo(read(""));
  }

  @Test
  void all_mistakes_are_told_together() throws Exception {
    ConfigException refused =
        refused(
            """
            bogus: 1
            server: {port: 99999, colour: red}
            jobs: {build_timeout: 90m}
            cluster: {host: a, port: 1}
            """,
            Map.of("NODEPOOL_API_PASSWORD", ""));
    assertThat(refused.mistakes())
        .containsExactlyInAnyOrder(
            "api.yaml: bogus: is not a setting",
            "api.yaml: server.port: must be a port, 0 to 65535, is 99999",
            "api.yaml: server.colour: is not a setting",
            "api.yaml: jobs.build_timeout: must be a duration such as PT90M, PT0.001S to P36500D,"
                + " is \"90m\"",
            "api.yaml: cluster.host: is not supported by this version",
            "api.yaml: cluster.port: is not supported by this version",
            "NODEPOOL_API_PASSWORD: must not be empty");
    assertThat(refused).hasMessage(String.join("\n", refused.mistakes()));
  }

  @Test
  void the_environments_password_comes_first() throws Exception {
    Map<String, String> environment = Map.of("NODEPOOL_API_PASSWORD", "from outside");
    assertThat(read("api_password: from the file", environment).apiPassword())
        .isEqualTo("from outside");
    assertThat(read("", environment).apiPassword()).isEqualTo("from outside");
  }

  @Test
  void a_password_is_not_printed() throws Exception {
    assertThat(read("api_password: hunter2").toString())
        .doesNotContain("hunter2")
        .contains("apiPassword=***", "apiUser=admin", "port=8080");
    assertThat(read("").toString()).contains("apiPassword=none");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "api_password: 77742",
        "api_password: [77742]",
        "api_password: *77742",
        "api_password: !77742 x",
        "api_password: !a!77742 x",
        "api_password: !!int 77742x",
        "api_password: !!float 77742x",
        "api_password: !!seq 77742x",
        "api_password: !!timestamp 77742x",
        "api_password: !!java.net.URL [77742]",
        "api_password: \"\\77742\"",
        "api_password: \"77742",
        "api_password: 77742: x",
        "api_password: |77742",
        "api_password: 77742\u0007",
        "api_password:77742",
        "{api_password:77742}",
        "{api_password:77742: x}",
        "api_user: admin:77742",
        "server: 77742",
        "api_password: a77742\nbogus: 1\nserver: {port: x}",
      })
  void a_password_is_in_no_mistake(String yaml) throws Exception {
    assertThat(refused(yaml, Map.of())).message().isNotBlank().doesNotContain("777");
  }

  @Test
  void the_environments_password_is_in_no_mistake() throws Exception {
    ConfigException refused = refused("bogus: 1", Map.of("NODEPOOL_API_PASSWORD", "77742"));
    assertThat(refused).message().doesNotContain("77742");
  }

  @Test
  void a_certificate_and_its_key_belong_together() throws Exception {
    Path pem = Files.createFile(directory.resolve("x.pem"));
    assertThat(mistakes("server: {tls: {cert: x.pem}}"))
        .containsExactly("api.yaml: server.tls.key: is required beside cert");
    assertThat(mistakes("server: {tls: {key: x.pem, cert: }}"))
        .containsExactly("api.yaml: server.tls.cert: is required beside key");
    assertThat(mistakes("server: {tls: {cert: x.pem, key: 7}}"))
        .containsExactly("api.yaml: server.tls.key: must be text (put it in quotes), is 7");
    assertThat(read("server: {tls: {cert: x.pem, key: x.pem}}").server().tls())
        .isEqualTo(new ApiConfig.Tls(pem, pem));
  }

  @Test
  void a_certificate_and_its_key_are_files_that_can_be_read() throws Exception {
    Files.createDirectory(directory.resolve("x.pem"));
    assertThat(mistakes("server: {tls: {cert: none.pem, key: x.pem}}"))
        .containsExactly(
            "api.yaml: server.tls.cert: must be a file that can be read, is "
                + directory.resolve("none.pem"),
            "api.yaml: server.tls.key: must be a file that can be read, is "
                + directory.resolve("x.pem"));
  }

  @ParameterizedTest
  @CsvSource({
    "https://ci.example.org, https://ci.example.org",
    "HTTPS://CI.Example.ORG:443, https://ci.example.org",
    "http://ci.example.org:80, http://ci.example.org",
    "http://ci.example.org:443, http://ci.example.org:443",
    "https://ci.example.org:08443, https://ci.example.org:8443",
    "http://[2001:DB8::1]:8080, http://[2001:db8::1]:8080",
    "http://localhost:65535, http://localhost:65535",
    "chrome-extension://abc, chrome-extension://abc",
  })
  void an_origin_is_kept_as_browsers_write_it(String given, String kept) throws Exception {
    assertThat(read("server: {allowed_origins: ['" + given + "']}").server().allowedOrigins())
        .containsExactly(kept);
  }

  @Test
  void an_origin_is_kept_once() throws Exception {
    assertThat(
            read("server: {allowed_origins: ['http://b', 'http://a', 'HTTP://B:80']}")
                .server()
                .allowedOrigins())
        .containsExactly("http://b", "http://a");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "*",
        "null",
        "",
        "ci.example.org",
        "//ci.example.org",
        "https://",
        "https://*.example.org",
        "https://ci.example.org/",
        "https://ci.example.org/path",
        "https://ci.example.org?x",
        "https://ann:77742@ci.example.org",
        "https://ci.example.org:",
        "https://ci.example.org:0",
        "https://ci.example.org:65536",
        "https://ci.example.org:99999999999",
        "https://ci.example.org, https://b",
        "https://bücher.example",
        " https://ci.example.org",
      })
  void an_origin_is_a_scheme_a_host_and_a_port_alone(String origin) throws Exception {
    assertThat(mistakes("server: {allowed_origins: ['http://a', '" + origin + "']}"))
        .containsExactly(
            "api.yaml: server.allowed_origins[1]: must be a web page's scheme://host[:port] alone,"
                + " as in https://ci.example.org");
  }

  @Test
  void origins_are_a_list_of_text() throws Exception {
    assertThat(mistakes("server: {allowed_origins: 'http://a'}"))
        .containsExactly("api.yaml: server.allowed_origins: must be a list, is text");
    assertThat(mistakes("server: {allowed_origins: [7]}").get(0))
        .isEqualTo("api.yaml: server.allowed_origins[0]: must be text (put it in quotes), is 7");
  }

  @Test
  void a_missing_file_is_one_mistake_with_its_path() {
    Path missing = directory.resolve("api.yaml");
    assertThat(refused(missing).mistakes()).containsExactly("api.yaml: no such file: " + missing);
  }

  @Test
  void a_directory_in_place_of_the_file_is_refused() {
    assertThat(refused(directory).mistakes()).singleElement().asString().contains("cannot be read");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "server:\\n  port: 1\\n x: 2"
            + "| line 3, column 2: expected <block end>, but found '<block mapping start>'",
        "server:\\n\\tport: 1 | line 2, column 1: a tab cannot be used for indentation",
        "a: b: c | line 1, column 5: mapping values are not allowed here",
        "a: [1, 2 | line 1, column 9: expected ',' or ']', but got <stream end>",
        "a: 'x | line 1, column 6: found unexpected end of stream",
        "a: 1\\n--- \\nb: 2 | line 2, column 1: but found another document",
        "a: @x"
            + "| line 1, column 4: is not valid YAML (a text that begins with one of !&*%@` must"
            + " be in quotes)",
        "a: 1\\nb: x\\7y | line 2, column 5: control characters are not allowed, is U+0007",
      })
  void broken_yaml_is_refused_with_line_and_column(String yaml, String mistake) throws Exception {
    assertThat(mistakes(yaml.translateEscapes())).containsExactly("api.yaml: " + mistake);
  }

  @Test
  void a_key_given_twice_is_refused() throws Exception {
    assertThat(mistakes("server:\n  port: 1\n  host: a\n  port: 2\n"))
        .containsExactly("api.yaml: line 4, column 3: port: is given more than once");
  }

  @ParameterizedTest
  @ValueSource(strings = {"text", "7", "[a]"})
  void a_file_that_is_no_mapping_is_refused(String yaml) throws Exception {
    assertThat(mistakes(yaml))
        .singleElement()
        .asString()
        .startsWith("api.yaml: must be a mapping of keys to values, is ");
  }

  @Test
  void a_file_of_other_bytes_than_text_is_refused() throws Exception {
    Path file = Files.write(directory.resolve("api.yaml"), new byte[] {'a', ':', ' ', (byte) 0xff});
    assertThat(refused(file).mistakes()).containsExactly("api.yaml: must be UTF-8 text");
  }

  @Test
  void a_file_without_end_is_refused() throws Exception {
    byte[] long_ = ("#" + "x".repeat(4 * 1024 * 1024)).getBytes(StandardCharsets.UTF_8);
    Path file = Files.write(directory.resolve("api.yaml"), long_);
    assertThat(refused(file).mistakes())
        .containsExactly("api.yaml: must not be longer than 4194304 bytes");
  }

  private ApiConfig read(String yaml) throws IOException, ConfigException {
    return read(yaml, Map.of());
  }

  private ApiConfig read(String yaml, Map<String, String> environment)
      throws IOException, ConfigException {
    return ApiConfig.read(Files.writeString(directory.resolve("api.yaml"), yaml), environment);
  }

  private List<String> mistakes(String yaml) throws IOException {
    return refused(yaml, Map.of()).mistakes();
  }

  private ConfigException refused(String yaml, Map<String, String> environment) throws IOException {
    Path file = Files.writeString(directory.resolve("api.yaml"), yaml);
    return catchThrowableOfType(ConfigException.class, () -> ApiConfig.read(file, environment));
  }

  private static ConfigException refused(Path file) {
    return catchThrowableOfType(ConfigException.class, () -> ApiConfig.read(file, Map.of()));
  }
}
