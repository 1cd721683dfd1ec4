package org.nodepool.config;

import static java.util.Objects.requireNonNull;

import java.nio.file.Path;

/**
 * How a cloud is reached and logged in to, whether that stands in nodepool.yaml or in clouds.yaml.
 *
 * @param authUrl where Identity is, as given: with or without a version
 * @param region null: whichever the catalog has
 * @param endpointInterface which endpoint of the catalog: {@code public}, {@code internal} or
 *     {@code admin}
 * @param imageEndpoint where Image is, in place of what the catalog says; null: the catalog decides
 * @param caCert PEM certificates to be trusted in place of the system's; null: the system's
 * @param verify whether the server's certificate is checked
 */
public record CloudAccess(
    String authUrl,
    Credentials credentials,
    String region,
    String endpointInterface,
    String imageEndpoint,
    Path caCert,
    boolean verify) {
  public CloudAccess {
    requireNonNull(authUrl, "authUrl");
    requireNonNull(credentials, "credentials");
    requireNonNull(endpointInterface, "endpointInterface");
  }

  /** Names who logs in, and proves it. */
  public sealed interface Credentials {}

  /**
   * A user with a password, for a project.
   *
   * @param user by name or id
   * @param project by name or id
   */
  public record Password(Named user, Secret password, Named project) implements Credentials {
    public Password {
      requireNonNull(user, "user");
      requireNonNull(password, "password");
      requireNonNull(project, "project");
    }
  }

  /**
   * A credential that was made for one purpose; its project is in it.
   *
   * @param id null when it is known by its name and user
   * @param name null when it is known by its id
   * @param user whose it is; null when it is known by its id
   */
  public record ApplicationCredential(String id, String name, Named user, Secret secret)
      implements Credentials {
    public ApplicationCredential {
      requireNonNull(secret, "secret");
      if ((id == null) == (name == null || user == null)) {
        throw new IllegalArgumentException("either an id, or a name and a user");
      }
    }
  }

  /**
   * A user or a project.
   *
   * @param id null when it is known by its name
   * @param name null when it is known by its id
   * @param domainId of a name; null when the domain is known by its name
   * @param domainName of a name; null when the domain is known by its id
   */
  public record Named(String id, String name, String domainId, String domainName) {
    public Named {
      if ((id == null) == (name == null)) {
        throw new IllegalArgumentException("either an id or a name");
      }
      if (name != null && (domainId == null) == (domainName == null)) {
        throw new IllegalArgumentException("a name has a domain, by id or by name");
      }
    }

    static Named byId(String id) {
      return new Named(id, null, null, null);
    }

    /** In the domain that every Identity begins with. */
    static Named inDefaultDomain(String name) {
      return new Named(null, name, null, "Default");
    }
  }
}
