package org.nodepool.config;

import static java.util.Map.entry;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
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
import org.nodepool.config.PoolConfig.ZooKeeperServer;

class PoolConfigTest {
  private static final String META =
      "providers: [{name: p, cloud: c, images: [{name: i, meta: %s}]}]";

  private static final Path REAL_FILES = Path.of("../shared/configs");
  private static final NodeSettings DEFAULT_NODES =
      new NodeSettings(null, null, "jenkins", "/home/jenkins", null, null, null);

  private static final CloudAccess ACCESS =
      new CloudAccess(
          "https://cloud.example.org/v3",
          new CloudAccess.Password(
              CloudAccess.Named.inDefaultDomain("ann"),
              new Secret("hunter2"),
              CloudAccess.Named.inDefaultDomain("ci")),
          null,
          "public",
          null,
          null,
          true);

  @TempDir static Path cloudsDirectory;
  @TempDir Path directory;

  @BeforeAll
  static void clouds_that_providers_name() throws Exception {
    Files.writeString(
        cloudsDirectory.resolve("clouds.yaml"),
        """
        clouds:
          c: &c
            auth:
              {auth_url: https://cloud.example.org/v3, username: ann, password: hunter2, project_name: ci}
          hp: *c
          rax: *c
        """);
  }

  private static CloudsFile clouds() {
    return new CloudsFile(List.of(cloudsDirectory.resolve("clouds.yaml")));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "providers: []",
        "diskimages:\nproviders:\nlabels:\ntargets:\ncron:\nzmq-publishers:\ngearman-servers:\n",
      })
  void a_file_with_nothing_in_it_is_an_empty_pool(String yaml) throws Exception {
    assertThat(read(yaml))
        .isEqualTo(
            new PoolConfig(
                null,
                null,
                null,
                null,
                new Cron("14 2 * * *", "* * * * *", "*/15 * * * *"),
                List.of(),
                List.of(),
                List.of(),
                Map.of(),
                Map.of(),
                Map.of(),
                Map.of(),
                List.of()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "# nothing", "labels: []"})
  void providers_are_required(String yaml) throws Exception {
    Path file = Files.writeString(directory.resolve("nodepool.yaml"), yaml);
    assertThat(refused(file).mistakes())
        .containsExactly("nodepool.yaml: providers: is required, and may be an empty list");
  }

  @Test
  void images_and_where_they_go_are_read() throws Exception {
    PoolConfig pool =
        read(
            """
            images-dir: /opt/nodepool_dib
            elements-dir: elements:/etc/../opt/elements:../more
            script-dir: scripts
            diskimages:
              - name: ubuntu
                elements: [ubuntu, vm]
                release: trusty
                env-vars:
                  TMPDIR: /opt/dib_tmp
                  DIB_JOURNAL_SIZE: 4
                qemu-img-options: compat=0.10
                rebuild-age: 3600
                pause: true
                formats: [raw, vhd]
              - name: debian
            providers:
              - name: files
                driver: directory
                directory: ../var/files
                region-name: north
                image-type: raw
                template-hostname: '{provider.name}-{image.name}-{timestamp}'
                images:
                  - name: ubuntu-files
                    diskimage: ubuntu
                    meta: {config_drive: 'yes'}
            labels:
              - name: small
                image: ubuntu-files
                min-ready: -1
                subnodes: 2
                ready-script: multinode_setup.sh
                providers: [{name: files}]
              - name: large
                image: snapshot
            """);
    assertThat(pool.imagesDir()).isEqualTo(Path.of("/opt/nodepool_dib"));
    assertThat(pool.elementsPath())
        .isEqualTo(
            directory.resolve("elements") + ":/opt/elements:" + directory.resolveSibling("more"));
    assertThat(pool.scriptDir()).isEqualTo(directory.resolve("scripts"));
    assertThat(pool.diskImages().values())
        .containsExactly(
            new DiskImage(
                "ubuntu",
                List.of("ubuntu", "vm"),
                "trusty",
                Map.of("TMPDIR", "/opt/dib_tmp", "DIB_JOURNAL_SIZE", "4"),
                "compat=0.10",
                Duration.ofHours(1),
                true,
                List.of("raw", "vhd")),
            new DiskImage(
                "debian", List.of(), "", Map.of(), null, Duration.ofDays(1), false, List.of()));
    assertThat(pool.providers())
        .containsExactly(
            entry(
                "files",
                new ProviderConfig(
                    "files",
                    new DriverConfig.Directory(directory.resolveSibling("var/files"), "north"),
                    "raw",
                    "{provider.name}-{image.name}-{timestamp}",
                    Map.of(
                        "ubuntu-files",
                        new ProviderImage(
                            "ubuntu-files",
                            "ubuntu",
                            null,
                            Map.of("config_drive", "yes"),
                            null,
                            null,
                            false,
                            DEFAULT_NODES)))));
    assertThat(pool.labels().values())
        .containsExactly(
            new Label("small", "ubuntu-files", -1, List.of("files"), 2, "multinode_setup.sh"),
            new Label("large", "snapshot", 2, List.of(), 0, null));
    assertThat(pool.warnings()).isEmpty();
    assertThat(pool.toString()).doesNotContain("/opt/dib_tmp").contains("TMPDIR");
  }

  @Test
  void clouds_are_read() throws Exception {
    PoolConfig pool =
        read(
            """
            providers:
              - name: full
                region-name: north
                cloud: rax
                username: ann
                password: hunter2
                auth-url: https://cloud.example.org:5000/v2.0
                project-id: '7'
                project-name: ci
                service-type: compute
                service-name: nova
                rate: 0.0001
                api-timeout: 60
                max-servers: 010
                boot-timeout: 1:30
                launch-timeout: 1_000
                pool: external
                keypair: ci
                networks: [{net-id: a}, {net-label: b}, {name: c, public: yes}]
                availability-zones: [az1, az2]
                ipv6-preferred: on
                clean-floating-ips: no
                nodepool-id: main
                image-type: vhd
                images:
                  - name: snapshot
                    base-image: Ubuntu 14.04
                    setup: prepare.sh
                    reset: reset.sh
                    pause: true
                    min-ram: 8192
                    name-filter: Performance
                    username: ci
                    user-home: /home/ci
                    private-key: keys/id_rsa
                    key-name: main
                    config-drive: true
              - {name: plain, username: ann, password: hunter2, auth-url: x, project-name: ci}
              - {name: by-file, cloud: hp, max-servers: -1, rate: 2}
            """);
    ProviderConfig full = pool.providers().get("full");
    assertThat(full.driver().driver()).isEqualTo("openstack");
    assertThat(full.driver().region()).isEqualTo("north");
    assertThat(full.imageType()).isEqualTo("vhd");
    assertThat(openStack(full))
        .isEqualTo(
            new OpenStack(
                "rax",
                new CloudAccess(
                    "https://cloud.example.org:5000/v2.0",
                    new CloudAccess.Password(
                        CloudAccess.Named.inDefaultDomain("ann"),
                        new Secret("hunter2"),
                        CloudAccess.Named.byId("7")),
                    "north",
                    "public",
                    null,
                    null,
                    true),
                "compute",
                "nova",
                Duration.ofNanos(100_000),
                Duration.ofMinutes(1),
                new Servers(
                    8,
                    Duration.ofSeconds(90),
                    Duration.ofSeconds(1000),
                    "external",
                    "ci",
                    List.of(
                        new Network("a", null, null, false),
                        new Network(null, "b", null, false),
                        new Network(null, null, "c", true)),
                    List.of("az1", "az2"),
                    true,
                    false,
                    "main")));
    assertThat(full.images())
        .containsExactly(
            entry(
                "snapshot",
                new ProviderImage(
                    "snapshot",
                    null,
                    "prepare.sh",
                    Map.of(),
                    "Ubuntu 14.04",
                    "reset.sh",
                    true,
                    new NodeSettings(
                        8192,
                        "Performance",
                        "ci",
                        "/home/ci",
                        directory.resolve("keys/id_rsa"),
                        "main",
                        true))));
    assertThat(pool.providers().get("plain"))
        .isEqualTo(
            new ProviderConfig(
                "plain",
                new OpenStack(
                    null,
                    new CloudAccess(
                        "x",
                        new CloudAccess.Password(
                            new CloudAccess.Named(null, "ann", null, "Default"),
                            new Secret("hunter2"),
                            new CloudAccess.Named(null, "ci", null, "Default")),
                        null,
                        "public",
                        null,
                        null,
                        true),
                    null,
                    null,
                    Duration.ofSeconds(1),
                    Duration.ofSeconds(60),
                    new Servers(
                        null,
                        Duration.ofMinutes(1),
                        Duration.ofHours(1),
                        null,
                        null,
                        List.of(),
                        List.of(),
                        false,
                        null,
                        null)),
                "qcow2",
                "template-{image.name}-{timestamp}",
                Map.of()));
    OpenStack byFile = openStack(pool.providers().get("by-file"));
    assertThat(byFile.servers().max()).isEqualTo(-1);
    assertThat(byFile.rate()).isEqualTo(Duration.ofSeconds(2));
    assertThat(pool.warnings()).isEmpty();
    assertThat(pool.toString()).doesNotContain("hunter2");
  }

  @Test
  void what_nodepool_acts_on_alone_is_read() throws Exception {
    PoolConfig pool =
        read(
            """
            cron: {image-update: '1 * * * *', cleanup: '2 * * * *', check: '3 * * * *'}
            zmq-publishers: ['tcp://localhost:8881']
            gearman-servers: [{host: a}, {host: b, port: 4731}]
            zookeeper-servers: [{host: c}, {host: d, port: 2182, chroot: /x}]
            providers: []
            targets:
              - name: full
                rate: 0.5
                hostname: '{node_id}'
                subnode-hostname: '{subnode_id}'
                assign-via-gearman: true
                jenkins:
                  url: https://jenkins.example.org/
                  user: ann
                  apikey: hunter2
                  credentials-id: '<%= credentials %>'
                  test-job: try
              - name: plain
            """);
    assertThat(pool.cron()).isEqualTo(new Cron("1 * * * *", "2 * * * *", "3 * * * *"));
    assertThat(pool.zmqPublishers()).containsExactly("tcp://localhost:8881");
    assertThat(pool.gearmanServers())
        .containsExactly(new GearmanServer("a", 4730), new GearmanServer("b", 4731));
    assertThat(pool.zooKeeperServers())
        .containsExactly(
            new ZooKeeperServer("c", 2181, null), new ZooKeeperServer("d", 2182, "/x"));
    assertThat(pool.targets().values())
        .containsExactly(
            new Target(
                "full",
                new Jenkins(
                    "https://jenkins.example.org/",
                    "ann",
                    new Secret("hunter2"),
                    "<%= credentials %>",
                    "try"),
                Duration.ofMillis(500),
                "{node_id}",
                "{subnode_id}",
                true),
            new Target(
                "plain",
                null,
                Duration.ofSeconds(1),
                "{label.name}-{provider.name}-{node_id}",
                "{label.name}-{provider.name}-{node_id}-{subnode_id}",
                false));
    assertThat(pool.warnings()).isEmpty();
    assertThat(pool.toString()).doesNotContain("hunter2");
  }

  @Test
  void maps_keep_the_files_order_and_cannot_be_changed() throws Exception {
    PoolConfig pool = read("diskimages: [{name: z}, {name: a}, {name: m, env-vars: {Z: 1, A: 2}}]");
    assertThat(pool.diskImages().keySet()).containsExactly("z", "a", "m");
    assertThat(pool.diskImages().get("m").envVars().keySet()).containsExactly("Z", "A");
    assertThatThrownBy(() -> pool.diskImages().clear())
        .isInstanceOf(UnsupportedOperationException.class);
    assertThatThrownBy(() -> pool.diskImages().get("m").envVars().clear())
        .isInstanceOf(UnsupportedOperationException.class);
    assertThatThrownBy(() -> pool.warnings().clear())
        .isInstanceOf(UnsupportedOperationException.class);
  }

  @Test
  void the_shipped_file_loads_without_a_warning() throws Exception {
    Path conf = Path.of("conf").toAbsolutePath();
    PoolConfig pool = PoolConfig.read(Path.of("conf/nodepool.yaml"), clouds());
    assertThat(pool.warnings()).isEmpty();
    assertThat(pool.imagesDir()).isEqualTo(conf.resolveSibling("var/images"));
    assertThat(Path.of(pool.elementsPath(), "tiny-os/root.d/10-tiny-root")).isExecutable();
    assertThat(pool.diskImages().get("tiny-os"))
        .isEqualTo(
            new DiskImage(
                "tiny-os",
                List.of("tiny-os"),
                "",
                Map.of("DIB_JOURNAL_SIZE", "4"),
                null,
                Duration.ofDays(1),
                false,
                List.of()));
    ProviderConfig provider = pool.providers().get("local-directory");
    assertThat(provider.driver())
        .isEqualTo(new DriverConfig.Directory(conf.resolveSibling("var/local-directory"), null));
    assertThat(provider.images().get("tiny-os").diskImage()).isEqualTo("tiny-os");
    assertThat(provider.images().get("tiny-os").meta()).isNotEmpty();
    ProviderConfig local = pool.providers().get("local");
    assertThat(local.driver())
        .isEqualTo(
            new DriverConfig.Qemu(
                conf.resolveSibling("var/local"),
                null,
                null,
                4,
                Duration.ofMinutes(2),
                false,
                null,
                null));
    ProviderImage extra = local.images().get("tiny-extra");
    assertThat(extra.baseImage()).isEqualTo("tiny-node");
    assertThat(pool.scriptDir().resolve(extra.setup())).isExecutable();
    assertThat(pool.labels().get("tiny-os"))
        .isEqualTo(new Label("tiny-os", "tiny-os", 0, List.of("local-directory"), 0, null));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "trusty | trusty",
        "21 | 21",
        "010 | 8",
        "0x1F | 31",
        "1:30 | 90",
        "1_000 | 1000",
        "14.04 | 14.04",
        "14.10 | 14.1",
        "10.0 | 10.0",
        "'42.3' | 42.3",
        "1.5e+300 | 1.5e+300",
        "1.0e+20 | 1e+20",
        "1.0e+10 | 10000000000.0",
        "0.00001 | 1e-05",
        ".inf | inf",
        "1e3 | 1e3",
        "12345678901234567890 | 12345678901234567890",
        "true | True",
        "off | False",
        "y | y",
        "2014-11-02 | 2014-11-02",
        "null | ``",
        "'' | ``",
      })
  void a_release_and_a_variable_are_text_as_python_writes_it(String yaml, String text)
      throws Exception {
    DiskImage image = image("release: " + yaml);
    assertThat(image.release()).isEqualTo(text);
    if (!yaml.equals("null")) {
      assertThat(image("env-vars: {A: " + yaml + "}").envVars()).containsExactly(entry("A", text));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "elements: vm | diskimages.i.elements: must be a list, is text",
        "elements: [vm, 7]" + "| diskimages.i.elements[1]: must be text (put it in quotes), is 7",
        "elements: [-x]"
            + "| diskimages.i.elements[0]: must be a letter or digit, then letters, digits or any"
            + " of ._+-, is \"-x\"",
        "elements: [a b]"
            + "| diskimages.i.elements[0]: must be a letter or digit, then letters, digits or any"
            + " of ._+-, is \"a b\"",
        "release: [a] | diskimages.i.release: must be one text or number, is a list",
        "release: \"a\\0\" | diskimages.i.release: must not have a NUL character",
        "rebuild-age: 1d | diskimages.i.rebuild-age: must be seconds, 0 to 3153600000, is \"1d\"",
        "pause: 1 | diskimages.i.pause: must be true or false, is 1",
        "formats: [raw, iso]"
            + "| diskimages.i.formats[1]: must be one of qcow2, raw, tar, tgz, vhd, vmdk, vpc,"
            + " squashfs, is \"iso\"",
        "env-vars: A=1 | diskimages.i.env-vars: must be a mapping of keys to values, is text",
        "env-vars: [A] | diskimages.i.env-vars: must be a mapping of keys to values, is a list",
        "env-vars: {A: [x]} | diskimages.i.env-vars.A: must be one text or number, is a list",
        "env-vars: {A: } | diskimages.i.env-vars.A: must be one text or number, is nothing",
        "env-vars: {A: \"x\\0\"} | diskimages.i.env-vars.A: must not have a NUL character",
        "env-vars: {A-B: x}"
            + "| diskimages.i.env-vars.A-B: must be a variable's name: letters, digits and"
            + " underscores",
        "env-vars: {on: x}"
            + "| diskimages.i.env-vars.true: must be a variable's name: letters, digits and"
            + " underscores",
      })
  void a_wrong_diskimage_is_refused_with_its_key(String yaml, String mistake) throws Exception {
    assertThat(mistakes("diskimages:\n- name: i\n  " + yaml))
        .containsExactly("nodepool.yaml: " + mistake);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "driver: ec2 | providers.p.driver: must be one of openstack, directory, qemu, is \"ec2\"",
        "driver: directory"
            + "| providers.p.directory: is required of a provider whose driver is directory",
        "image-type: iso"
            + "| providers.p.image-type: must be one of qcow2, raw, vhd, vmdk, is \"iso\"",
        "region-name: 7 | providers.p.region-name: must be text (put it in quotes), is 7",
        "rate: -1 | providers.p.rate: must be seconds, 0 to 3153600000, is -1",
        "rate: 1e3 | providers.p.rate: must be seconds, 0 to 3153600000, is \"1e3\"",
        "rate: .nan | providers.p.rate: must be seconds, 0 to 3153600000, is NaN",
        "rate: .inf | providers.p.rate: must be seconds, 0 to 3153600000, is Infinity",
        "rate: | providers.p.rate: must be seconds, 0 to 3153600000, is nothing",
        "api-timeout: 0"
            + "| providers.p.api-timeout: must be seconds, more than 0 to 3153600000, is 0",
        "boot-timeout: 0.0000000001"
            + "| providers.p.boot-timeout: must be seconds, more than 0 to 3153600000, is 1.0E-10",
        "launch-timeout: 3153600001"
            + "| providers.p.launch-timeout: must be seconds, more than 0 to 3153600000, is"
            + " 3153600001",
        "max-servers: -2 | providers.p.max-servers: must be a number, -1 to 2147483647, is -2",
        "max-servers: ''"
            + "| providers.p.max-servers: must be a number, -1 to 2147483647, is \"\"",
        "password: 77 | providers.p.password: must be text (put it in quotes), is a number",
        "networks: x | providers.p.networks: must be a list, is text",
        "networks: [{}] | providers.p.networks[0].net-id: or net-label or name is required",
        "networks: [{name: a, public: x}]"
            + "| providers.p.networks.a.public: must be true or false, is \"x\"",
        "availability-zones: az1 | providers.p.availability-zones: must be a list, is text",
        "clean-floating-ips: 0" + "| providers.p.clean-floating-ips: must be true or false, is 0",
        "images: [{name: i, min-ram: 8 GB}]"
            + "| providers.p.images.i.min-ram: must be MiB, 0 to 2147483647, is \"8 GB\"",
        "images: [{name: i, config-drive: 0}]"
            + "| providers.p.images.i.config-drive: must be true or false, is 0",
        "images: x | providers.p.images: must be a list, is text",
        "images: [x] | providers.p.images[0]: must be a mapping of keys to values, is text",
        "images: [{}] | providers.p.images[0].name: is required",
        "images: [{name: i, diskimage: nope}]"
            + "| providers.p.images.i.diskimage: must be one of diskimages, is \"nope\"",
        "images: [{name: i, meta: x}]"
            + "| providers.p.images.i.meta: must be a mapping of keys to values, is text",
        "images: [{name: i, meta: {a: 1}}]"
            + "| providers.p.images.i.meta.a: key and value must be text (put them in quotes)",
        "images: [{name: i, meta: {1: a}}]"
            + "| providers.p.images.i.meta.1: key and value must be text (put them in quotes)",
      })
  void a_wrong_provider_is_refused_with_its_key(String yaml, String mistake) throws Exception {
    assertThat(mistakes("providers:\n- name: p\n  cloud: c\n  " + yaml))
        .containsExactly("nodepool.yaml: " + mistake);
  }

  @Test
  void meta_beyond_the_limits_of_clouds_is_ignored_whole_and_told() throws Exception {
    String longest = "x".repeat(255);
    String two = "{a: %s, %s: b}";
    assertThat(meta(two.formatted(longest, longest))).hasSize(2);
    for (String beyond :
        List.of(
            "{a: '1', b: '1', c: '1', d: '1', e: '1', f: '1'}",
            two.formatted(longest + "x", "c"),
            two.formatted("b", longest + "x"))) {
      assertThat(meta(beyond)).isEmpty();
      assertThat(read(META.formatted(beyond)).warnings())
          .containsExactly(
              "nodepool.yaml: providers.p.images.i.meta: ignored, as it has more than 5 entries,"
                  + " or one of more than 255 characters");
    }
  }

  private Map<String, String> meta(String yaml) throws Exception {
    var provider = read(META.formatted(yaml)).providers().get("p");
    return provider.images().get("i").meta();
  }

  @Test
  void a_target_is_called_as_its_jenkins_is() throws Exception {
    String name = "Jenkins 1 (über: the one)";
    assertThat(read("providers: []\ntargets: [{name: '" + name + "'}]").targets())
        .containsOnlyKeys(name);
    assertThat(mistakes("targets: [{name: \"a\\nb\"}, {name: ' '}]"))
        .hasSize(2)
        .allMatch(mistake -> mistake.startsWith("nodepool.yaml: targets"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{name: l} | labels.l.image: is required",
        "{name: l, image: i, min-ready: '2'}"
            + "| labels.l.min-ready: must be a whole number, -2147483648 to 2147483647, is \"2\"",
        "{name: l, image: i, subnodes: -1}"
            + "| labels.l.subnodes: must be a number, 0 to 2147483647, is -1",
        "{name: l, image: i, providers: [{name: q}]}"
            + "| labels.l.providers.q.name: must be a provider that has the image \"i\", is \"q\"",
        "{name: l, image: i, providers: p} | labels.l.providers: must be a list, is text",
        "{name: l, image: i, providers: [{}]} | labels.l.providers[0].name: is required",
        "{name: l, image: i, providers: [{name: nope}]}"
            + "| labels.l.providers.nope.name: must be one of providers, is \"nope\"",
      })
  void a_wrong_label_is_refused_with_its_key(String yaml, String mistake) throws Exception {
    assertThat(mistakes("providers: [{name: q, cloud: c}]\nlabels: [" + yaml + "]"))
        .containsExactly("nodepool.yaml: " + mistake);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "cron: x | cron: must be a mapping of keys to values, is text",
        "cron: {check: 7} | cron.check: must be text (put it in quotes), is 7",
        "zmq-publishers: x | zmq-publishers: must be a list, is text",
        "zmq-publishers: [7] | zmq-publishers[0]: must be text (put it in quotes), is 7",
        "gearman-servers: [{}] | gearman-servers[0].host: is required",
        "gearman-servers: [{host: h, port: {gearman_port}}]"
            + "| gearman-servers[0].port: must be a port, 1 to 65535, is a mapping",
        "zookeeper-servers: [{host: h, port: 0}]"
            + "| zookeeper-servers[0].port: must be a port, 1 to 65535, is 0",
        "targets: [{}] | targets[0].name: is required",
        "targets: [{name: t, rate: fast}]"
            + "| targets.t.rate: must be seconds, 0 to 3153600000, is \"fast\"",
        "targets: [{name: t, jenkins: x}]"
            + "| targets.t.jenkins: must be a mapping of keys to values, is text",
        "targets: [{name: t, jenkins: {apikey: 77}}]"
            + "| targets.t.jenkins.apikey: must be text (put it in quotes), is a number",
      })
  void what_nodepool_acts_on_alone_is_refused_with_its_key_when_it_is_wrong(
      String yaml, String mistake) throws Exception {
    assertThat(mistakes(yaml)).containsExactly("nodepool.yaml: " + mistake);
  }

  @Test
  void without_a_cloud_every_credential_that_is_missing_is_named() throws Exception {
    assertThat(mistakes("providers: [{name: p, cloud: '', username: '', project-name: x}]"))
        .containsExactly(
            "nodepool.yaml: providers.p.username: is required of a provider without cloud",
            "nodepool.yaml: providers.p.password: is required of a provider without cloud",
            "nodepool.yaml: providers.p.auth-url: is required of a provider without cloud");
    assertThat(mistakes("providers: [{name: p, username: x, password: x, auth-url: x}]"))
        .containsExactly(
            "nodepool.yaml: providers.p.project-id: or project-name is required of a provider"
                + " without cloud");
  }

  @Test
  void a_directory_needs_no_credentials_and_ignores_them_with_a_warning() throws Exception {
    assertThat(
            read("providers: [{name: p, driver: directory, directory: x, cloud: c, rate: 1}]")
                .warnings())
        .containsExactly(
            "nodepool.yaml: providers.p.cloud: ignored, as the driver is not openstack",
            "nodepool.yaml: providers.p.rate: ignored, as the driver is not openstack");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-x",
        ".x",
        "a b",
        "a/b",
        "../a",
        "a:b",
        "é",
        "\"a\\n\"",
        "\"a\\e[2J\"",
        "''",
        "7"
      })
  void a_name_is_safe_everywhere(String name) throws Exception {
    assertThat(mistakes("diskimages: [{name: " + name + "}]"))
        .singleElement()
        .asString()
        .startsWith("nodepool.yaml: diskimages[0].name: must ")
        .doesNotContain("\n", "\u001b");
    assertThat(mistakes("providers: [{name: p, cloud: c, images: [{name: " + name + "}]}]"))
        .singleElement()
        .asString()
        .startsWith("nodepool.yaml: providers.p.images[0].name: must ");
    assertThat(mistakes("providers: [{cloud: c, name: " + name + "}]")).hasSize(1);
    assertThat(mistakes("labels: [{name: l, image: " + name + "}]"))
        .singleElement()
        .asString()
        .startsWith("nodepool.yaml: labels.l.image: must ");
  }

  @Test
  void a_name_has_at_most_100_characters() throws Exception {
    String longest = "x".repeat(100);
    assertThat(read("diskimages: [{name: " + longest + "}]").diskImages()).containsKey(longest);
    assertThat(mistakes("diskimages: [{name: " + longest + "x}]"))
        .singleElement()
        .asString()
        .contains("diskimages[0].name: must be a name: a letter or digit, then at most 99 ");
  }

  @ParameterizedTest
  @CsvSource({
    "'template-{image.name}-{timestamp}', template-tiny-1416268800",
    "'{image.name}-{timestamp}.template.openstack.org',"
        + " tiny-1416268800.template.openstack.org",
    "'{provider.name}.{image.name}.{timestamp}', p.tiny.1416268800",
    "constant, constant",
  })
  void a_new_images_name_comes_from_the_template(String template, String name) throws Exception {
    String yaml =
        "providers: [{name: p, cloud: c, template-hostname: '%s', images: [{name: tiny}]}]";
    ProviderConfig provider = read(yaml.formatted(template)).providers().get("p");
    assertThat(provider.imageHostname("tiny", 1416268800L)).isEqualTo(name);
    assertThat(provider.imageHostnames().test(name)).isTrue();
    assertThat(provider.imageHostnames().test(name + "x")).isFalse();
  }

  @ParameterizedTest
  @CsvSource({
    "template-tiny-1, true",
    "template-tiny-, false",
    "template-tiny-1a, false",
    "template-other-1, false",
    "template.tiny-1, false",
    ", false",
  })
  void a_name_is_one_of_ours_when_the_template_makes_it_of_an_image_that_is_configured(
      String name, boolean isOurs) throws Exception {
    String yaml = "providers: [{name: p, cloud: c, images: [{name: tiny}]}]";
    assertThat(read(yaml).providers().get("p").imageHostnames().test(name)).isEqualTo(isOurs);
  }

  @Test
  void doubled_braces_in_a_template_are_braces() throws Exception {
    String yaml =
        "providers: [{name: p, cloud: c, template-hostname: '{{timestamp}}{{{timestamp}}}'}]";
    ProviderConfig provider = read(yaml).providers().get("p");
    assertThat(provider.imageHostname("i", 7)).isEqualTo("{timestamp}{7}");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{provider.password}",
        "{image}",
        "{}",
        "{0}",
        "{timestamp:d}",
        "{timestamp!r}",
        "{image.name",
        "image.name}",
        "{{{timestamp}}",
        "{ timestamp }",
      })
  void a_template_has_no_other_fields(String template) throws Exception {
    assertThat(mistakes("providers: [{name: p, cloud: c, template-hostname: 'a" + template + "'}]"))
        .containsExactly(
            "nodepool.yaml: providers.p.template-hostname: may have no fields but"
                + " {provider.name}, {image.name} and {timestamp}, is \"a"
                + template
                + "\"");
  }

  @ParameterizedTest
  @ValueSource(strings = {"-{image.name}", "a b {image.name}", "../{image.name}", "{{{image.name}"})
  void what_a_template_gives_is_a_name(String template) throws Exception {
    String yaml = "providers: [{name: p, cloud: c, template-hostname: '%s', images: [{name: i}]}]";
    assertThat(mistakes(yaml.formatted(template)))
        .singleElement()
        .asString()
        .startsWith("nodepool.yaml: providers.p.template-hostname: ");
  }

  @Test
  void what_a_template_gives_is_not_too_long() throws Exception {
    String yaml = "providers: [{name: p, cloud: c, images: [{name: %s}]}]";
    assertThat(read(yaml.formatted("x".repeat(80))).warnings()).isEmpty();
    assertThat(mistakes(yaml.formatted("x".repeat(81))))
        .singleElement()
        .asString()
        .startsWith(
            "nodepool.yaml: providers.p.template-hostname: must give a name of at most 100");
  }

  @Test
  void all_mistakes_are_told_together() throws Exception {
    ConfigException refused =
        refused(
            """
            images-dir: 7
            diskimages: [{elements: x}]
            providers:
              - {name: p, driver: x, cloud: c, password: hunter2, images: [{name: i, diskimage: d}]}
            labels: [{name: l, providers: [{name: q}]}]
            """);
    assertThat(refused.mistakes())
        .containsExactly(
            "nodepool.yaml: images-dir: must be text (put it in quotes), is 7",
            "nodepool.yaml: diskimages[0].name: is required",
            "nodepool.yaml: diskimages[0].elements: must be a list, is text",
            "nodepool.yaml: providers.p.driver: must be one of openstack, directory, qemu, is \"x\"",
            "nodepool.yaml: providers.p.images.i.diskimage: must be one of diskimages, is \"d\"",
            "nodepool.yaml: labels.l.image: is required",
            "nodepool.yaml: labels.l.providers.q.name: must be one of providers, is \"q\"");
    assertThat(refused).hasMessage(String.join("\n", refused.mistakes()));
  }

  @Test
  void an_unknown_key_is_a_warning() throws Exception {
    PoolConfig pool =
        read(
            """
            nothandled: element
            cron: {update-image: '14 2 * * *', check: x}
            gearman-servers: [{host: h, foo: 1}]
            zookeeper-servers: [{host: h, foo: 1}]
            targets: [{name: t, foo: 1, jenkins: {url: x, apikey: hunter2, bar: 1}}]
            diskimages: [{name: d, foo: 1}]
            providers:
              - {name: tiny-cloud, cloud: c, foo: 1, networks: [{net-id: x, foo: 1}],
                 images: [{name: i, foo: 1}]}
            labels: [{name: l, image: i, foo: 1, providers: [{name: tiny-cloud, foo: 1}]}]
            "a\\nb": 1
            ~: 1
            """);
    assertThat(pool.warnings())
        .containsExactlyInAnyOrder(
            "nodepool.yaml: nothandled: unknown key, ignored",
            "nodepool.yaml: cron.update-image: unknown key, ignored",
            "nodepool.yaml: gearman-servers[0].foo: unknown key, ignored",
            "nodepool.yaml: zookeeper-servers[0].foo: unknown key, ignored",
            "nodepool.yaml: targets.t.foo: unknown key, ignored",
            "nodepool.yaml: targets.t.jenkins.bar: unknown key, ignored",
            "nodepool.yaml: diskimages.d.foo: unknown key, ignored",
            "nodepool.yaml: providers.tiny-cloud.foo: unknown key, ignored",
            "nodepool.yaml: providers.tiny-cloud.networks[0].foo: unknown key, ignored",
            "nodepool.yaml: providers.tiny-cloud.images.i.foo: unknown key, ignored",
            "nodepool.yaml: labels.l.foo: unknown key, ignored",
            "nodepool.yaml: labels.l.providers.tiny-cloud.foo: unknown key, ignored",
            "nodepool.yaml: a\\u{a}b: unknown key, ignored",
            "nodepool.yaml: nothing: unknown key, ignored");
  }

  @Test
  void a_dburi_is_kept_unread_and_not_printed() throws Exception {
    PoolConfig pool = read("dburi: 'mysql://nodepool:hunter2@localhost/nodepool'");
    assertThat(pool.dburi().value()).isEqualTo("mysql://nodepool:hunter2@localhost/nodepool");
    assertThat(pool.toString()).doesNotContain("hunter2");
    assertThat(pool.warnings()).isEmpty();
    assertThat(read("dburi: '{dburi}'").dburi().value()).isEqualTo("{dburi}");
    assertThat(read("dburi:").dburi()).isNull();
    assertThat(read("dburi: ''").dburi()).isNull();
    assertThat(mistakes("dburi: {dburi}"))
        .containsExactly("nodepool.yaml: dburi: must be text, is a mapping");
  }

  @Test
  void a_directory_without_its_driver_is_a_warning() throws Exception {
    PoolConfig pool = read("providers: [{name: p, cloud: c, directory: /x}]");
    assertThat(pool.providers().get("p").driver()).isInstanceOf(OpenStack.class);
    assertThat(pool.warnings())
        .containsExactly(
            "nodepool.yaml: providers.p.directory: ignored, as the driver is not directory or qemu");
  }

  @Test
  void machines_of_a_host_are_read() throws Exception {
    DriverConfig driver =
        read("""
                providers:
                  - name: p
                    driver: qemu
                    directory: /machines
                    host: builder-1
                    max-servers: 0
                    boot-timeout: 7
                    network: out
                    address: 192.0.2.7
                    ports: 10000-10099
                    run-as: nodepool
                    images: []
                """)
            .providers()
            .get("p")
            .driver();
    assertThat(driver)
        .isEqualTo(
            new DriverConfig.Qemu(
                Path.of("/machines"),
                null,
                "builder-1",
                0,
                Duration.ofSeconds(7),
                true,
                new DriverConfig.Listen("192.0.2.7", 10_000, 10_099),
                "nodepool"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "max-servers: many | providers.p.max-servers: must be a number, -1 to 2147483647, is 'many'",
        "network: open | providers.p.network: must be one of isolated, out, is 'open'",
        "address: 10.0.0.1 | providers.p.ports: is required beside the other one",
        "ports: 1-2 | providers.p.address: is required beside the other one",
        "'{address: localhost, ports: 1-2}' | providers.p.address: must be an IPv4 address of this host,"
            + " is 'localhost'",
        "'{address: 10.0.0.1, ports: 9-2}' | providers.p.ports: must be of 1 to 65535, the lower one"
            + " first, is 9-2",
        "run-as: -x | providers.p.run-as: must be the name of a user, is '-x'"
      })
  void a_mistake_about_machines_of_a_host_is_told(String keys, String mistake) throws Exception {
    String more = keys.replaceAll("[{}]", "");
    assertThat(
            mistakes(
                "providers: [{name: p, driver: qemu, directory: d, images: [], %s}]"
                    .formatted(more)))
        .contains("nodepool.yaml: " + mistake.replace("'", "\""));
  }

  @Test
  void of_two_entries_with_one_name_the_last_wins() throws Exception {
    PoolConfig pool =
        read(
            """
            diskimages: [{name: d, release: a}, {name: e}, {name: d, release: b}]
            providers: [{name: p, cloud: c, images: [{name: i}]}]
            labels: [{name: l, image: i, providers: [{name: p}, {name: p}]}]
            """);
    assertThat(pool.diskImages().get("d").release()).isEqualTo("b");
    assertThat(pool.labels().get("l").providers()).containsExactly("p");
    assertThat(pool.warnings())
        .containsExactly(
            "nodepool.yaml: diskimages.d.name: is given more than once, the last one counts",
            "nodepool.yaml: labels.l.providers.p.name: is given more than once");
  }

  @Test
  void of_a_key_given_twice_the_last_wins() throws Exception {
    PoolConfig pool = read("images-dir: /a\nscript-dir: /b\nimages-dir: /c\n");
    assertThat(pool.imagesDir()).isEqualTo(Path.of("/c"));
    assertThat(pool.warnings())
        .containsExactly(
            "nodepool.yaml: line 3, column 1: images-dir: is given more than once, the last one"
                + " counts");
  }

  @Test
  void an_optional_text_that_is_empty_is_not_set() throws Exception {
    PoolConfig pool =
        read(
            """
            images-dir: ''
            elements-dir: ':'
            providers: [{name: p, cloud: c, region-name: '', images: [{name: i, diskimage: '', setup: }]}]
            """);
    assertThat(pool.imagesDir()).isNull();
    assertThat(pool.elementsPath()).isNull();
    assertThat(pool.providers().get("p").driver().region()).isNull();
    assertThat(pool.providers().get("p").images().get("i"))
        .isEqualTo(new ProviderImage("i", null, null, Map.of(), null, null, false, DEFAULT_NODES));
  }

  @Test
  void anchors_and_merge_keys_are_read() throws Exception {
    PoolConfig pool =
        read(
            """
            providers:
              - &base {name: a, cloud: c, region-name: north, image-type: raw}
              - {<<: *base, name: b, image-type: vhd}
            """);
    assertThat(pool.providers().get("b").driver().region()).isEqualTo("north");
    assertThat(pool.providers().get("b").imageType()).isEqualTo("vhd");
    assertThat(pool.warnings()).isEmpty();
  }

  @Test
  void a_file_runs_no_code() throws Exception {
    assertThat(mistakes("images-dir: !!java.io.File [/tmp]"))
        .singleElement()
        .asString()
        .startsWith("nodepool.yaml: line 1, column 13: is not valid YAML");
    assertThat(mistakes("images-dir: !!python/object/apply:os.system [ls]")).hasSize(1);
  }

  @Test
  void many_labels_may_share_their_providers() throws Exception {
    StringBuilder labels = new StringBuilder("providers: []\nx: &none []\nlabels:\n");
    for (int i = 0; i < 300; i++) {
      labels.append("  - {name: l%d, image: i, providers: *none}\n".formatted(i));
    }
    assertThat(mistakes(labels + "gearman-servers: 5\n"))
        .containsExactly("nodepool.yaml: gearman-servers: must be a list, is a number");
  }

  @Test
  void a_file_that_grows_beyond_measure_is_refused() throws Exception {
    StringBuilder bomb = new StringBuilder("a0: &a0 [x]\n");
    for (int i = 1; i < 10; i++) {
      bomb.append(
          "a%d: &a%d [%s*a%d]\n".formatted(i, i, "*a%d, ".formatted(i - 1).repeat(199), i - 1));
    }
    assertThat(mistakes(bomb.toString())).singleElement().asString().contains("too many aliases");
    assertThat(mistakes("a: " + "[".repeat(100_000))).singleElement().asString().contains("deep");
    assertThat(mistakes("&a [*a]")).hasSize(1);
  }

  @Test
  void a_missing_file_is_one_mistake_with_its_path() {
    Path missing = directory.resolve("pool.yaml");
    ConfigException refused =
        catchThrowableOfType(ConfigException.class, () -> PoolConfig.read(missing, clouds()));
    assertThat(refused.mistakes()).containsExactly("pool.yaml: no such file: " + missing);
  }

  @Test
  void a_provider_without_a_cloud_is_complete_as_one_with_it_is() throws Exception {
    PoolConfig pool =
        read(
            """
            providers:
              - {name: plain, username: ann, password: hunter2, project-name: ci,
                 auth-url: https://cloud.example.org/v3}
              - {name: by-file, cloud: c}
            """);
    assertThat(openStack(pool.providers().get("plain")).access()).isEqualTo(ACCESS);
    assertThat(openStack(pool.providers().get("by-file")).access()).isEqualTo(ACCESS);
  }

  @ParameterizedTest
  @CsvSource({
    "nodepool-2014-11/fake.yaml, 0, 1, 2",
    "nodepool-2014-11/fake-dib.yaml, 1, 1, 1",
    "nodepool-2014-11/node.yaml, 0, 1, 1",
    "nodepool-2014-11/node_az.yaml, 0, 1, 1",
    "nodepool-2014-11/node_dib.yaml, 1, 1, 1",
    "nodepool-2014-11/subnodes.yaml, 0, 1, 2",
    "system-config-2014-08-20.yaml, 0, 11, 14",
    "system-config-2015-07-16.yaml, 6, 10, 20",
    "project-config-2016-03-30.yaml, 6, 10, 9",
    "validate/config_validate__good.yaml, 6, 11, 17",
  })
  void a_real_file_loads(String name, int diskImages, int providers, int labels) throws Exception {
    PoolConfig pool = PoolConfig.read(real(name), cloudsOf(real(name)));
    assertThat(pool.diskImages()).hasSize(diskImages);
    assertThat(pool.providers()).hasSize(providers);
    assertThat(pool.labels()).hasSize(labels);
    assertThat(pool.warnings()).allMatch(warning -> warning.contains(".subnodes: "));
  }

  @Test
  void a_real_file_with_a_wrong_indentation_is_refused_with_line_and_column() {
    assertThat(refused(real("validate/config_validate__yaml_error.yaml")).mistakes())
        .containsExactly(
            "config_validate__yaml_error.yaml: line 1022, column 2: expected <block end>, but"
                + " found '<block sequence start>'");
  }

  @Test
  void a_real_file_that_nodepool_refuses_is_told_what_it_lacks_and_has_too_much() {
    ConfigException refused = refused(real("validate/config_validate__schema_error.yaml"));
    assertThat(refused.mistakes())
        .containsExactly(
            "config_validate__schema_error.yaml: providers: is required, and may be an empty"
                + " list");
    assertThat(refused.warnings())
        .containsExactly("config_validate__schema_error.yaml: nothandled: unknown key, ignored");
  }

  @ParameterizedTest
  @ValueSource(strings = {"system-config-2015-07-16.yaml", "project-config-2016-03-30.yaml"})
  void a_real_file_with_real_clouds_is_complete_or_told_which_cloud_or_profile_it_lacks(String name)
      throws Exception {
    Path clouds = real("system-config-clouds-2015-07-04.yaml");
    ConfigException refused =
        catchThrowableOfType(
            ConfigException.class,
            () -> PoolConfig.read(real(name), new CloudsFile(List.of(clouds))));
    assertThat(refused.mistakes())
        .allMatch(
            mistake ->
                mistake.matches(
                    clouds.getFileName()
                        + ": clouds\\.(rax|hpcloud)\\.profile: vendors' profiles are not supported,"
                        + " is (rackspace|hp): .*"
                        + "|"
                        + name
                        + ": providers\\.[^.]*(\\.[0-9])?[^.]*\\.cloud: "
                        + "\"(ovh|bluebox-sjc1|internap|vexxhost|osic-cloud1)\" is not in "
                        + clouds.getFileName()));
    assertThat(refused.mistakes()).anyMatch(mistake -> mistake.contains("rackspace"));
  }

  /** A clouds.yaml that has what this file needs. */
  private CloudsFile cloudsOf(Path file) throws IOException {
    String entries =
        Pattern.compile("(?m)^ +cloud: (\\S+)")
            .matcher(Files.readString(file))
            .results()
            .map(cloud -> cloud.group(1))
            .distinct()
            .map(
                cloud ->
                    "  %s: {auth: {auth_url: x, username: a, password: b, project_name: c}}\n"
                        .formatted(cloud))
            .collect(Collectors.joining());
    return new CloudsFile(
        List.of(
            Files.writeString(
                directory.resolve("clouds.yaml"), entries.isEmpty() ? "" : "clouds:\n" + entries)));
  }

  @Test
  void a_clouds_yaml_is_not_taken_for_a_pool() {
    assertThat(refused(real("system-config-clouds-2015-07-04.yaml")).mistakes()).hasSize(1);
  }

  private static Path real(String name) {
    Path file = REAL_FILES.resolve(name);
    assumeTrue(
        Files.exists(file),
        () ->
            "real configuration files are looked for beside the project, and there is no " + file);
    return file;
  }

  private DiskImage image(String yaml) throws IOException, ConfigException {
    return read("diskimages:\n- name: i\n  " + yaml).diskImages().get("i");
  }

  private PoolConfig read(String yaml) throws IOException, ConfigException {
    return PoolConfig.read(file(yaml), clouds());
  }

  /** With the one key that is required. */
  private Path file(String yaml) throws IOException {
    String whole = yaml.matches("(?s)(.*\n)?providers:.*") ? yaml : yaml + "\nproviders: []";
    return Files.writeString(directory.resolve("nodepool.yaml"), whole);
  }

  private List<String> mistakes(String yaml) throws IOException {
    return refused(yaml).mistakes();
  }

  private ConfigException refused(String yaml) throws IOException {
    return refused(file(yaml));
  }

  private static ConfigException refused(Path file) {
    return catchThrowableOfType(ConfigException.class, () -> PoolConfig.read(file, clouds()));
  }

  private static OpenStack openStack(ProviderConfig provider) {
    return (OpenStack) provider.driver();
  }
}
