package org.nodepool.config;

import java.time.Duration;
import java.util.List;
import org.nodepool.config.DriverConfig.Network;
import org.nodepool.config.DriverConfig.OpenStack;
import org.nodepool.config.DriverConfig.Servers;

/** Reads a provider that is an OpenStack cloud, with its entry in clouds.yaml if it has one. */
final class OpenStackReader implements DriverReader {
  private static final List<String> KEYS =
      List.of(
          "api-timeout",
          "auth-url",
          "availability-zones",
          "boot-timeout",
          "clean-floating-ips",
          "cloud",
          "ipv6-preferred",
          "keypair",
          "launch-timeout",
          "max-servers",
          "networks",
          "nodepool-id",
          "password",
          "pool",
          "project-id",
          "project-name",
          "rate",
          "service-name",
          "service-type",
          "username");

  private final Clouds clouds;

  OpenStackReader(Clouds clouds) {
    this.clouds = clouds;
  }

  @Override
  public String driver() {
    return OpenStack.DRIVER;
  }

  @Override
  public List<String> keys() {
    return KEYS;
  }

  /** Those that are of use to a hypervisor and can be inspected. */
  @Override
  public List<String> imageTypes() {
    return List.of("qcow2", "raw", "vhd", "vmdk");
  }

  @Override
  public DriverConfig read(Section entry) {
    return new OpenStack(
        entry.text("cloud", null),
        entry.isAbsent("cloud") ? access(entry) : clouds.access(entry),
        entry.text("service-type", null),
        entry.text("service-name", null),
        entry.seconds("rate", Duration.ofSeconds(1)),
        entry.positiveSeconds("api-timeout", Duration.ofSeconds(60)),
        servers(entry));
  }

  private static CloudAccess access(Section entry) {
    for (String key : List.of("username", "password", "auth-url")) {
      if (entry.isAbsent(key)) {
        entry.mistake(key, "is required of a provider without cloud");
      }
    }
    if (entry.isAbsent("project-id") && entry.isAbsent("project-name")) {
      entry.mistake("project-id", "or project-name is required of a provider without cloud");
    }
    Secret password = PoolReader.secret(entry, "password");
    String projectId = entry.isAbsent("project-id") ? null : entry.text("project-id", null);
    return new CloudAccess(
        textOrEmpty(entry, "auth-url"),
        new CloudAccess.Password(
            CloudAccess.Named.inDefaultDomain(textOrEmpty(entry, "username")),
            password == null ? new Secret("") : password,
            projectId == null
                ? CloudAccess.Named.inDefaultDomain(textOrEmpty(entry, "project-name"))
                : CloudAccess.Named.byId(projectId)),
        entry.text("region-name", null),
        "public",
        null,
        null,
        true);
  }

  /** That it is missing is said already. */
  private static String textOrEmpty(Section entry, String key) {
    return entry.isAbsent(key) ? "" : entry.text(key, "");
  }

  private static Servers servers(Section entry) {
    return new Servers(
        entry.integer("max-servers", -1, Integer.MAX_VALUE, "a number"),
        entry.positiveSeconds("boot-timeout", Duration.ofSeconds(60)),
        entry.positiveSeconds("launch-timeout", Duration.ofSeconds(3600)),
        entry.text("pool", null),
        entry.text("keypair", null),
        entry.sections("networks").stream().map(OpenStackReader::network).toList(),
        entry.texts("availability-zones"),
        entry.bool("ipv6-preferred", false),
        entry.bool("clean-floating-ips"),
        entry.text("nodepool-id", null));
  }

  private static Network network(Section entry) {
    if (entry.isAbsent("net-id") && entry.isAbsent("net-label") && entry.isAbsent("name")) {
      entry.mistake("net-id", "or net-label or name is required");
    }
    var network =
        new Network(
            entry.text("net-id", null),
            entry.text("net-label", null),
            entry.text("name", null),
            entry.bool("public", false));
    entry.warnOfRest();
    return network;
  }
}
