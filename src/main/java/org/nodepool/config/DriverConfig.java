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

  /** How long a server of it may take until it answers; zero where there are none. */
  Duration bootTimeout();

  /** Where it keeps files on this host; null: nowhere, as a cloud. */
  Path directory();

  /**
   * A directory of this machine, to which images are copied.
   *
   * @param region is told, and means nothing
   */
  record Directory(Path directory, String region) implements DriverConfig {
    static final String DRIVER = "directory";

    public Directory {
      requireNonNull(directory, "directory");
    }

    @Override
    public Duration bootTimeout() {
      return Duration.ZERO;
    }

    @Override
    public String driver() {
      return DRIVER;
    }
  }

  /**
   * QEMU machines of one host, and the images that they begin with. What is null is not set.
   *
   * @param directory has the images, and below {@code servers/} the machines
   * @param host whose machines they are; null: this one's
   * @param maxServers how many there may be on that host; 0 or less: none
   * @param bootTimeout until a machine answers
   * @param isOut whether they reach what is outside of this host; never the host's loopback
   * @param listen where they are reached; null: each has an address of its own on this machine
   * @param runAs the user whose processes they are; null: the service's own
   */
  record Qemu(
      Path directory,
      String region,
      String host,
      Integer maxServers,
      Duration bootTimeout,
      boolean isOut,
      Listen listen,
      String runAs)
      implements DriverConfig {
    static final String DRIVER = "qemu";

    public Qemu {
      requireNonNull(directory, "directory");
      requireNonNull(bootTimeout, "bootTimeout");
    }

    @Override
    public String driver() {
      return DRIVER;
    }
  }

  /**
   * Where other hosts reach machines, each at a port of its own.
   *
   * @param address of this host
   * @param firstPort the least of the ports, {@code lastPort} the greatest
   */
  record Listen(String address, int firstPort, int lastPort) {
    public Listen {
      requireNonNull(address, "address");
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

    @Override
    public Duration bootTimeout() {
      return servers.bootTimeout();
    }

    @Override
    public Path directory() {
      return null;
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
