package org.nodepool.config;

import static java.util.Objects.requireNonNull;
import static java.util.stream.Collectors.joining;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The images and the places that they go to: {@code nodepool.yaml}, in the field's own form. Every
 * key that Nodepool reads is here, with its default, also those on which this service does not act.
 * Maps are by name, in the order of the file, and cannot be changed. Local paths are absolute.
 *
 * @param imagesDir where image files go; null when not set
 * @param elementsPath directories of diskimage-builder elements, joined by colons; null when not
 *     set
 * @param scriptDir null when not set
 * @param dburi where the database is, unread, for {@link DbUri#parse}; null when not set
 * @param zmqPublishers addresses of the Jenkins' event streams
 * @param warnings what was ignored, each as {@code <file name>: <dotted key>: <what>}
 */
public record PoolConfig(
    Path imagesDir,
    String elementsPath,
    Path scriptDir,
    Secret dburi,
    Cron cron,
    List<String> zmqPublishers,
    List<GearmanServer> gearmanServers,
    List<ZooKeeperServer> zooKeeperServers,
    Map<String, DiskImage> diskImages,
    Map<String, ProviderConfig> providers,
    Map<String, Label> labels,
    Map<String, Target> targets,
    List<String> warnings) {

  private static final Pattern HOSTNAME_PART =
      Pattern.compile("\\{\\{|}}|\\{(provider\\.name|image\\.name|timestamp)}|[{}]");

  public PoolConfig {
    requireNonNull(cron, "cron");
    zmqPublishers = List.copyOf(zmqPublishers);
    gearmanServers = List.copyOf(gearmanServers);
    zooKeeperServers = List.copyOf(zooKeeperServers);
    diskImages = inOrder(diskImages);
    providers = inOrder(providers);
    labels = inOrder(labels);
    targets = inOrder(targets);
    warnings = List.copyOf(warnings);
  }

  /** When Nodepool does its rounds, in cron's five fields, as given. */
  public record Cron(String imageUpdate, String cleanup, String check) {
    public Cron {
      requireNonNull(imageUpdate, "imageUpdate");
      requireNonNull(cleanup, "cleanup");
      requireNonNull(check, "check");
    }
  }

  /**
   * @param port 4730 by default
   */
  public record GearmanServer(String host, int port) {
    public GearmanServer {
      requireNonNull(host, "host");
    }
  }

  /**
   * @param port 2181 by default
   * @param chroot null when not set
   */
  public record ZooKeeperServer(String host, int port, String chroot) {
    public ZooKeeperServer {
      requireNonNull(host, "host");
    }
  }

  /**
   * An image that diskimage-builder makes.
   *
   * @param elements its arguments, in this order
   * @param release empty when none is given
   * @param envVars for its environment; values may be secret
   * @param qemuImgOptions null when not set
   * @param rebuildAge how old a ready image becomes before Nodepool builds a new one
   * @param paused whether Nodepool builds none on its own account
   * @param formats that are made in any case, diskimage-builder's words
   */
  public record DiskImage(
      String name,
      List<String> elements,
      String release,
      Map<String, String> envVars,
      String qemuImgOptions,
      Duration rebuildAge,
      boolean paused,
      List<String> formats) {
    public DiskImage {
      requireNonNull(name, "name");
      elements = List.copyOf(elements);
      requireNonNull(release, "release");
      envVars = inOrder(envVars);
      requireNonNull(rebuildAge, "rebuildAge");
      formats = List.copyOf(formats);
    }

    /** Without the values of envVars. */
    @Override
    public String toString() {
      return ("DiskImage[name=%s, elements=%s, release=%s, envVars=%s, qemuImgOptions=%s,"
              + " rebuildAge=%s, paused=%s, formats=%s]")
          .formatted(
              name,
              elements,
              release,
              envVars.keySet(),
              qemuImgOptions,
              rebuildAge,
              paused,
              formats);
    }
  }

  /**
   * Where images are uploaded to.
   *
   * @param driver what it is, and how it is used
   * @param imageType the format of the files it takes, diskimage-builder's word; qcow2 by default
   * @param templateHostname see {@link #imageHostname}; {@code template-{image.name}-{timestamp}}
   *     by default, as of Nodepool 0.2.0
   */
  public record ProviderConfig(
      String name,
      DriverConfig driver,
      String imageType,
      String templateHostname,
      Map<String, ProviderImage> images) {
    public ProviderConfig {
      requireNonNull(name, "name");
      requireNonNull(driver, "driver");
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
      return hostname(templateHostname, name, imageName, Long.toString(timestamp));
    }

    /**
     * The names that {@link #imageHostname} may have made of the images that are configured. Of
     * null it says that it is none.
     */
    public Predicate<String> imageHostnames() {
      Predicate<String> made =
          Pattern.compile(images.keySet().stream().map(this::imageHostnames).collect(joining("|")))
              .asMatchPredicate();
      return name -> name != null && !images.isEmpty() && made.test(name);
    }

    private String imageHostnames(String imageName) {
      String anyTime = "\0"; // in no name
      String hostnames = hostname(templateHostname, name, imageName, anyTime);
      return Stream.of(hostnames.split(anyTime, -1)).map(Pattern::quote).collect(joining("[0-9]+"));
    }
  }

  /**
   * An image as one provider has it.
   *
   * @param diskImage the {@link DiskImage} it is uploaded from; null when not set
   * @param setup the script that makes a snapshot image; null when not set
   * @param meta properties at the provider: at most 5, keys and values of at most 255 characters
   * @param baseImage the image, by name or id, that a snapshot begins with; null when not set
   * @param reset null when not set; Nodepool never used it
   * @param paused whether Nodepool uploads none on its own account
   */
  public record ProviderImage(
      String name,
      String diskImage,
      String setup,
      Map<String, String> meta,
      String baseImage,
      String reset,
      boolean paused,
      NodeSettings nodes) {
    public ProviderImage {
      requireNonNull(name, "name");
      meta = inOrder(meta);
      requireNonNull(nodes, "nodes");
    }
  }

  /**
   * How nodes are started from an image and logged in to. What is null is not set.
   *
   * @param minRam MiB
   * @param nameFilter what the name of the flavour has in it
   * @param username {@code jenkins} by default
   * @param userHome on the node
   * @param privateKey a local file; null: the provider's own key, where it has one
   * @param keyName of a key pair at the provider
   */
  public record NodeSettings(
      Integer minRam,
      String nameFilter,
      String username,
      String userHome,
      Path privateKey,
      String keyName,
      Boolean configDrive) {
    public NodeSettings {
      requireNonNull(username, "username");
      requireNonNull(userHome, "userHome");
    }
  }

  /**
   * What a scheduler asks for.
   *
   * @param image each of the providers has one of this name
   * @param minReady 2 by default; negative: disabled
   * @param providers names, in the order of the file
   * @param subnodes that each node has beside it
   * @param readyScript null when not set
   */
  public record Label(
      String name,
      String image,
      int minReady,
      List<String> providers,
      int subnodes,
      String readyScript) {
    public Label {
      requireNonNull(name, "name");
      requireNonNull(image, "image");
      providers = List.copyOf(providers);
    }
  }

  /**
   * Where nodes are handed to.
   *
   * @param jenkins null when not set
   * @param rate the pause between two calls, zero or more
   * @param hostname Nodepool's template of a node's name, as given
   * @param subnodeHostname that of a subnode's
   */
  public record Target(
      String name,
      Jenkins jenkins,
      Duration rate,
      String hostname,
      String subnodeHostname,
      boolean assignViaGearman) {
    public Target {
      requireNonNull(name, "name");
      requireNonNull(rate, "rate");
      requireNonNull(hostname, "hostname");
      requireNonNull(subnodeHostname, "subnodeHostname");
    }
  }

  /** Each is null when not set; a {@code secure.conf} may have them instead. */
  public record Jenkins(
      String url, String user, Secret apikey, String credentialsId, String testJob) {}

  /**
   * Reads the file. Keys that Nodepool does not know are warnings.
   *
   * @param clouds where the clouds are that its providers name
   * @throws ConfigException with everything that is wrong
   */
  public static PoolConfig read(Path file, CloudsFile clouds) throws ConfigException {
    Findings findings = new Findings();
    PoolConfig pool = PoolReader.read(file, TextFile.read(file), new Clouds(clouds), findings);
    findings.finish();
    return pool;
  }

  /** Python's {@code str.format}, of which a template may use these three fields only. */
  private static String hostname(String template, String provider, String image, String timestamp) {
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
                      case "{timestamp}" -> timestamp;
                      default -> throw new IllegalArgumentException(template);
                    }));
  }

  /** Whether a template has those fields alone. */
  static boolean isHostname(String template) {
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
