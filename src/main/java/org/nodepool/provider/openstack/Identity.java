package org.nodepool.provider.openstack;

import io.vertx.core.Future;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import org.nodepool.config.CloudAccess;
import org.nodepool.config.CloudAccess.ApplicationCredential;
import org.nodepool.config.CloudAccess.Named;
import org.nodepool.config.CloudAccess.Password;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;

/**
 * Logs in to a cloud (OpenStack Identity v3) and knows where its services are. One token serves all
 * calls until shortly before it expires; calls that come while it is fetched wait for the same one.
 * To be used on one context alone.
 *
 * <p>Every future fails with {@link ProviderFailure} when the cloud refuses the login or has no
 * such service, and with {@link ProviderAway} when it does not answer.
 */
final class Identity {
  /** A token is not used in the last minute of its life, or the last fifth of a short one. */
  private static final Duration MARGIN = Duration.ofMinutes(1);

  /** When a cloud does not say how long. */
  private static final Duration SHORT_LIFE = Duration.ofMinutes(5);

  private final CloudCalls calls;
  private final String provider;
  private final CloudAccess access;
  private final VersionDiscovery version;
  private Future<Session> session;

  /**
   * A login.
   *
   * @param until by {@link System#nanoTime}
   */
  private record Session(String token, JsonArray catalog, long until) {
    boolean isOver() {
      return System.nanoTime() - until >= 0;
    }
  }

  /** A token, and where the service is that was asked for. */
  record Access(String token, String endpoint) {}

  Identity(CloudCalls calls, String provider, CloudAccess access) {
    this.calls = calls;
    this.provider = provider;
    this.access = access;
    this.version = new VersionDiscovery(calls, provider, "Identity", 3);
  }

  /**
   * Calls a service with the token; once more with that of a new login when it says 401.
   *
   * @param type as the catalog has it
   * @param override where the service is whatever the catalog says; null when that decides
   */
  Future<CloudAnswer> call(
      String type, String override, Function<Access, Future<CloudAnswer>> call) {
    return session()
        .compose(
            first ->
                call.apply(access(first, type, override))
                    .compose(
                        answer ->
                            answer.status() != 401
                                ? Future.succeededFuture(answer)
                                : session(first)
                                    .compose(next -> call.apply(access(next, type, override)))))
        .map(this::accepted);
  }

  /** A service that does not reach Identity says 401 too, so it is no reason to give up. */
  private CloudAnswer accepted(CloudAnswer answer) {
    if (answer.status() == 401) {
      throw new ProviderAway(
          "Provider %s: a new login is not accepted: %s".formatted(provider, answer.reason()),
          null);
    }
    return answer;
  }

  private Access access(Session session, String type, String override) {
    return new Access(session.token(), override == null ? endpoint(session, type) : override);
  }

  /** Another one than that, which was not accepted. */
  private Future<Session> session(Session refused) {
    if (session != null && session.result() == refused) {
      session = null;
    }
    return session();
  }

  private Future<Session> session() {
    boolean isUsable =
        session != null
            && !session.failed()
            && (!session.isComplete() || !session.result().isOver());
    if (!isUsable) {
      session = calls.again(this::logIn);
    }
    return session;
  }

  private Future<Session> logIn() {
    long asked = System.nanoTime();
    return version
        .at(address())
        .compose(base -> calls.post(base + "/auth/tokens", null, loginBody()))
        .map(answer -> session(answer, asked));
  }

  private Session session(CloudAnswer answer, long asked) {
    String token = answer.header("X-Subject-Token");
    if (answer.status() != 201 || token == null) {
      throw new ProviderFailure(
          "Provider %s: Identity at %s refuses the login: %s"
              .formatted(provider, access.authUrl(), answer.reason()));
    }
    JsonObject body = answer.json().getJsonObject("token", new JsonObject());
    Duration life = life(body);
    Duration fifth = life.dividedBy(5);
    Duration use = life.minus(fifth.compareTo(MARGIN) < 0 ? fifth : MARGIN);
    return new Session(token, body.getJsonArray("catalog", new JsonArray()), asked + use.toNanos());
  }

  /** By the cloud's clock alone: ours may be another. */
  private static Duration life(JsonObject token) {
    try {
      return Duration.between(
          OffsetDateTime.parse(token.getString("issued_at", "")),
          OffsetDateTime.parse(token.getString("expires_at", "")));
    } catch (DateTimeException e) {
      return SHORT_LIFE;
    }
  }

  /** Identity API v3, "Authentication and token management". */
  private JsonObject loginBody() {
    JsonObject auth = new JsonObject();
    if (access.credentials() instanceof Password login) {
      auth.put(
              "identity",
              new JsonObject()
                  .put("methods", new JsonArray().add("password"))
                  .put(
                      "password",
                      new JsonObject()
                          .put(
                              "user",
                              named(login.user()).put("password", login.password().value()))))
          .put("scope", new JsonObject().put("project", named(login.project())));
    } else if (access.credentials() instanceof ApplicationCredential login) {
      JsonObject credential = new JsonObject().put("secret", login.secret().value());
      if (login.id() != null) {
        credential.put("id", login.id());
      } else {
        credential.put("name", login.name()).put("user", named(login.user()));
      }
      auth.put(
          "identity",
          new JsonObject()
              .put("methods", new JsonArray().add("application_credential"))
              .put("application_credential", credential));
    }
    return new JsonObject().put("auth", auth);
  }

  private static JsonObject named(Named who) {
    if (who.id() != null) {
      return new JsonObject().put("id", who.id());
    }
    JsonObject domain =
        who.domainId() != null
            ? new JsonObject().put("id", who.domainId())
            : new JsonObject().put("name", who.domainName());
    return new JsonObject().put("name", who.name()).put("domain", domain);
  }

  /** What is configured may be the server's root, its v3, or the v2.0 of old files. */
  private String address() {
    return Urls.withoutSlash(access.authUrl()).replaceFirst("/v2\\.0$", "");
  }

  /** Of that type, in the configured region, for the configured interface. */
  private String endpoint(Session session, String type) {
    Set<String> regions = new TreeSet<>();
    List<String> urls = new ArrayList<>();
    for (JsonObject service : objects(session.catalog())) {
      if (type.equals(service.getString("type"))) {
        for (JsonObject endpoint : objects(service.getJsonArray("endpoints", new JsonArray()))) {
          if (access.endpointInterface().equals(endpoint.getString("interface"))) {
            String region = endpoint.getString("region_id", endpoint.getString("region", ""));
            regions.add(region);
            if (access.region() == null || access.region().equals(region)) {
              urls.add(endpoint.getString("url"));
            }
          }
        }
      }
    }
    if (urls.isEmpty()) {
      throw new ProviderFailure(
          "Provider %s: the cloud has no %s service (%s) in region %s; it has one in: %s."
              .formatted(
                  provider,
                  type,
                  access.endpointInterface(),
                  Objects.requireNonNullElse(access.region(), "any"),
                  regions.isEmpty() ? "none" : String.join(", ", regions)));
    }
    if (access.region() == null && regions.size() > 1) {
      throw new ProviderFailure(
          "Provider %s: the cloud has several regions, and region-name does not say which: %s."
              .formatted(provider, String.join(", ", regions)));
    }
    return Urls.withoutSlash(urls.get(0));
  }

  private static List<JsonObject> objects(JsonArray array) {
    return array.stream().map(JsonObject.class::cast).toList();
  }
}
