package org.nodepool.config;

import static java.util.Objects.requireNonNull;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What is built and where it goes: {@code nodepool.yaml}, in the field's own form. Maps are by
 * name, in the order of the file, and cannot be changed. All paths are absolute. Nothing that is
 * secret in a provider's entry is kept.
 *
 * @param imagesDir where image files go; null when not set
 * @param elementsPath directories of diskimage-builder elements, joined by colons; null when not
 *     set
 * @param scriptDir null when not set
 * @param dburi where the database is, unread, for {@link DbUri#parse}; null when not set
 * @param warnings what was ignored, each as {@code <file name>: <dotted key>: <what>}
 */
public record PoolConfig(
    Path imagesDir,
    String elementsPath,
    Path scriptDir,
    Secret dburi,
    Map<String, DiskImage> diskImages,
    Map<String, ProviderConfig> providers,
    Map<String, Label> labels,
    List<String> warnings) {

  private static final String DEFAULT_HOSTNAME = "template-{image.name}-{timestamp}";
  private static final Pattern HOSTNAME_PART =
      Pattern.compile("\\{\\{|}}|\\{(provider\\.name|image\\.name|timestamp)}|[{}]");
  private static final long TEN_DIGITS = 1_000_000_000L;

  private static final Pattern ELEMENT = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._+-]*");
  private static final Pattern VARIABLE = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");
  private static final List<String> DRIVERS = List.of("openstack", "directory");
  private static final List<String> IMAGE_TYPES =
      List.of("qcow2", "raw", "tar", "tgz", "vhd", "vmdk", "vpc", "squashfs");

  /** The clouds' own limits for an image's properties. */
  private static final int MAX_META = 5;

  private static final int MAX_META_CHARS = 255;

  public PoolConfig {
    diskImages = inOrder(diskImages);
    providers = inOrder(providers);
    labels = inOrder(labels);
    warnings = List.copyOf(warnings);
  }

  /**
   * An image that diskimage-builder makes.
   *
   * @param elements its arguments, in this order
   * @param release empty when none is given
   * @param envVars for its environment; values may be secret
   */
  public record DiskImage(
      String name, List<String> elements, String release, Map<String, String> envVars) {
    public DiskImage {
      requireNonNull(name, "name");
      elements = List.copyOf(elements);
      requireNonNull(release, "release");
      envVars = inOrder(envVars);
    }

    /** Without the values of envVars. */
    @Override
    public String toString() {
      return "DiskImage[name=%s, elements=%s, release=%s, envVars=%s]"
          .formatted(name, elements, release, envVars.keySet());
    }
  }

  /** What a provider is. */
  public enum Driver {
    /** An OpenStack cloud. */
    OPENSTACK,
    /** A directory of this machine, to which images are copied. */
    DIRECTORY
  }

  /**
   * Where images are uploaded to.
   *
   * @param region null when not set
   * @param directory of a {@link Driver#DIRECTORY}; null for any other
   * @param imageType the format of the files it takes, diskimage-builder's word; qcow2 by default
   * @param templateHostname see {@link #imageHostname}; {@code template-{image.name}-{timestamp}}
   *     by default, as of Nodepool 0.2.0
   */
  public record ProviderConfig(
      String name,
      Driver driver,
      String region,
      Path directory,
      String imageType,
      String templateHostname,
      Map<String, ProviderImage> images) {
    public ProviderConfig {
      requireNonNull(name, "name");
      requireNonNull(driver, "driver");
      if ((driver == Driver.DIRECTORY) != (directory != null)) {
        throw new IllegalArgumentException("a directory is what a directory provider has");
      }
      requireNonNull(imageType, "imageType");
      if (!isHostname(templateHostname)) {
        throw new IllegalArgumentException("templateHostname");
      }
      images = inOrder(images);
    }

    /**
     * The name of a new image at this provider.
     *
     * @param timestamp Unix seconds
     */
    public String imageHostname(String imageName, long timestamp) {
      return hostname(templateHostname, name, imageName, timestamp);
    }
  }

  /**
   * An image as one provider has it.
   *
   * @param diskImage the {@link DiskImage} it is uploaded from; null when not set
   * @param setup the script that makes a snapshot image; null when not set
   * @param meta properties at the provider: at most 5, keys and values of at most 255 characters
   */
  public record ProviderImage(
      String name, String diskImage, String setup, Map<String, String> meta) {
    public ProviderImage {
      requireNonNull(name, "name");
      meta = inOrder(meta);
    }
  }

  /**
   * What a scheduler asks for.
   *
   * @param image a provider's image; nothing checks that one has it
   * @param minReady 2 by default; negative: disabled
   * @param providers names, in the order of the file
   */
  public record Label(String name, String image, int minReady, List<String> providers) {
    public Label {
      requireNonNull(name, "name");
      requireNonNull(image, "image");
      providers = List.copyOf(providers);
    }
  }

  /**
   * Reads the file; an empty one is an empty pool. Keys of Nodepool that this version does not act
   * on are passed over, all others are warnings.
   *
   * @throws ConfigException with everything that is wrong
   */
  public static PoolConfig read(Path file) throws ConfigException {
    Findings findings = new Findings();
    PoolConfig pool = read(file, findings);
    findings.finish();
    return pool;
  }

  /** What is wrong are findings; only a file that cannot be read at all is an exception. */
  static PoolConfig read(Path file, Findings all) throws ConfigException {
    Findings findings = new Findings();
    YamlFile yaml = YamlFile.read(file, findings);
    PoolConfig pool = of(yaml, findings);
    all.add(findings);
    return pool;
  }

  private static PoolConfig of(YamlFile yaml, Findings findings) {
    yaml.repeatedKeys()
        .forEach(place -> yaml.warning(place, "is given more than once, the last one counts"));
    Section root = yaml.root();
    Path imagesDir = root.path("images-dir", null);
    String elementsPath = root.paths("elements-dir");
    Path scriptDir = root.path("script-dir", null);
    var diskImages = byName(root, "diskimages", PoolConfig::diskImage);
    var providers =
        byName(root, "providers", (name, entry) -> provider(name, entry, diskImages.keySet()));
    var labels = byName(root, "labels", (name, entry) -> label(name, entry, providers.keySet()));
    passOver(root);
    return new PoolConfig(
        imagesDir,
        elementsPath,
        scriptDir,
        secret(root, "dburi"),
        diskImages,
        providers,
        labels,
        findings.warnings());
  }

  /** Null when absent. */
  private static Secret secret(Section section, String key) {
    String text = section.isAbsent(key) ? null : section.secret(key);
    return text == null ? null : new Secret(text);
  }

  private static <T> Map<String, T> byName(
      Section parent, String key, BiFunction<String, Section, T> read) {
    Map<String, T> entries = new LinkedHashMap<>();
    for (Section entry : parent.sections(key)) {
      String name = entry.name("name");
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
    var image = new DiskImage(name, elements, entry.scalar("release", ""), envVars(entry));
    entry.warnOfRest("qemu-img-options", "rebuild-age", "pause", "formats");
    return image;
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

  private static ProviderConfig provider(String name, Section entry, Set<String> diskImages) {
    var driver =
        Driver.valueOf(entry.choice("driver", "openstack", DRIVERS).toUpperCase(Locale.ROOT));
    var provider =
        new ProviderConfig(
            name,
            driver,
            entry.text("region-name", null),
            directory(entry, driver),
            entry.choice("image-type", "qcow2", IMAGE_TYPES),
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
    warnOfRestInProvider(entry);
    return provider;
  }

  private static Path directory(Section entry, Driver driver) {
    if (driver == Driver.DIRECTORY) {
      if (!entry.has("directory")) {
        entry.mistake("directory", "is required of a provider whose driver is directory");
      }
      return entry.path("directory", ".");
    }
    if (entry.has("directory")) {
      entry.warning("directory", "ignored, as the driver is not directory");
    }
    return null;
  }

  private static String templateHostname(Section entry) {
    String template = entry.text("template-hostname", DEFAULT_HOSTNAME);
    if (isHostname(template)) {
      return template;
    }
    entry.mistake(
        "template-hostname",
        "may have no fields but {provider.name}, {image.name} and {timestamp}, is "
            + Section.shown(template));
    return DEFAULT_HOSTNAME;
  }

  private static ProviderImage providerImage(String name, Section entry, Set<String> diskImages) {
    String diskImage = entry.text("diskimage", null);
    if (diskImage != null && !diskImages.contains(diskImage)) {
      entry.mistake("diskimage", "must be one of diskimages, is " + Section.shown(diskImage));
    }
    var image = new ProviderImage(name, diskImage, entry.text("setup", null), meta(entry));
    entry.warnOfRest(
        "base-image",
        "config-drive",
        "key-name",
        "min-ram",
        "name-filter",
        "pause",
        "private-key",
        "reset",
        "user-home",
        "username");
    return image;
  }

  private static Map<String, String> meta(Section entry) {
    Section section = entry.section("meta");
    if (section.values().size() > MAX_META) {
      entry.mistake(
          "meta",
          "must have at most %d entries, has %d".formatted(MAX_META, section.values().size()));
    }
    Map<String, String> meta = new LinkedHashMap<>();
    section
        .values()
        .forEach(
            (key, value) -> {
              if (!(key instanceof String) || !(value instanceof String)) {
                section.mistake(key, "key and value must be text (put them in quotes)");
              } else if (key.toString().length() > MAX_META_CHARS
                  || value.toString().length() > MAX_META_CHARS) {
                section.mistake(
                    key, "key and value must be at most " + MAX_META_CHARS + " characters");
              } else {
                meta.put(key.toString(), value.toString());
              }
            });
    return meta;
  }

  private static Label label(String name, Section entry, Set<String> known) {
    Set<String> providers = new LinkedHashSet<>();
    for (Section each : entry.sections("providers")) {
      String provider = each.name("name");
      if (each.isNamed() && !known.contains(provider)) {
        each.mistake("name", "must be one of providers, is " + Section.shown(provider));
      }
      if (!providers.add(provider)) {
        each.warning("name", "is given more than once");
      }
      each.warnOfRest();
    }
    int minReady =
        entry.integer("min-ready", 2, Integer.MIN_VALUE, Integer.MAX_VALUE, "a whole number");
    var label = new Label(name, entry.name("image"), minReady, List.copyOf(providers));
    entry.warnOfRest("ready-script", "subnodes");
    return label;
  }

  private static void warnOfRestInProvider(Section entry) {
    entry
        .glance("networks")
        .forEach(network -> network.warnOfRest("name", "net-id", "net-label", "public"));
    entry.warnOfRest(
        "api-timeout",
        "auth-url",
        "availability-zones",
        "boot-timeout",
        "clean-floating-ips",
        "cloud",
        "directory",
        "ipv6-preferred",
        "keypair",
        "launch-timeout",
        "max-servers",
        "nodepool-id",
        "password",
        "pool",
        "project-id",
        "project-name",
        "rate",
        "service-name",
        "service-type",
        "username");
  }

  /** The rest of Nodepool's keys; what is secret in them is not looked at. */
  private static void passOver(Section root) {
    root.glance("cron").forEach(cron -> cron.warnOfRest("check", "cleanup", "image-update"));
    root.glance("gearman-servers").forEach(server -> server.warnOfRest("host", "port"));
    root.glance("zookeeper-servers").forEach(server -> server.warnOfRest("chroot", "host", "port"));
    for (Section target : root.glance("targets")) {
      target
          .glance("jenkins")
          .forEach(
              jenkins -> jenkins.warnOfRest("apikey", "credentials-id", "test-job", "url", "user"));
      target.warnOfRest("assign-via-gearman", "hostname", "name", "rate", "subnode-hostname");
    }
    root.warnOfRest("dburi", "zmq-publishers");
  }

  /** Python's {@code str.format}, of which a template may use these three fields only. */
  private static String hostname(String template, String provider, String image, long timestamp) {
    return HOSTNAME_PART
        .matcher(template)
        .replaceAll(
            part ->
                Matcher.quoteReplacement(
                    switch (part.group()) {
                      case "{{" -> "{";
                      case "}}" -> "}";
                      case "{provider.name}" -> provider;
                      case "{image.name}" -> image;
                      case "{timestamp}" -> Long.toString(timestamp);
                      default -> throw new IllegalArgumentException(template);
                    }));
  }

  private static boolean isHostname(String template) {
    return HOSTNAME_PART
        .matcher(template)
        .results()
        .map(MatchResult::group)
        .noneMatch(part -> part.equals("{") || part.equals("}"));
  }

  private static <T> Map<String, T> inOrder(Map<String, T> map) {
    return Collections.unmodifiableMap(new LinkedHashMap<>(map));
  }
}
