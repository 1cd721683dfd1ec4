package org.nodepool.provider.openstack;

import io.vertx.core.Future;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.core.streams.ReadStream;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;

/**
 * A cloud's images (OpenStack Image v2). To be used on one context alone. Every future fails with
 * {@link ProviderFailure} when the cloud refuses, and with {@link ProviderAway} when it does not
 * answer or may do it later.
 */
final class ImageService {
  private static final Pattern ID = Pattern.compile("[A-Za-z0-9_-]+");

  private final CloudCalls calls;
  private final String provider;
  private final CloudService service;

  /**
   * An image as the cloud has it.
   *
   * @param status as the cloud calls it
   * @param size in bytes; null until it is known
   * @param hashAlgorithm of {@code hash}; null until it is known, or when there is none
   * @param hash lower case hex
   * @param checksum MD5, lower case hex; null until it is known, or when there is none
   */
  record CloudImage(
      String id,
      String status,
      Long size,
      String hashAlgorithm,
      String hash,
      String checksum,
      JsonObject properties) {
    static CloudImage of(JsonObject json) {
      return new CloudImage(
          json.getString("id"),
          json.getString("status", ""),
          json.getLong("size"),
          json.getString("os_hash_algo"),
          json.getString("os_hash_value"),
          json.getString("checksum"),
          json);
    }
  }

  /**
   * @param endpoint where the service is whatever the catalog says; null when that decides
   */
  ImageService(CloudCalls calls, Identity identity, String provider, String endpoint) {
    this.calls = calls;
    this.provider = provider;
    this.service =
        new CloudService(
            identity,
            provider,
            "image",
            endpoint,
            new VersionDiscovery(calls, provider, "Image", 2));
  }

  /**
   * Makes an image without data. When it fails with {@link ProviderAway} there may be one.
   *
   * @param image its properties
   */
  Future<CloudImage> create(JsonObject image) {
    return service
        .call(access -> calls.post(access.endpoint() + "/images", access.token(), image))
        .map(
            answer -> {
              if (answer.status() != 201) {
                throw service.refused("to make an image", answer);
              }
              return CloudImage.of(answer.json());
            });
  }

  /** Empty when there is none. */
  Future<Optional<CloudImage>> find(String id) {
    return service
        .call(access -> calls.get(url(access, id), access.token()))
        .map(
            answer ->
                switch (answer.status()) {
                  case 200 -> Optional.of(CloudImage.of(answer.json()));
                  case 404 -> Optional.empty();
                  default -> throw service.refused("to show image " + id, answer);
                });
  }

  /** The images of which a property has this value, in no order. */
  Future<List<CloudImage>> with(String property, String value) {
    String query = "/images?%s=%s&limit=100".formatted(property, encoded(value));
    return service
        .call(access -> calls.get(access.endpoint() + query, access.token()))
        .map(
            answer -> {
              if (answer.status() != 200) {
                throw service.refused("to list images", answer);
              }
              return answer.json().getJsonArray("images", new JsonArray()).stream()
                  .map(JsonObject.class::cast)
                  // an Image service that does not know the filter lists all
                  .filter(image -> value.equals(image.getValue(property)))
                  .map(CloudImage::of)
                  .toList();
            });
  }

  /**
   * Sends an image's data. Completes when the cloud has taken them; that takes as long as it takes.
   *
   * @param data from their beginning, each time
   */
  Future<Void> upload(String id, long sizeBytes, Supplier<Future<ReadStream<Buffer>>> data) {
    return service
        .call(
            access ->
                data.get()
                    .compose(
                        stream ->
                            calls.put(
                                url(access, id) + "/file", access.token(), sizeBytes, stream)))
        .map(
            answer -> {
              if (answer.status() != 204) {
                throw service.refused("the upload", answer);
              }
              return null;
            });
  }

  /**
   * Completes when the cloud has no such image, also if it never had. Fails with {@link
   * ProviderAway} when the image is in use or protected: it may be deleted later.
   */
  Future<Void> delete(String id) {
    return service
        .call(access -> calls.delete(url(access, id), access.token()))
        .map(
            answer -> {
              int status = answer.status();
              if (status == 403 || status == 409) {
                throw new ProviderAway(
                    "Provider %s does not delete image %s now: %s"
                        .formatted(provider, id, answer.reason()),
                    null);
              }
              if (status != 204 && status != 404) {
                throw service.refused("to delete image " + id, answer);
              }
              return null;
            });
  }

  /** The id comes from a row: it must not lead elsewhere. */
  private String url(Identity.Access access, String id) {
    if (!ID.matcher(id).matches()) {
      throw new ProviderFailure(
          "'%s' is not the id of an image in provider %s."
              .formatted(id.replaceAll("\\p{Cntrl}", "?"), provider));
    }
    return access.endpoint() + "/images/" + id;
  }

  private static String encoded(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }
}
