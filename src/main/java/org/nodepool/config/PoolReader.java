package org.nodepool.config;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.regex.Pattern;
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

/** From the text of a {@code nodepool.yaml} to a {@link PoolConfig}; every key and its default. */
final class PoolReader {
  private static final String TEMPLATE_HOSTNAME = "template-{image.name}-{timestamp}";
  private static final String HOSTNAME = "{label.name}-{provider.name}-{node_id}";
  private static final String SUBNODE_HOSTNAME = HOSTNAME + "-{subnode_id}";
  private static final long TEN_DIGITS = 1_000_000_000L;

  private static final Pattern ELEMENT = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._+-]*");
  private static final Pattern VARIABLE = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");
  static final List<String> IMAGE_TYPES =
      List.of("qcow2", "raw", "tar", "tgz", "vhd", "vmdk", "vpc", "squashfs");

  /** The clouds' own limits for an image's properties. */
  private static final int MAX_META = 5;

  private static final int MAX_META_CHARS = 255;

  private PoolReader() {}

  /**
   * Mistakes are findings; only text that is not YAML is an exception.
   *
   * @param file whose text it is
   * @param clouds not used before
   */
  static PoolConfig read(Path file, String text, Clouds clouds, Findings all)
      throws ConfigException {
    Findings findings = new Findings();
    PoolConfig pool = pool(YamlFile.of(file, text, findings), clouds, findings);
    all.add(findings);
    all.add(clouds.findings());
    return pool;
  }

  private static PoolConfig pool(YamlFile yaml, Clouds clouds, Findings findings) {
    yaml.repeatedKeys()
        .forEach(place -> yaml.warning(place, "is given more than once, the last one counts"));
    Section root = yaml.root();
    if (!root.has("providers")) {
      root.mistake("providers", "is required, and may be an empty list");
    }
    Path imagesDir = root.path("images-dir", null);
    String elementsPath = root.paths("elements-dir");
    Path scriptDir = root.path("script-dir", null);
    Secret dburi = secret(root, "dburi");
    Cron cron = cron(root.section("cron"));
    List<String> zmqPublishers = root.texts("zmq-publishers");
    var gearmanServers =
        root.sections("gearman-servers").stream().map(PoolReader::gearmanServer).toList();
    var zooKeeperServers =
        root.sections("zookeeper-servers").stream().map(PoolReader::zooKeeperServer).toList();
    var diskImages = byName(root, "diskimages", PoolReader::diskImage);
    List<DriverReader> drivers =
        List.of(new OpenStackReader(clouds), new DirectoryReader(), new QemuReader());
    var providers =
        byName(
            root,
            "providers",
            (name, entry) -> provider(name, entry, drivers, diskImages.keySet()));
    var labels = byName(root, "labels", (name, entry) -> label(name, entry, providers));
    // called as the Jenkins is, which knows no rule of ours
    var targets = by(entry -> entry.required("name"), root, "targets", PoolReader::target);
    root.warnOfRest();
    return new PoolConfig(
        imagesDir,
        elementsPath,
        scriptDir,
        dburi,
        cron,
        zmqPublishers,
        gearmanServers,
        zooKeeperServers,
        diskImages,
        providers,
        labels,
        targets,
        findings.warnings());
  }

  private static Cron cron(Section section) {
    var cron =
        new Cron(
            section.text("image-update", "14 2 * * *"),
            section.text("cleanup", "* * * * *"),
            section.text("check", "*/15 * * * *"));
    section.warnOfRest();
    return cron;
  }

  private static GearmanServer gearmanServer(Section entry) {
    var server = new GearmanServer(entry.required("host"), port(entry, 4730));
    entry.warnOfRest();
    return server;
  }

  private static ZooKeeperServer zooKeeperServer(Section entry) {
    var server =
        new ZooKeeperServer(entry.required("host"), port(entry, 2181), entry.text("chroot", null));
    entry.warnOfRest();
    return server;
  }

  private static int port(Section entry, int fallback) {
    return entry.integer("port", fallback, 1, 65535, "a port");
  }

  /** Null when absent. */
  static Secret secret(Section section, String key) {
    String text = section.isAbsent(key) ? null : section.secret(key);
    return text == null ? null : new Secret(text);
  }

  private static <T> Map<String, T> byName(
      Section parent, String key, BiFunction<String, Section, T> read) {
    return by(entry -> entry.name("name"), parent, key, read);
  }

  private static <T> Map<String, T> by(
      Function<Section, String> nameOf,
      Section parent,
      String key,
      BiFunction<String, Section, T> read) {
    Map<String, T> entries = new LinkedHashMap<>();
    for (Section entry : parent.sections(key)) {
      String name = nameOf.apply(entry);
      if (entries.put(name, read.apply(name, entry)) != null) {
        entry.warning("name", "is given more than once, the last one counts");
      }
    }
    return entries;
  }

  private static DiskImage diskImage(String name, Section entry) {
    List<String> elements = entry.texts("elements");
    for (int i = 0; i < elements.size(); i++) {
      if (!ELEMENT.matcher(elements.get(i)).matches()) {
        entry.mistake(
            "elements[" + i + "]",
            "must be a letter or digit, then letters, digits or any of ._+-, is "
                + Section.shown(elements.get(i)));
      }
    }
    var image =
        new DiskImage(
            name,
            elements,
            entry.scalar("release", ""),
            envVars(entry),
            entry.text("qemu-img-options", null),
            entry.seconds("rebuild-age", Duration.ofDays(1)),
            entry.bool("pause", false),
            formats(entry));
    entry.warnOfRest();
    return image;
  }

  private static List<String> formats(Section entry) {
    List<String> formats = entry.texts("formats");
    for (int i = 0; i < formats.size(); i++) {
      if (!IMAGE_TYPES.contains(formats.get(i))) {
        entry.mistake(
            "formats[" + i + "]",
            "must be one of %s, is %s"
                .formatted(String.join(", ", IMAGE_TYPES), Section.shown(formats.get(i))));
      }
    }
    return formats;
  }

  private static Map<String, String> envVars(Section entry) {
    Section section = entry.section("env-vars");
    Map<String, String> envVars = new LinkedHashMap<>();
    for (Object key : section.values().keySet()) {
      if (key instanceof String variable && VARIABLE.matcher(variable).matches()) {
        envVars.put(variable, section.scalar(variable, null));
      } else {
        section.mistake(key, "must be a variable's name: letters, digits and underscores");
      }
    }
    return envVars;
  }

  private static ProviderConfig provider(
      String name, Section entry, List<DriverReader> drivers, Set<String> diskImages) {
    List<String> words = drivers.stream().map(DriverReader::driver).toList();
    String word = entry.choice("driver", DriverConfig.OpenStack.DRIVER, words);
    DriverReader driver = drivers.get(words.indexOf(word));
    var provider =
        new ProviderConfig(
            name,
            driver.read(entry),
            entry.choice("image-type", "qcow2", driver.imageTypes()),
            templateHostname(entry),
            byName(entry, "images", (image, of) -> providerImage(image, of, diskImages)));
    for (String image : provider.images().keySet()) {
      String hostname = provider.imageHostname(image, TEN_DIGITS);
      if (!Section.isName(hostname)) {
        entry.mistake(
            "template-hostname",
            "must give a name of at most 100 letters, digits, dots, underscores or hyphens for"
                + " the image %s, gives %s".formatted(image, Section.shown(hostname)));
      }
    }
    Map<String, List<String>> others = new LinkedHashMap<>();
    for (DriverReader other : drivers) {
      other.keys().stream()
          .filter(key -> !driver.keys().contains(key))
          .forEach(key -> others.computeIfAbsent(key, k -> new ArrayList<>()).add(other.driver()));
    }
    others.forEach(
        (key, of) -> {
          if (entry.has(key)) {
            entry.warning(key, "ignored, as the driver is not " + String.join(" or ", of));
          }
        });
    entry.warnOfRest(List.copyOf(others.keySet()));
    return provider;
  }

  private static String templateHostname(Section entry) {
    String template = entry.text("template-hostname", TEMPLATE_HOSTNAME);
    if (PoolConfig.isHostname(template)) {
      return template;
    }
    entry.mistake(
        "template-hostname",
        "may have no fields but {provider.name}, {image.name} and {timestamp}, is "
            + Section.shown(template));
    return TEMPLATE_HOSTNAME;
  }

  private static ProviderImage providerImage(String name, Section entry, Set<String> diskImages) {
    String diskImage = entry.text("diskimage", null);
    if (diskImage != null && !diskImages.contains(diskImage)) {
      entry.mistake("diskimage", "must be one of diskimages, is " + Section.shown(diskImage));
    }
    var image =
        new ProviderImage(
            name,
            diskImage,
            entry.text("setup", null),
            meta(entry),
            entry.text("base-image", null),
            entry.text("reset", null),
            entry.bool("pause", false),
            nodeSettings(entry));
    entry.warnOfRest();
    return image;
  }

  private static NodeSettings nodeSettings(Section entry) {
    return new NodeSettings(
        entry.integer("min-ram", 0, Integer.MAX_VALUE, "MiB"),
        entry.text("name-filter", null),
        entry.text("username", "jenkins"),
        entry.text("user-home", "/home/jenkins"),
        entry.path("private-key", null),
        entry.text("key-name", null),
        entry.bool("config-drive"));
  }

  /** Beyond the clouds' limits Nodepool goes on without any of it, and so does this. */
  private static Map<String, String> meta(Section entry) {
    Section section = entry.section("meta");
    Map<String, String> meta = new LinkedHashMap<>();
    section
        .values()
        .forEach(
            (key, value) -> {
              if (!(key instanceof String) || !(value instanceof String)) {
                section.mistake(key, "key and value must be text (put them in quotes)");
              } else {
                meta.put(key.toString(), value.toString());
              }
            });
    boolean isTooLong =
        meta.entrySet().stream()
            .anyMatch(
                each ->
                    each.getKey().length() > MAX_META_CHARS
                        || each.getValue().length() > MAX_META_CHARS);
    if (meta.size() > MAX_META || isTooLong) {
      entry.warning(
          "meta",
          "ignored, as it has more than %d entries, or one of more than %d characters"
              .formatted(MAX_META, MAX_META_CHARS));
      return Map.of();
    }
    return meta;
  }

  private static Label label(String name, Section entry, Map<String, ProviderConfig> known) {
    String image = entry.name("image");
    Set<String> providers = new LinkedHashSet<>();
    for (Section each : entry.sections("providers")) {
      String provider = each.name("name");
      if (each.hasName("name")) {
        checkProvider(provider, each, known, entry.hasName("image") ? image : null);
      }
      if (!providers.add(provider)) {
        each.warning("name", "is given more than once");
      }
      each.warnOfRest();
    }
    var label =
        new Label(
            name,
            image,
            entry.integer("min-ready", 2, Integer.MIN_VALUE, Integer.MAX_VALUE, "a whole number"),
            List.copyOf(providers),
            entry.integer("subnodes", 0, 0, Integer.MAX_VALUE, "a number"),
            entry.text("ready-script", null));
    entry.warnOfRest();
    return label;
  }

  /**
   * @param image the label's; null: not known
   */
  private static void checkProvider(
      String provider, Section entry, Map<String, ProviderConfig> known, String image) {
    if (!known.containsKey(provider)) {
      entry.mistake("name", "must be one of providers, is " + Section.shown(provider));
    } else if (image != null && !known.get(provider).images().containsKey(image)) {
      entry.mistake(
          "name",
          "must be a provider that has the image %s, is %s"
              .formatted(Section.shown(image), Section.shown(provider)));
    }
  }

  private static Target target(String name, Section entry) {
    var target =
        new Target(
            name,
            entry.isAbsent("jenkins") ? null : jenkins(entry.section("jenkins")),
            entry.seconds("rate", Duration.ofSeconds(1)),
            entry.text("hostname", HOSTNAME),
            entry.text("subnode-hostname", SUBNODE_HOSTNAME),
            entry.bool("assign-via-gearman", false));
    entry.warnOfRest();
    return target;
  }

  private static Jenkins jenkins(Section entry) {
    var jenkins =
        new Jenkins(
            entry.text("url", null),
            entry.text("user", null),
            secret(entry, "apikey"),
            entry.text("credentials-id", null),
            entry.text("test-job", null));
    entry.warnOfRest();
    return jenkins;
  }
}
