package org.nodepool.config;

import static java.util.Map.entry;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.nodepool.config.DriverConfig.Network;
import org.nodepool.config.DriverConfig.OpenStack;
import org.nodepool.config.DriverConfig.Servers;
import org.nodepool.config.PoolConfig.Cron;
import org.nodepool.config.PoolConfig.DiskImage;
import org.nodepool.config.PoolConfig.GearmanServer;
import org.nodepool.config.PoolConfig.Jenkins;
import org.nodepool.config.PoolConfig.Label;
import org.nodepool.config.PoolConfig.NodeSettings;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.config.PoolConfig.ProviderImage;
import org.nodepool.config.PoolConfig.Target;

/** Whole files with the keys and in the forms that installations of Nodepool have them. */
class WholePoolTest {
  private static final Path FILES = Path.of("src/test/resources/configs");
  private static final Path KEY = Path.of("/home/nodepool/.ssh/id_rsa");
  private static final Duration HOUR = Duration.ofHours(1);
  private static final Duration DAY = Duration.ofDays(1);

  @Test
  void what_a_template_says_of_the_whole_pool_is_read() throws Exception {
    PoolConfig pool = read("pool.yaml");
    assertThat(pool.scriptDir()).isEqualTo(Path.of("/etc/nodepool/scripts"));
    assertThat(pool.elementsPath()).isEqualTo("/etc/nodepool/elements");
    assertThat(pool.imagesDir()).isEqualTo(Path.of("/opt/nodepool_dib"));
    assertThat(pool.dburi().value())
        .isEqualTo("mysql+pymysql://nodepool:<%= mysql_password %>@localhost/nodepool");
    assertThat(pool.cron()).isEqualTo(new Cron("14 14 * * *", "*/1 * * * *", "*/10 * * * *"));
    assertThat(pool.zmqPublishers())
        .containsExactly("tcp://jenkins01.example.org:8888", "tcp://jenkins02.example.org:8888");
    assertThat(pool.gearmanServers()).containsExactly(new GearmanServer("zuul.example.org", 4730));
    assertThat(pool.zooKeeperServers()).isEmpty();
    assertThat(pool.targets().values())
        .containsExactly(
            target(
                "jenkins01",
                new Jenkins(
                    "https://jenkins01.example.org/",
                    "<%= jenkins_api_user %>",
                    new Secret("<%= jenkins_api_key %>"),
                    "<%= jenkins_credentials_id %>",
                    null)),
            target("jenkins02", null));
    assertThat(pool.warnings()).isEmpty();
    assertThat(pool.toString()).doesNotContain("_password %>").doesNotContain("_api_key %>");
  }

  @Test
  void its_builds_and_labels_are_read() throws Exception {
    PoolConfig pool = read("pool.yaml");
    assertThat(pool.diskImages().values())
        .containsExactly(
            new DiskImage(
                "trusty",
                List.of("ubuntu-minimal", "vm", "openstack-repos"),
                "trusty",
                Map.of(
                    "TMPDIR",
                    "/opt/dib_tmp",
                    "DIB_APT_LOCAL_CACHE",
                    "0",
                    "QEMU_IMG_OPTIONS",
                    "compat=0.10",
                    "DIB_CLOUD_IMAGES",
                    "https://download.example.org/releases/21/Cloud/Images/x86_64/"),
                null,
                DAY,
                false,
                List.of()),
            new DiskImage(
                "fedora-23",
                List.of("fedora-minimal", "vm"),
                "23",
                Map.of("BASE_IMAGE_FILE", "Fedora-Cloud-Base-20141203-21.x86_64.qcow2"),
                null,
                DAY,
                false,
                List.of()),
            new DiskImage(
                "centos-7", List.of("centos-minimal"), "", Map.of(), null, DAY, false, List.of()));
    assertThat(pool.labels().values())
        .containsExactly(
            new Label(
                "bare-trusty",
                "bare-trusty",
                8,
                List.of("north", "az-cloud"),
                0,
                "configure_mirror.sh"),
            new Label("fedora-23", "fedora-23", 0, List.of(), 0, null),
            new Label("trusty-2-node", "trusty", 2, List.of("north"), 1, "multinode_setup.sh"));
  }

  @Test
  void its_provider_with_an_entry_in_clouds_yaml_is_read() throws Exception {
    assertThat(read("pool.yaml").providers().get("north"))
        .isEqualTo(
            new ProviderConfig(
                "north",
                new OpenStack(
                    "performance",
                    new CloudAccess(
                        "https://performance.example.org:13000/v2.0",
                        new CloudAccess.Password(
                            CloudAccess.Named.inDefaultDomain("<%= performance_username %>"),
                            new Secret("<%= performance_password %>"),
                            CloudAccess.Named.byId("<%= performance_project %>")),
                        "NORTH",
                        "public",
                        null,
                        null,
                        true),
                    null,
                    null,
                    Duration.ofMillis(1),
                    Duration.ofSeconds(60),
                    servers(0, Duration.ofSeconds(120), null, null, List.of(), List.of())),
                "vhd",
                "template-{image.name}-{timestamp}",
                Map.of(
                    "bare-trusty",
                    new ProviderImage(
                        "bare-trusty",
                        null,
                        "prepare_node_bare.sh",
                        Map.of(),
                        "Ubuntu 14.04 LTS (Trusty Tahr) (PVHVM)",
                        null,
                        false,
                        nodes(8192, "Performance", KEY, null)),
                    "trusty",
                    new ProviderImage(
                        "trusty",
                        "trusty",
                        null,
                        Map.of("vm_mode", "hvm", "xenapi_use_agent", "false"),
                        null,
                        null,
                        false,
                        nodes(8192, "Performance", KEY, true)))));
  }

  @Test
  void its_providers_with_credentials_of_their_own_are_read() throws Exception {
    Map<String, ProviderConfig> providers = read("pool.yaml").providers();
    assertThat(providers).containsOnlyKeys("north", "az-cloud", "by-name.1");
    ProviderConfig zones = providers.get("az-cloud");
    assertThat(zones.driver().region()).isEqualTo("region-b.geo-1");
    assertThat(zones.imageType()).isEqualTo("raw");
    assertThat(openStack(zones))
        .isEqualTo(
            new OpenStack(
                null,
                new CloudAccess(
                    "https://region-b.identity.example.org:35357/v2.0",
                    new CloudAccess.Password(
                        CloudAccess.Named.inDefaultDomain("<%= az_username %>"),
                        new Secret("<%= az_password %>"),
                        CloudAccess.Named.byId("<%= az_project %>")),
                    "region-b.geo-1",
                    "public",
                    null,
                    null,
                    true),
                "compute",
                "Compute",
                Duration.ofMillis(100),
                Duration.ofSeconds(60),
                servers(
                    100,
                    Duration.ofSeconds(120),
                    null,
                    null,
                    List.of(new Network("b6596f90-0000-41e9-b01a-223d90b86e8d", null, null, false)),
                    List.of("az1", "az2"))));
    assertThat(zones.images())
        .containsExactly(
            entry(
                "bare-trusty",
                new ProviderImage(
                    "bare-trusty",
                    null,
                    "prepare_node_bare.sh",
                    Map.of(),
                    "Ubuntu Server 14.04.1 LTS (amd64 20140927) - Partner Image",
                    null,
                    false,
                    nodes(30720, null, null, false))));
    ProviderConfig named = providers.get("by-name.1");
    assertThat(named.driver().region()).isNull();
    assertThat(named.imageType()).isEqualTo("qcow2");
    assertThat(openStack(named).serviceName()).isEqualTo("nova");
    assertThat(openStack(named).access().credentials())
        .isEqualTo(
            new CloudAccess.Password(
                CloudAccess.Named.inDefaultDomain("<%= tripleo_username %>"),
                new Secret("<%= tripleo_password %>"),
                CloudAccess.Named.inDefaultDomain("<%= tripleo_project %>")));
    assertThat(openStack(named).rate()).isEqualTo(Duration.ofSeconds(1));
    assertThat(openStack(named).servers())
        .isEqualTo(
            servers(
                null,
                Duration.ofSeconds(60),
                "GATEWAY_NET",
                null,
                List.of(
                    new Network(null, "default-net", null, false),
                    new Network(null, null, "wan-17304", true)),
                List.of()));
    assertThat(named.images().get("fedora-23").diskImage()).isEqualTo("fedora-23");
    assertThat(named.images().get("fedora-23").nodes())
        .isEqualTo(nodes(8000, "m2.medium", null, null));
  }

  @Test
  void a_file_as_nodepools_own_tests_have_it_is_read() throws Exception {
    PoolConfig pool = read("test-pool.yaml");
    Path here = FILES.toAbsolutePath();
    assertThat(pool.scriptDir()).isEqualTo(here);
    assertThat(pool.elementsPath()).isEqualTo(here.toString());
    assertThat(pool.imagesDir()).isEqualTo(here.resolve("images"));
    assertThat(pool.dburi().value()).isEqualTo("{dburi}");
    assertThat(pool.cron()).isEqualTo(new Cron("14 2 * * *", "*/1 * * * *", "*/15 * * * *"));
    assertThat(pool.zmqPublishers()).containsExactly("tcp://localhost:8881");
    assertThat(pool.gearmanServers()).isEmpty();
    assertThat(pool.diskImages()).containsOnlyKeys("fake-dib-image");
    assertThat(pool.labels().values())
        .containsExactly(
            new Label("fake-label", "fake-image", 2, List.of("fake-provider"), 0, null),
            new Label("multi-fake", "multi-fake", 2, List.of("fake-provider"), 2, null));
    ProviderConfig provider = pool.providers().get("fake-provider");
    assertThat(openStack(provider).access().authUrl()).isEqualTo("fake");
    assertThat(openStack(provider).rate()).isEqualTo(Duration.ofNanos(100_000));
    assertThat(openStack(provider).servers())
        .isEqualTo(
            servers(
                96,
                Duration.ofSeconds(60),
                "fake",
                "if-present-use-this-keypair",
                List.of(new Network("some-uuid", null, null, false)),
                List.of()));
    assertThat(provider.images().get("fake-image").meta())
        .containsExactly(entry("key", "value"), entry("key2", "value"));
    ProviderImage both = provider.images().get("multi-fake");
    assertThat(both.baseImage()).isEqualTo("Fake Precise");
    assertThat(both.diskImage()).isEqualTo("fake-dib-image");
    assertThat(pool.targets().values())
        .containsExactly(
            target(
                "fake-target",
                new Jenkins(
                    "https://jenkins.example.org/", "fake", new Secret("fake"), null, null)));
    assertThat(pool.warnings())
        .containsExactly(
            "test-pool.yaml: providers.fake-provider.images.multi-fake.subnodes: unknown key,"
                + " ignored");
  }

  @Test
  void a_file_with_a_wrong_indentation_is_refused_with_line_and_column() {
    assertThat(refused("wrong-indentation.yaml").mistakes())
        .containsExactly(
            "wrong-indentation.yaml: line 9, column 2: expected <block end>, but found '<block"
                + " sequence start>'");
  }

  @Test
  void a_file_that_nodepool_refuses_is_told_what_it_lacks_and_has_too_much() {
    ConfigException refused = refused("no-providers.yaml");
    assertThat(refused.mistakes())
        .containsExactly("no-providers.yaml: providers: is required, and may be an empty list");
    assertThat(refused.warnings())
        .containsExactly("no-providers.yaml: nothandled: unknown key, ignored");
  }

  @Test
  void a_clouds_yaml_is_not_taken_for_a_pool() {
    ConfigException refused = refused("clouds.yaml");
    assertThat(refused.mistakes())
        .containsExactly("clouds.yaml: providers: is required, and may be an empty list");
    assertThat(refused.warnings()).containsExactly("clouds.yaml: clouds: unknown key, ignored");
  }

  @Test
  void clouds_that_it_lacks_and_vendors_profiles_are_told() {
    assertThat(refused("lacks-clouds.yaml").mistakes())
        .containsExactly(
            "lacks-clouds.yaml: providers.nowhere-1.cloud: \"nowhere\" is not in clouds.yaml",
            "clouds.yaml: clouds.of-a-vendor.profile: vendors' profiles are not supported, is"
                + " vendor: take it away and give auth.auth_url and region_name");
  }

  private static Target target(String name, Jenkins jenkins) {
    String hostname = "{label.name}-{provider.name}-{node_id}";
    return new Target(
        name, jenkins, Duration.ofSeconds(1), hostname, hostname + "-{subnode_id}", false);
  }

  /** Those whose other settings are not set. */
  private static Servers servers(
      Integer max,
      Duration bootTimeout,
      String pool,
      String keypair,
      List<Network> networks,
      List<String> zones) {
    return new Servers(max, bootTimeout, HOUR, pool, keypair, networks, zones, false, null, null);
  }

  private static NodeSettings nodes(
      Integer minRam, String nameFilter, Path privateKey, Boolean configDrive) {
    return new NodeSettings(
        minRam, nameFilter, "jenkins", "/home/jenkins", privateKey, null, configDrive);
  }

  private static PoolConfig read(String name) throws ConfigException {
    return PoolConfig.read(
        FILES.resolve(name), new CloudsFile(List.of(FILES.resolve("clouds.yaml"))));
  }

  private static ConfigException refused(String name) {
    return catchThrowableOfType(ConfigException.class, () -> read(name));
  }

  private static OpenStack openStack(ProviderConfig provider) {
    return (OpenStack) provider.driver();
  }
}
