package org.nodepool.config;

import static java.util.Objects.requireNonNull;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** What a provider is, and how. One record a driver, read by one {@link DriverReader}. */
public sealed interface DriverConfig {
  /** The file's word for the driver. */
  String driver();

  /** The region in use, wherever it is set; null: whichever there is. */
  String region();

  /**
   * A directory of this machine, to which images are copied.
   *
   * @param region is told, and means nothing
   */
  record Directory(Path path, String region) implements DriverConfig {
    static final String DRIVER = "directory";

    public Directory {
      requireNonNull(path, "path");
    }

    @Override
    public String driver() {
      return DRIVER;
    }
  }

  /**
   * An OpenStack cloud, and how it is used. What is null is not set.
   *
   * @param cloud its entry in clouds.yaml; null: all credentials are in nodepool.yaml
   * @param access wherever it comes from; never null
   * @param rate the pause between the beginnings of two calls, zero or more
   * @param apiTimeout how long a call may take; 60 s by default
   */
  record OpenStack(
      String cloud,
      CloudAccess access,
      String serviceType,
      String serviceName,
      Duration rate,
      Duration apiTimeout,
      Servers servers)
      implements DriverConfig {
    static final String DRIVER = "openstack";

    public OpenStack {
      requireNonNull(access, "access");
      requireNonNull(rate, "rate");
      requireNonNull(apiTimeout, "apiTimeout");
      requireNonNull(servers, "servers");
    }

    @Override
    public String driver() {
      return DRIVER;
    }

    @Override
    public String region() {
      return access.region();
    }
  }

  /**
   * How a cloud's servers are started. What is null is not set.
   *
   * @param max how many there may be; -1: none, Nodepool's way to drain a provider
   * @param bootTimeout until a server answers
   * @param launchTimeout until it is a node
   * @param floatingIpPool {@code pool}
   */
  record Servers(
      Integer max,
      Duration bootTimeout,
      Duration launchTimeout,
      String floatingIpPool,
      String keypair,
      List<Network> networks,
      List<String> availabilityZones,
      boolean ipv6Preferred,
      Boolean cleanFloatingIps,
      String nodepoolId) {
    public Servers {
      requireNonNull(bootTimeout, "bootTimeout");
      requireNonNull(launchTimeout, "launchTimeout");
      networks = List.copyOf(networks);
      availabilityZones = List.copyOf(availabilityZones);
    }
  }

  /**
   * A network by its id, its label or its name; one of them is not null.
   *
   * @param id {@code net-id}
   * @param label {@code net-label}
   */
  record Network(String id, String label, String name, boolean isPublic) {}
}
