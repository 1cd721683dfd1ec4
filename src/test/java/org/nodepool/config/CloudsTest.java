package org.nodepool.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.config.CloudAccess.ApplicationCredential;
import org.nodepool.config.CloudAccess.Named;
import org.nodepool.config.CloudAccess.Password;

/** Clouds as providers reach them by their name in clouds.yaml. */
class CloudsTest {
  private static final String AUTH =
      "auth: {auth_url: https://c.example.org, username: ann, password: hunter2, project_name: ci}";

  @TempDir Path directory;

  @Test
  void a_cloud_with_all_that_it_may_have_is_read() throws Exception {
    CloudAccess access =
        access(
            """
            auth:
              auth_url: https://c.example.org:5000/v3
              user_id: u1
              password: hunter2
              project_name: ci
              project_domain_name: builders
            auth_type: v3password
            region_name: north
            interface: internalURL
            image_endpoint_override: http://127.0.0.1:9292
            cacert: ca.pem
            verify: false
            image_api_version: 2
            """);
    assertThat(access)
        .isEqualTo(
            new CloudAccess(
                "https://c.example.org:5000/v3",
                new Password(
                    Named.byId("u1"),
                    new Secret("hunter2"),
                    new Named(null, "ci", null, "builders")),
                "north",
                "internal",
                "http://127.0.0.1:9292",
                directory.resolve("ca.pem"),
                false));
  }

  @Test
  void what_is_not_said_has_the_defaults_of_openstack_clients() throws Exception {
    assertThat(access(AUTH))
        .isEqualTo(
            new CloudAccess(
                "https://c.example.org",
                new Password(
                    Named.inDefaultDomain("ann"),
                    new Secret("hunter2"),
                    Named.inDefaultDomain("ci")),
                null,
                "public",
                null,
                null,
                true));
  }

  @ParameterizedTest
  @CsvSource(
      nullValues = "-",
      value = {
        "user_domain_name: a, -, a, -, Default",
        "user_domain_id: a, a, -, -, Default",
        "project_domain_id: b, -, Default, b, -",
        "domain_name: c, -, c, -, c",
        "domain_id: c, c, -, c, -",
        "'user_domain_name: a, domain_id: c', -, a, c, -",
      })
  void a_domain_is_that_of_the_user_or_the_project_or_of_both(
      String keys, String userId, String userName, String projectId, String projectName)
      throws Exception {
    Password login = (Password) access(AUTH.replace("}", ", " + keys + "}")).credentials();
    assertThat(login.user()).isEqualTo(new Named(null, "ann", userId, userName));
    assertThat(login.project()).isEqualTo(new Named(null, "ci", projectId, projectName));
  }

  @ParameterizedTest
  @ValueSource(strings = {"project_id", "tenant_id"})
  void a_project_may_be_known_by_its_id(String key) throws Exception {
    Password login = (Password) access(AUTH.replace("project_name", key)).credentials();
    assertThat(login.project()).isEqualTo(Named.byId("ci"));
  }

  @Test
  void an_application_credential_logs_in_by_its_id_or_its_name_and_user() throws Exception {
    String type = "\nauth_type: v3applicationcredential";
    assertThat(
            access(
                    "auth: {auth_url: x, application_credential_id: a1,"
                        + " application_credential_secret: s}"
                        + type)
                .credentials())
        .isEqualTo(new ApplicationCredential("a1", null, null, new Secret("s")));
    assertThat(
            access(
                    "auth: {auth_url: x, application_credential_name: ci, username: ann,"
                        + " application_credential_secret: s}"
                        + type)
                .credentials())
        .isEqualTo(
            new ApplicationCredential(null, "ci", Named.inDefaultDomain("ann"), new Secret("s")));
  }

  @ParameterizedTest
  @CsvSource({
    "'regions: [north, south]', north",
    "'regions: [{name: north, values: {}}, {name: south}]', north",
    "'regions: [south]\nregion_name: north', north",
  })
  void of_several_regions_the_first_counts(String keys, String region) throws Exception {
    assertThat(access(AUTH + "\n" + keys).region()).isEqualTo(region);
  }

  @Test
  void what_the_provider_says_itself_comes_first() throws Exception {
    CloudAccess access =
        access(
            read(
                AUTH + "\nregion_name: north",
                "{name: p, cloud: c, username: bob, password: other, auth-url: https://d, project-id: '7',"
                    + " region-name: south}"));
    assertThat(access.authUrl()).isEqualTo("https://d");
    assertThat(access.region()).isEqualTo("south");
    assertThat(access.credentials())
        .isEqualTo(
            new Password(Named.inDefaultDomain("bob"), new Secret("other"), Named.byId("7")));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "profile: rackspace | clouds.c.profile: vendors' profiles are not supported, is rackspace: ",
        "auth_type: token | clouds.c.auth_type: must be password, v3password or v3application",
        "cert: me.pem | clouds.c.cert: client certificates are not supported",
        "verify: maybe | clouds.c.verify: must be true or false, is \"maybe\"",
        "interface: private | clouds.c.interface: must be one of public, internal, admin, ",
      })
  void what_cannot_be_done_is_a_mistake_with_its_key(String yaml, String mistake) throws Exception {
    assertThat(mistakes(AUTH + "\n" + yaml))
        .singleElement()
        .asString()
        .startsWith("clouds.yaml: " + mistake);
  }

  @ParameterizedTest
  @ValueSource(strings = {"auth_url", "username", "password", "project_name"})
  void what_is_missing_is_a_mistake_with_its_key(String key) throws Exception {
    assertThat(mistakes(AUTH.replaceAll(key + ": [^,}]*,? ?", "")))
        .singleElement()
        .asString()
        .startsWith("clouds.yaml: clouds.c.auth." + key);
  }

  @Test
  void a_mistake_in_a_cloud_is_told_once_and_without_its_secrets() throws Exception {
    ConfigException refused =
        refused(
            clouds(AUTH.replace("hunter2", "4711")),
            "providers: [{name: p, cloud: c}, {name: q, cloud: c}]");
    assertThat(refused.mistakes())
        .containsExactly(
            "clouds.yaml: clouds.c.auth.password: must be text (put it in quotes), is a number");
    assertThat(access(AUTH).toString()).contains("ann").doesNotContain("hunter2");
  }

  @Test
  void a_cloud_that_is_nowhere_is_named() throws Exception {
    String pool = "providers: [{name: p, cloud: away}]";
    assertThat(refused(clouds(AUTH), pool).mistakes())
        .containsExactly("nodepool.yaml: providers.p.cloud: \"away\" is not in clouds.yaml");
    assertThat(refused(new CloudsFile(List.of(directory.resolve("none.yaml"))), pool).mistakes())
        .singleElement()
        .asString()
        .startsWith("nodepool.yaml: providers.p.cloud: \"away\" is in no clouds.yaml: there is");
  }

  @Test
  void a_clouds_yaml_that_is_broken_is_told_once() throws Exception {
    Path file = Files.writeString(directory.resolve("clouds.yaml"), "clouds: {c: [}");
    assertThat(
            refused(
                    new CloudsFile(List.of(file)),
                    "providers: [{name: p, cloud: c}, {name: q, cloud: d}]")
                .mistakes())
        .singleElement()
        .asString()
        .startsWith("clouds.yaml: line 1, column ");
  }

  @Test
  void clouds_that_nobody_names_may_be_wrong() throws Exception {
    Path file =
        Files.writeString(
            directory.resolve("clouds.yaml"), "clouds: {other: {profile: hp}, c: {" + AUTH + "}}");
    Path pool =
        Files.writeString(directory.resolve("nodepool.yaml"), "providers: [{name: p, cloud: c}]");
    assertThat(PoolConfig.read(pool, new CloudsFile(List.of(file))).warnings()).isEmpty();
  }

  @Test
  void it_is_looked_for_where_openstack_clients_look() {
    CloudsFile usual =
        CloudsFile.of(null, Map.of("HOME", "/home/ci", "OS_CLIENT_CONFIG_FILE", "/my/clouds"));
    assertThat(usual.candidates())
        .startsWith(Path.of("/my/clouds"), Path.of("clouds.yaml").toAbsolutePath())
        .containsSubsequence(
            Path.of("/home/ci/.config/openstack/clouds.yaml"),
            Path.of("/etc/openstack/clouds.yaml"));
    assertThat(CloudsFile.of(Path.of("/x.yaml"), Map.of("HOME", "/home/ci")).candidates())
        .containsExactly(Path.of("/x.yaml"));
  }

  private CloudAccess access(String yaml) throws Exception {
    return access(read(yaml, "{name: p, cloud: c}"));
  }

  private static CloudAccess access(PoolConfig.ProviderConfig provider) {
    return ((DriverConfig.OpenStack) provider.driver()).access();
  }

  private PoolConfig.ProviderConfig read(String cloud, String provider) throws Exception {
    Path pool =
        Files.writeString(directory.resolve("nodepool.yaml"), "providers: [" + provider + "]");
    return PoolConfig.read(pool, clouds(cloud)).providers().get("p");
  }

  private List<String> mistakes(String cloud) throws Exception {
    return refused(clouds(cloud), "providers: [{name: p, cloud: c}]").mistakes();
  }

  private ConfigException refused(CloudsFile clouds, String yaml) throws Exception {
    Path pool = Files.writeString(directory.resolve("nodepool.yaml"), yaml);
    return catchThrowableOfType(ConfigException.class, () -> PoolConfig.read(pool, clouds));
  }

  /** With one cloud, c. */
  private CloudsFile clouds(String cloud) throws Exception {
    return new CloudsFile(
        List.of(
            Files.writeString(
                directory.resolve("clouds.yaml"), "clouds:\n  c:\n" + cloud.indent(4))));
  }
}
