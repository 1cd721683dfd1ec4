package org.nodepool.config;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.nodepool.config.CloudAccess.ApplicationCredential;
import org.nodepool.config.CloudAccess.Credentials;
import org.nodepool.config.CloudAccess.Named;
import org.nodepool.config.CloudAccess.Password;

/**
 * {@code clouds.yaml}, as openstacksdk's configuration guide has it. Only the clouds that providers
 * name are read; the file is opened when the first is asked for. Messages name neither its
 * directory nor anything secret.
 */
final class Clouds {
  /** In place of a missing value; a configuration with it is not used. */
  private static final String NONE = "";

  private static final Credentials NOBODY =
      new Password(Named.byId(NONE), new Secret(NONE), Named.byId(NONE));

  private static final String PUBLIC = "public";
  private static final List<String> PASSWORD_TYPES = List.of("password", "v3password");
  private static final List<String> INTERFACES =
      List.of(PUBLIC, "internal", "admin", "publicURL", "internalURL", "adminURL");

  private final CloudsFile where;
  private final Findings findings = new Findings();
  private boolean isAsked;
  private Path file;
  private Section clouds;

  Clouds(CloudsFile where) {
    this.where = where;
  }

  /** What is wrong with the file so far. */
  Findings findings() {
    return findings;
  }

  /** Whether a cloud has been asked for, so that what the file says counts. */
  boolean isAsked() {
    return isAsked;
  }

  /**
   * How a provider reaches its cloud: the provider's own keys come before those of clouds.yaml.
   *
   * @param provider has {@code cloud}, its entry there
   */
  CloudAccess access(Section provider) {
    String name = provider.text("cloud", NONE);
    if (!isAsked) {
      isAsked = true;
      open();
    }
    if (file == null) {
      provider.mistake(
          "cloud",
          "%s is in no clouds.yaml: there is none at clouds_file of api.yaml or, without that, where"
                  .formatted(Section.shown(name))
              + " OpenStack clients look (OS_CLIENT_CONFIG_FILE, the working directory,"
              + " ~/.config/openstack, /etc/openstack)");
      return nowhere(provider);
    }
    if (clouds == null) {
      return nowhere(provider); // that the file is broken is said already
    }
    if (!clouds.has(name)) {
      provider.mistake(
          "cloud", "%s is not in %s".formatted(Section.shown(name), file.getFileName()));
      return nowhere(provider);
    }
    return access(provider, name, clouds.section(name));
  }

  private void open() {
    file = where.path().orElse(null);
    if (file == null) {
      return;
    }
    try {
      clouds = YamlFile.of(file, TextFile.load(file), findings).root().section("clouds");
    } catch (ConfigException e) {
      findings.add(e);
    } catch (IOException e) {
      findings.add(TextFile.refused(file, TextFile.reason(e)));
    }
  }

  private static CloudAccess nowhere(Section provider) {
    return new CloudAccess(
        NONE, NOBODY, provider.text("region-name", null), PUBLIC, null, null, true);
  }

  private CloudAccess access(Section provider, String name, Section cloud) {
    if (!cloud.isAbsent("profile")) {
      cloud.mistake(
          "profile",
          "vendors' profiles are not supported, is %s: take it away and give auth.auth_url and"
                  .formatted(cloud.text("profile", NONE))
              + " region_name");
      return nowhere(provider);
    }
    for (String key : List.of("cert", "key")) {
      if (!cloud.isAbsent(key)) {
        cloud.mistake(key, "client certificates are not supported");
      }
    }
    Section auth = cloud.section("auth");
    String url = own(provider, "auth-url");
    return new CloudAccess(
        url != null ? url : auth.required("auth_url"),
        credentials(provider, cloud, auth),
        region(provider, cloud),
        cloud.choice("interface", PUBLIC, INTERFACES).replaceFirst("URL$", ""),
        cloud.text("image_endpoint_override", null),
        cloud.path("cacert", null),
        cloud.bool("verify", true));
  }

  private static Credentials credentials(Section provider, Section cloud, Section auth) {
    String type = cloud.text("auth_type", "password");
    if (type.equals("v3applicationcredential")) {
      return applicationCredential(auth);
    }
    if (!PASSWORD_TYPES.contains(type)) {
      cloud.mistake(
          "auth_type",
          "must be password, v3password or v3applicationcredential, is " + Section.shown(type));
      return NOBODY;
    }
    String username = own(provider, "username");
    Secret ownPassword = PoolReader.secret(provider, "password");
    return new Password(
        username != null ? Named.inDefaultDomain(username) : user(auth),
        ownPassword != null ? ownPassword : secret(auth, "password"),
        project(provider, auth));
  }

  private static Credentials applicationCredential(Section auth) {
    Secret secret = secret(auth, "application_credential_secret");
    String id = auth.text("application_credential_id", null);
    if (id != null) {
      return new ApplicationCredential(id, null, null, secret);
    }
    if (auth.isAbsent("application_credential_name")) {
      auth.mistake("application_credential_id", "or application_credential_name is required");
      return NOBODY;
    }
    return new ApplicationCredential(
        null, auth.text("application_credential_name", NONE), user(auth), secret);
  }

  private static Named user(Section auth) {
    String id = auth.text("user_id", null);
    return id != null ? Named.byId(id) : named(auth.required("username"), "user", auth);
  }

  private static Named project(Section provider, Section auth) {
    String ownId = own(provider, "project-id");
    String ownName = own(provider, "project-name");
    if (ownId != null) {
      return Named.byId(ownId);
    }
    if (ownName != null) {
      return named(ownName, "project", auth);
    }
    for (String key : List.of("project_id", "tenant_id")) {
      if (!auth.isAbsent(key)) {
        return Named.byId(auth.text(key, NONE));
      }
    }
    String key = auth.isAbsent("tenant_name") ? "project_name" : "tenant_name";
    if (auth.isAbsent(key)) {
      auth.mistake("project_name", "or project_id is required");
    }
    return named(auth.isAbsent(key) ? NONE : auth.text(key, NONE), "project", auth);
  }

  /** In its own domain, else in the one for both, else in the one that every cloud begins with. */
  private static Named named(String name, String of, Section auth) {
    for (String prefix : List.of(of + "_", "")) {
      String id = auth.text(prefix + "domain_id", null);
      if (id != null) {
        return new Named(null, name, id, null);
      }
      String domain = auth.text(prefix + "domain_name", null);
      if (domain != null) {
        return new Named(null, name, null, domain);
      }
    }
    return Named.inDefaultDomain(name);
  }

  /** The first of several, as openstacksdk has it when none is asked for. */
  private static String region(Section provider, Section cloud) {
    String own = own(provider, "region-name");
    if (own != null) {
      return own;
    }
    if (!cloud.isAbsent("region_name") || !(cloud.values().get("regions") instanceof List<?> all)) {
      return cloud.text("region_name", null);
    }
    if (!all.isEmpty() && all.get(0) instanceof Map<?, ?>) {
      return cloud.sections("regions").get(0).text("name", null);
    }
    return cloud.texts("regions").stream().findFirst().orElse(null);
  }

  /** Null when the provider leaves it to clouds.yaml. */
  private static String own(Section provider, String key) {
    return provider.isAbsent(key) ? null : provider.text(key, null);
  }

  private static Secret secret(Section section, String key) {
    if (section.isAbsent(key)) {
      section.mistake(key, "is required");
      return new Secret(NONE);
    }
    Secret secret = PoolReader.secret(section, key);
    return secret == null ? new Secret(NONE) : secret;
  }
}
