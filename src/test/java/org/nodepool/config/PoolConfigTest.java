package org.nodepool.config;

import static java.util.Map.entry;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.config.PoolConfig.DiskImage;
import org.nodepool.config.PoolConfig.Driver;
import org.nodepool.config.PoolConfig.Label;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.config.PoolConfig.ProviderImage;

class PoolConfigTest {
  private static final Path REAL_FILES = Path.of("../shared/configs");

  @TempDir Path directory;

  @ParameterizedTest
  @ValueSource(strings = {"", "diskimages:\nproviders:\nlabels:\n", "diskimages: []"})
  void a_file_with_nothing_in_it_is_an_empty_pool(String yaml) throws Exception {
    assertThat(read(yaml))
        .isEqualTo(new PoolConfig(null, null, null, null, Map.of(), Map.of(), Map.of(), List.of()));
  }

  @Test
  void everything_is_read() throws Exception {
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
            providers:
              - name: cloud
                region-name: north
                username: ann
                password: hunter2
                image-type: raw
                template-hostname: '{provider.name}-{image.name}-{timestamp}'
                images:
                  - name: ubuntu-cloud
                    diskimage: ubuntu
                    meta:
                      config_drive: 'yes'
                  - name: snapshot
                    setup: prepare.sh
              - name: files
                driver: directory
                directory: ../var/files
            labels:
              - name: small
                image: ubuntu-cloud
                min-ready: -1
                providers:
                  - name: files
                  - name: cloud
              - name: large
                image: snapshot
            """);
    ProviderConfig cloud =
        new ProviderConfig(
            "cloud",
            Driver.OPENSTACK,
            "north",
            null,
            "raw",
            "{provider.name}-{image.name}-{timestamp}",
            Map.of(
                "ubuntu-cloud",
                new ProviderImage("ubuntu-cloud", "ubuntu", null, Map.of("config_drive", "yes")),
                "snapshot",
                new ProviderImage("snapshot", null, "prepare.sh", Map.of())));
    ProviderConfig files =
        new ProviderConfig(
            "files",
            Driver.DIRECTORY,
            null,
            directory.resolveSibling("var/files"),
            "qcow2",
            "template-{image.name}-{timestamp}",
            Map.of());
    assertThat(pool.imagesDir()).isEqualTo(Path.of("/opt/nodepool_dib"));
    assertThat(pool.elementsPath())
        .isEqualTo(
            directory.resolve("elements") + ":/opt/elements:" + directory.resolveSibling("more"));
    assertThat(pool.scriptDir()).isEqualTo(directory.resolve("scripts"));
    assertThat(pool.diskImages())
        .containsExactly(
            entry(
                "ubuntu",
                new DiskImage(
                    "ubuntu",
                    List.of("ubuntu", "vm"),
                    "trusty",
                    Map.of("TMPDIR", "/opt/dib_tmp", "DIB_JOURNAL_SIZE", "4"))));
    assertThat(pool.providers()).containsExactly(entry("cloud", cloud), entry("files", files));
    assertThat(pool.labels())
        .containsExactly(
            entry("small", new Label("small", "ubuntu-cloud", -1, List.of("files", "cloud"))),
            entry("large", new Label("large", "snapshot", 2, List.of())));
    assertThat(pool.warnings()).isEmpty();
    assertThat(pool.toString()).doesNotContain("hunter2", "/opt/dib_tmp").contains("TMPDIR");
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
    PoolConfig pool = PoolConfig.read(Path.of("conf/nodepool.yaml"));
    assertThat(pool.warnings()).isEmpty();
    assertThat(pool.imagesDir()).isEqualTo(conf.resolveSibling("var/images"));
    assertThat(Path.of(pool.elementsPath(), "tiny-os/root.d/10-tiny-root")).isExecutable();
    assertThat(pool.diskImages())
        .containsExactly(
            entry(
                "tiny-os",
                new DiskImage("tiny-os", List.of("tiny-os"), "", Map.of("DIB_JOURNAL_SIZE", "4"))));
    ProviderConfig provider = pool.providers().get("local-directory");
    assertThat(provider.driver()).isEqualTo(Driver.DIRECTORY);
    assertThat(provider.directory()).isEqualTo(conf.resolveSibling("var/local-directory"));
    assertThat(provider.images().get("tiny-os").diskImage()).isEqualTo("tiny-os");
    assertThat(provider.images().get("tiny-os").meta()).isNotEmpty();
    assertThat(pool.labels().get("tiny-os"))
        .isEqualTo(new Label("tiny-os", "tiny-os", 0, List.of("local-directory")));
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
        "driver: ec2 | providers.p.driver: must be one of openstack, directory, is \"ec2\"",
        "driver: directory"
            + "| providers.p.directory: is required of a provider whose driver is directory",
        "image-type: iso"
            + "| providers.p.image-type: must be one of qcow2, raw, tar, tgz, vhd, vmdk, vpc,"
            + " squashfs, is \"iso\"",
        "region-name: 7 | providers.p.region-name: must be text (put it in quotes), is 7",
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
        "images: [{name: i, meta: {a: '1', b: '1', c: '1', d: '1', e: '1', f: '1'}}]"
            + "| providers.p.images.i.meta: must have at most 5 entries, has 6",
      })
  void a_wrong_provider_is_refused_with_its_key(String yaml, String mistake) throws Exception {
    assertThat(mistakes("providers:\n- name: p\n  " + yaml))
        .containsExactly("nodepool.yaml: " + mistake);
  }

  @Test
  void a_meta_entry_has_at_most_255_characters() throws Exception {
    String longest = "x".repeat(255);
    String yaml = "providers: [{name: p, images: [{name: i, meta: {a: %s, %s: b}}]}]";
    assertThat(read(yaml.formatted(longest, longest)).warnings()).isEmpty();
    assertThat(mistakes(yaml.formatted(longest + "x", "c")))
        .containsExactly(
            "nodepool.yaml: providers.p.images.i.meta.a: key and value must be at most 255"
                + " characters");
    assertThat(mistakes(yaml.formatted("b", longest + "x")))
        .singleElement()
        .asString()
        .endsWith("...: key and value must be at most 255 characters");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{name: l} | labels.l.image: is required",
        "{name: l, image: i, min-ready: '2'}"
            + "| labels.l.min-ready: must be a whole number, -2147483648 to 2147483647, is \"2\"",
        "{name: l, image: i, providers: p} | labels.l.providers: must be a list, is text",
        "{name: l, image: i, providers: [{}]} | labels.l.providers[0].name: is required",
        "{name: l, image: i, providers: [{name: nope}]}"
            + "| labels.l.providers.nope.name: must be one of providers, is \"nope\"",
      })
  void a_wrong_label_is_refused_with_its_key(String yaml, String mistake) throws Exception {
    assertThat(mistakes("labels: [" + yaml + "]")).containsExactly("nodepool.yaml: " + mistake);
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
    assertThat(mistakes("providers: [{name: p, images: [{name: " + name + "}]}]"))
        .singleElement()
        .asString()
        .startsWith("nodepool.yaml: providers.p.images[0].name: must ");
    assertThat(mistakes("providers: [{name: " + name + "}]")).hasSize(1);
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
    String yaml = "providers: [{name: p, template-hostname: '%s', images: [{name: tiny}]}]";
    ProviderConfig provider = read(yaml.formatted(template)).providers().get("p");
    assertThat(provider.imageHostname("tiny", 1416268800L)).isEqualTo(name);
  }

  @Test
  void doubled_braces_in_a_template_are_braces() throws Exception {
    String yaml = "providers: [{name: p, template-hostname: '{{timestamp}}{{{timestamp}}}'}]";
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
    assertThat(mistakes("providers: [{name: p, template-hostname: 'a" + template + "'}]"))
        .containsExactly(
            "nodepool.yaml: providers.p.template-hostname: may have no fields but"
                + " {provider.name}, {image.name} and {timestamp}, is \"a"
                + template
                + "\"");
  }

  @ParameterizedTest
  @ValueSource(strings = {"-{image.name}", "a b {image.name}", "../{image.name}", "{{{image.name}"})
  void what_a_template_gives_is_a_name(String template) throws Exception {
    String yaml = "providers: [{name: p, template-hostname: '%s', images: [{name: i}]}]";
    assertThat(mistakes(yaml.formatted(template)))
        .singleElement()
        .asString()
        .startsWith("nodepool.yaml: providers.p.template-hostname: ");
  }

  @Test
  void what_a_template_gives_is_not_too_long() throws Exception {
    String yaml = "providers: [{name: p, images: [{name: %s}]}]";
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
              - {name: p, driver: x, password: hunter2, images: [{name: i, diskimage: d}]}
            labels: [{name: l, providers: [{name: q}]}]
            """);
    assertThat(refused.mistakes())
        .containsExactly(
            "nodepool.yaml: images-dir: must be text (put it in quotes), is 7",
            "nodepool.yaml: diskimages[0].name: is required",
            "nodepool.yaml: diskimages[0].elements: must be a list, is text",
            "nodepool.yaml: providers.p.driver: must be one of openstack, directory, is \"x\"",
            "nodepool.yaml: providers.p.images.i.diskimage: must be one of diskimages, is \"d\"",
            "nodepool.yaml: labels.l.providers.q.name: must be one of providers, is \"q\"",
            "nodepool.yaml: labels.l.image: is required");
    assertThat(refused).hasMessage(String.join("\n", refused.mistakes()));
  }

  @Test
  void an_unknown_key_is_a_warning() throws Exception {
    PoolConfig pool =
        read(
            """
            nothandled: element
            cron: {update-image: '14 2 * * *', check: x}
            targets: [{name: t, foo: 1, jenkins: {url: x, apikey: hunter2, bar: 1}}]
            diskimages: [{name: d, foo: 1}]
            providers:
              - {name: tiny-cloud, foo: 1, networks: [{net-id: x, foo: 1}],
                 images: [{name: i, foo: 1}]}
            labels: [{name: l, image: i, foo: 1, providers: [{name: tiny-cloud, foo: 1}]}]
            "a\\nb": 1
            ~: 1
            """);
    assertThat(pool.warnings())
        .containsExactlyInAnyOrder(
            "nodepool.yaml: nothandled: unknown key, ignored",
            "nodepool.yaml: cron.update-image: unknown key, ignored",
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
  void nodepools_other_keys_are_passed_over() throws Exception {
    PoolConfig pool =
        read(
            """
            cron: {image-update: x, cleanup: x, check: x}
            zmq-publishers: [tcp://localhost:8881]
            gearman-servers: [{host: localhost, port: {gearman_port}}]
            zookeeper-servers: [{host: localhost, port: 2181, chroot: /x}]
            diskimages:
              - {name: d, qemu-img-options: x, rebuild-age: 1, pause: true, formats: [raw]}
            providers:
              - {name: p, username: x, password: x, project-id: x, project-name: x, auth-url: x,
                 max-servers: 0, service-type: x, service-name: x, pool: x, keypair: x, rate: 0.1,
                 boot-timeout: 60, launch-timeout: 60,
                 networks: [{net-label: x}, {name: x, public: true}],
                 availability-zones: [az1], api-timeout: 60, cloud: x, ipv6-preferred: true,
                 clean-floating-ips: true, nodepool-id: x, images: [
                   {name: i, base-image: x, min-ram: 8192, name-filter: x, reset: x, username: x,
                    user-home: /x, private-key: /x, config-drive: true, pause: true, key-name: x}]}
            labels: [{name: l, image: i, subnodes: 2, ready-script: x}]
            targets:
              - {name: t, rate: 1.0, hostname: x, subnode-hostname: x, assign-via-gearman: true,
                 jenkins: {url: x, user: x, apikey: x, credentials-id: x, test-job: x}}
            """);
    assertThat(pool.warnings()).isEmpty();
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
    PoolConfig pool = read("providers: [{name: p, directory: /x}]");
    assertThat(pool.providers().get("p").directory()).isNull();
    assertThat(pool.warnings())
        .containsExactly(
            "nodepool.yaml: providers.p.directory: ignored, as the driver is not directory");
  }

  @Test
  void of_two_entries_with_one_name_the_last_wins() throws Exception {
    PoolConfig pool =
        read(
            """
            diskimages: [{name: d, release: a}, {name: e}, {name: d, release: b}]
            providers: [{name: p}]
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
            providers: [{name: p, region-name: '', images: [{name: i, diskimage: '', setup: }]}]
            """);
    assertThat(pool.imagesDir()).isNull();
    assertThat(pool.elementsPath()).isNull();
    assertThat(pool.providers().get("p").region()).isNull();
    assertThat(pool.providers().get("p").images().get("i"))
        .isEqualTo(new ProviderImage("i", null, null, Map.of()));
  }

  @Test
  void anchors_and_merge_keys_are_read() throws Exception {
    PoolConfig pool =
        read(
            """
            providers:
              - &base {name: a, region-name: north, image-type: raw}
              - {<<: *base, name: b, image-type: vhd}
            """);
    assertThat(pool.providers().get("b").region()).isEqualTo("north");
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
  void a_file_that_grows_beyond_measure_is_refused() throws Exception {
    StringBuilder bomb = new StringBuilder("a0: &a0 [x]\n");
    for (int i = 1; i < 10; i++) {
      bomb.append(
          "a%d: &a%d [%s*a%d]\n".formatted(i, i, "*a%d, ".formatted(i - 1).repeat(9), i - 1));
    }
    assertThat(mistakes(bomb.toString())).singleElement().asString().contains("too many aliases");
    assertThat(mistakes("a: " + "[".repeat(100_000))).singleElement().asString().contains("deep");
    assertThat(mistakes("&a [*a]")).hasSize(1);
  }

  @Test
  void a_missing_file_is_one_mistake_with_its_path() {
    Path missing = directory.resolve("pool.yaml");
    ConfigException refused =
        catchThrowableOfType(ConfigException.class, () -> PoolConfig.read(missing));
    assertThat(refused.mistakes()).containsExactly("pool.yaml: no such file: " + missing);
  }

  @Test
  void a_provider_without_a_directory_is_no_directory_provider() {
    assertThatThrownBy(
            () -> new ProviderConfig("p", Driver.DIRECTORY, null, null, "qcow2", "x", Map.of()))
        .isInstanceOf(IllegalArgumentException.class);
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
    PoolConfig pool = PoolConfig.read(real(name));
    assertThat(pool.diskImages()).hasSize(diskImages);
    assertThat(pool.providers()).hasSize(providers);
    assertThat(pool.labels()).hasSize(labels);
    assertThat(pool.warnings()).allMatch(warning -> warning.contains(".subnodes: "));
  }

  @Test
  void a_real_file_with_a_wrong_indentation_is_refused_with_line_and_column() {
    Path file = real("validate/config_validate__yaml_error.yaml");
    ConfigException refused =
        catchThrowableOfType(ConfigException.class, () -> PoolConfig.read(file));
    assertThat(refused.mistakes())
        .containsExactly(
            "config_validate__yaml_error.yaml: line 1022, column 2: expected <block end>, but"
                + " found '<block sequence start>'");
  }

  private static Path real(String name) {
    Path file = REAL_FILES.resolve(name);
    assumeTrue(Files.exists(file), "the real configuration files are not here: " + file);
    return file;
  }

  private DiskImage image(String yaml) throws IOException, ConfigException {
    return read("diskimages:\n- name: i\n  " + yaml).diskImages().get("i");
  }

  private PoolConfig read(String yaml) throws IOException, ConfigException {
    return PoolConfig.read(Files.writeString(directory.resolve("nodepool.yaml"), yaml));
  }

  private List<String> mistakes(String yaml) throws IOException {
    return refused(yaml).mistakes();
  }

  private ConfigException refused(String yaml) throws IOException {
    Path file = Files.writeString(directory.resolve("nodepool.yaml"), yaml);
    return catchThrowableOfType(ConfigException.class, () -> PoolConfig.read(file));
  }
}
