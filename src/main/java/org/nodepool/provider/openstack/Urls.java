package org.nodepool.provider.openstack;

import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.net.URI;
import java.util.List;
import java.util.stream.Stream;

/** Where the versions of an OpenStack service are. */
final class Urls {
  /**
   * A version that a service offers.
   *
   * @param id such as {@code v3.14}
   * @param href where it says that it is; it may not know the name it is reached by
   */
  record Version(String id, String href) {}

  private Urls() {}

  /** In the order of the document; those that are there for old clients are left out. */
  static List<Version> versions(JsonObject document) {
    Object versions = document.getValue("versions");
    Stream<?> all =
        versions instanceof JsonArray list
            ? list.stream()
            : versions instanceof JsonObject values
                ? values.getJsonArray("values", new JsonArray()).stream()
                : Stream.ofNullable(document.getValue("version"));
    return all.filter(JsonObject.class::isInstance)
        .map(JsonObject.class::cast)
        .filter(version -> !"deprecated".equalsIgnoreCase(version.getString("status")))
        .map(version -> new Version(version.getString("id", ""), self(version)))
        .filter(version -> version.href() != null)
        .toList();
  }

  private static String self(JsonObject version) {
    return version.getJsonArray("links", new JsonArray()).stream()
        .map(JsonObject.class::cast)
        .filter(link -> "self".equals(link.getString("rel")))
        .map(link -> link.getString("href"))
        .findFirst()
        .orElse(null);
  }

  /** The path of one address at the server of another. */
  static String at(String server, String href) {
    return withoutSlash(URI.create(server).resolve(URI.create(href).getRawPath()).toString());
  }

  static String withoutSlash(String url) {
    return url.replaceFirst("/+$", "");
  }
}
