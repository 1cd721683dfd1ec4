package org.nodepool.provider;

import io.vertx.core.Future;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.core.streams.ReadStream;
import io.vertx.ext.web.client.HttpResponse;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;

/**
 * A cloud's images (OpenStack Image v2). To be used on one context alone. Every future fails with
 * {@link ProviderFailure} when the cloud refuses, and with {@link ProviderAway} when it does not
 * answer or may do it later.
 */
final class ImageService {
  private static final String TYPE = "image";
  private static final Pattern ID = Pattern.compile("[A-Za-z0-9_-]+");

  private final CloudCalls calls;
  private final Identity identity;
  private final ProviderConfig config;

  /** The service as the catalog names it, and where its version 2 was found. */
  private String endpoint;

  private Future<String> address;

  /**
   * An image as the cloud has it.
   *
   * @param status as the cloud calls it
   * @param size in bytes; null until it is known
   * @param hashAlgorithm of {@code hash}; null until it is known, or when there is none
   * @param hash lower case hex
   * @param checksum MD5, lower case hex; null until it is known, or when there is none
   */
  record Image(
      String id,
      String status,
      Long size,
      String hashAlgorithm,
      String hash,
      String checksum,
      JsonObject properties) {
    static Image of(JsonObject json) {
      return new Image(
          json.getString("id"),
          json.getString("status", ""),
          json.getLong("size"),
          json.getString("os_hash_algo"),
          json.getString("os_hash_value"),
          json.getString("checksum"),
          json);
    }
  }

  ImageService(CloudCalls calls, Identity identity, ProviderConfig config) {
    this.calls = calls;
    this.identity = identity;
    this.config = config;
  }

  /**
   * Makes an image without data. When it fails with {@link ProviderAway} there may be one.
   *
   * @param image its properties
   */
  Future<Image> create(JsonObject image) {
    return call(access -> calls.post(access.endpoint() + "/images", access.token(), image))
        .map(
            response -> {
              if (response.statusCode() != 201) {
                throw refused("to make an image", response);
              }
              return Image.of(json(response));
            });
  }

  /** Empty when there is none. */
  Future<Optional<Image>> find(String id) {
    return call(access -> calls.get(url(access, id), access.token()))
        .map(
            response ->
                switch (response.statusCode()) {
                  case 200 -> Optional.of(Image.of(json(response)));
                  case 404 -> Optional.empty();
                  default -> throw refused("to show image " + id, response);
                });
  }

  /** Those of which a property has this value, in no order. */
  Future<List<Image>> with(String property, String value) {
    String query = "/images?%s=%s&limit=100".formatted(property, encoded(value));
    return call(access -> calls.get(access.endpoint() + query, access.token()))
        .map(
            response -> {
              if (response.statusCode() != 200) {
                throw refused("to list images", response);
              }
              return json(response).getJsonArray("images", new JsonArray()).stream()
                  .map(JsonObject.class::cast)
                  // an Image service that does not know the filter lists all
                  .filter(image -> value.equals(image.getValue(property)))
                  .map(Image::of)
                  .toList();
            });
  }

  /**
   * Sends an image's data. Completes when the cloud has taken them; that takes as long as it takes.
   *
   * @param data from their beginning, each time
   */
  Future<Void> upload(String id, long sizeBytes, Supplier<Future<ReadStream<Buffer>>> data) {
    return call(access ->
            data.get()
                .compose(
                    stream ->
                        calls.put(url(access, id) + "/file", access.token(), sizeBytes, stream)))
        .map(
            response -> {
              if (response.statusCode() != 204) {
                throw refused("the upload", response);
              }
              return null;
            });
  }

  /**
   * Completes when the cloud has no such image, also if it never had. What is in use or protected
   * may be deleted later: {@link ProviderAway}.
   */
  Future<Void> delete(String id) {
    return call(access -> calls.delete(url(access, id), access.token()))
        .map(
            response -> {
              int status = response.statusCode();
              if (status == 403 || status == 409) {
                throw new ProviderAway(
                    "Provider %s does not delete image %s now: %s"
                        .formatted(config.name(), id, Refusal.of(response).reason()),
                    null);
              }
              if (status != 204 && status != 404) {
                throw refused("to delete image " + id, response);
              }
              return null;
            });
  }

  private Future<HttpResponse<Buffer>> call(
      Function<Identity.Access, Future<HttpResponse<Buffer>>> call) {
    return identity.call(
        TYPE, config.openStack().access().imageEndpoint(), found -> versioned(found).compose(call));
  }

  /** The catalog names the service; its version 2 may be anywhere below it. */
  private Future<Identity.Access> versioned(Identity.Access found) {
    if (!found.endpoint().equals(endpoint) || address.failed()) {
      endpoint = found.endpoint();
      address =
          endpoint.matches(".*/v2(\\.\\d+)?")
              ? Future.succeededFuture(endpoint)
              : discover(endpoint);
    }
    return address.map(base -> new Identity.Access(found.token(), base));
  }

  private Future<String> discover(String endpoint) {
    return calls
        .get(endpoint + "/", null)
        .map(
            response -> {
              List<Urls.Version> versions = Urls.versions(json(response));
              if (versions.isEmpty()) {
                return endpoint + "/v2"; // a proxy may hide the list
              }
              return versions.stream()
                  .filter(version -> version.id().startsWith("v2"))
                  .findFirst()
                  .map(version -> Urls.at(endpoint, version.href()))
                  .orElseThrow(
                      () ->
                          new ProviderFailure(
                              "Provider %s: Image at %s has no version 2, which is needed."
                                  .formatted(config.name(), endpoint)));
            });
  }

  /** The id comes from a row: it must not lead elsewhere. */
  private String url(Identity.Access access, String id) {
    if (!ID.matcher(id).matches()) {
      throw new ProviderFailure(
          "'%s' is not the id of an image in provider %s."
              .formatted(id.replaceAll("\\p{Cntrl}", "?"), config.name()));
    }
    return access.endpoint() + "/images/" + id;
  }

  private static String encoded(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  private ProviderFailure refused(String what, HttpResponse<Buffer> response) {
    return new ProviderFailure(
        "Provider %s refuses %s (%d): %s"
            .formatted(config.name(), what, response.statusCode(), Refusal.of(response).reason()));
  }

  private static JsonObject json(HttpResponse<Buffer> response) {
    try {
      JsonObject body = response.bodyAsJsonObject();
      return body == null ? new JsonObject() : body;
    } catch (DecodeException | ClassCastException e) {
      return new JsonObject();
    }
  }
}
